/**
 * One photo index that each runtime's SQLite writes in its turn: libsql in Node 20, node:sqlite in later ones and in Deno, bun:sqlite. What
 * one has written all read. Needs `npm run build` and the runtimes of test/runtimes.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { projectPath, workFolder } from '../cli/command.ts';
import { create, D } from '../search/photo-store.ts';
import { photoWriter } from '../search/photo-writer.ts';

const installed = (name: string) => join(projectPath, 'test/runtimes/node_modules', name);
const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  'node-20': [installed('node-20/bin/node')],
  'node-22': [installed('node-22/bin/node')],
  'node-24': [installed('node-24/bin/node')],
  deno: [installed('@deno/linux-x64-glibc/deno'), 'run', '--allow-all', '--quiet'],
  bun: [installed('@oven/bun-linux-x64/bin/bun')],
};
const NAMES = ['cat.png', 'coffee.png', 'rocket.jpg', 'grass.png', 'coins.png'];

const work = workFolder({});
afterAll(() => work.remove());

it('is written and read by each of them, with the same answers', async () => {
  mkdirSync(join(work.path, 'photos'), { recursive: true });
  const run = async (runtime: string, ...args: string[]) => {
    const [program, ...before] = RUNTIMES[runtime] as [string, ...string[]];
    const main = join(projectPath, 'dist/cli/main.js');
    return (await promisify(execFile)(program, [...before, main, ...args], { cwd: work.path })).stdout;
  };
  for (const [i, runtime] of Object.keys(RUNTIMES).entries()) {
    copyFileSync(join(projectPath, 'test/golden/photos', NAMES[i]!), join(work.path, 'photos', NAMES[i]!));
    expect(await run(runtime, 'index', 'photos'), runtime).toMatch(new RegExp(`^edgeclip\\.db: ${i + 1} photos? \\(1 new\\)\\n$`)); // biome-ignore format: one line
  }
  expect(readdirSync(work.path).sort()).toEqual(['edgeclip.db', 'photos']); // no journal is left
  const expected = await run('node-20', 'search', 'a photo of a cat', '--json');
  expect(expected.trimEnd().split('\n')).toHaveLength(NAMES.length);
  expect(expected).toMatch(/^\{"file":"[^"]*cat\.png"/);
  for (const runtime of Object.keys(RUNTIMES)) {
    expect(await run(runtime, 'search', 'a photo of a cat', '--json'), runtime).toBe(expected);
  }
});

it('is read in Deno with --allow-read alone, also with the journal of a writer that was killed', async () => {
  const index = join(work.path, 'killed.db');
  const program = join(work.path, 'writer.mjs');
  writeFileSync(program, photoWriter(index, D, { create }));
  const writer = spawn(RUNTIMES['node-24']![0]!, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(writer.stdout, 'data');
  writer.kill('SIGKILL');
  await once(writer, 'exit');
  const count = async () => {
    const search = join(projectPath, 'dist/search.js');
    const code = `import { openPhotos } from ${JSON.stringify(search)};
      const store = await openPhotos(${JSON.stringify(index)}, { readOnly: true });
      console.log(await store.count(), (await store.search(new Float32Array(${D}).fill(1), 2)).length);
      await store.close();`;
    const reader = join(work.path, 'reader.mjs');
    writeFileSync(reader, code);
    const [deno] = RUNTIMES.deno as [string];
    const { stdout } = await promisify(execFile)(deno, ['run', '--allow-read', '--no-prompt', '--quiet', reader]);
    return stdout;
  };
  expect(existsSync(`${index}-wal`)).toBe(true);
  const before = await count();
  expect(before).toMatch(/^\d*[02468] 2\n$/); // the first change is in the journal alone
  rmSync(`${index}-shm`, { force: true });
  expect(await count()).toBe(before);
});
