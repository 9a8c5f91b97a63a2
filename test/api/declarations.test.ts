/** The package's declarations compile where there is neither the DOM nor `skipLibCheck`. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const build = join(root, 'build');
mkdirSync(build, { recursive: true });
const folder = mkdtempSync(join(build, 'declarations-')); // inside the repository, so that @types/node is found
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the compiler prints. */
const tsc = (...args: string[]) =>
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...args], { cwd: root }).then(
    ({ stdout }) => stdout,
    ({ stdout }) => stdout as string,
  );

it('a strict program with the library ES2022 and the types of Node.js alone', async () => {
  expect(await tsc('-p', 'tsconfig.build.json', '--outDir', join(folder, 'edgeclip'))).toBe('');
  const program = join(folder, 'program.ts');
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(
    program,
    `import { type Clip, loadClip, nearest } from './edgeclip/index.js';
     import { Tokenizer } from './edgeclip/text/tokenizer.js';
     import { loadClip as loadInWorker } from './edgeclip/worker/index.js';
     const inWorker: Clip = await loadInWorker({ towers: ['image'] });
     inWorker.dispose();
     const clip: Clip = await loadClip({ towers: ['image'] });
     const embedding: Float32Array = await clip.encodeImage(new Uint8Array(8));
     await nearest(embedding, [embedding], 1);
     export const ids: number[] = Tokenizer.fromJSON('{}').encode('a cat');`,
  );
  const options = '--ignoreConfig --strict --noEmit --target es2022 --lib es2022 --types node --module nodenext';
  expect(await tsc(...options.split(' '), '--skipLibCheck', 'false', program)).toBe('');
});
