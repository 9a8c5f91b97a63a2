/**
 * A model by its name in each runtime, from dist/ and a fake hub: `tsx test/hub/runtimes.js [NAME ..]`, after `npm run build` and
 * `npm run test:runtimes`, which installs the runtimes. Node, Deno and Bun continue a download that broke off, load again from
 * the cache without the hub, and must give the bits that this process finds in the folder; their `edgeclip convert` must write the
 * same bytes. Browsers and workerd: web-runtimes.js.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { writePackedFolder } from '../../src/cli/packed-folder.ts';
import { loadClip } from '../../src/load.ts';
import { openModel } from '../../src/open-model.ts';
import { readFolder } from '../api/checkpoint.ts';
import { goldenPath } from '../model/golden.ts';
import { FakeHub } from './fake-hub.ts';
import { tryWebRuntimes } from './web-runtimes.js';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const inRuntimes = (name) => path(`../runtimes/node_modules/${name}`);
const RUNTIMES = {
  'node 20': [inRuntimes('node-20/bin/node')],
  'node 24': [inRuntimes('node-24/bin/node')],
  deno: [inRuntimes('@deno/linux-x64-glibc/deno'), 'run', '--allow-all', '--quiet'],
  bun: [inRuntimes('@oven/bun-linux-x64/bin/bun')],
};
const NAME = 'someone/tiny-vit';
const picture = goldenPath('photos/cat.png');

const program = (entry) => `
import { readFile } from 'node:fs/promises';
import { loadClip } from ${JSON.stringify(path(`../../dist/${entry}`))};
const picture = await readFile(${JSON.stringify(picture)});
const results = [];
for (const localFilesOnly of [false, true]) {
  const clip = await loadClip(${JSON.stringify(NAME)}, { localFilesOnly, towers: ['image'] });
  results.push(Array.from(await clip.encodeImage(picture)));
  clip.dispose();
}
console.log(JSON.stringify(results));
`;

const only = process.argv.slice(2);
const isWanted = (name) => only.length === 0 || only.some((prefix) => name.startsWith(prefix));

const hub = await FakeHub.start();
const top = mkdtempSync(join(tmpdir(), 'edgeclip hub runtimes '));
let failed = 0;
try {
  hub.publish(NAME, readFolder('tiny-vit'));
  const clip = await loadClip(goldenPath('tiny-vit'), { towers: ['image'] });
  const expected = JSON.stringify([...(await clip.encodeImage(readFileSync(picture)))]);
  clip.dispose();
  for (const entry of ['index.js', 'bundle/index.js']) {
    const script = join(top, `${entry.replace('/', '-')}.mjs`);
    writeFileSync(script, program(entry));
    for (const [name, [command, ...args]] of Object.entries(RUNTIMES)) {
      if (!isWanted(name)) continue;
      hub.asked.length = 0;
      hub.cuts = [1_000_000];
      const env = { ...process.env, HF_ENDPOINT: hub.address, HF_HOME: join(top, `${name} ${entry}`) };
      const outcome = await promisify(execFile)(command, [...args, script], { env }).then(
        ({ stdout }) => (stdout.trim() === `[${expected},${expected}]` ? 'ok' : `other bits: ${stdout.slice(0, 200)}`),
        (error) => `FAILED: ${error.stderr ?? error.message}`,
      );
      const resumed = hub.asked.some(({ range }) => range !== undefined);
      const report = outcome === 'ok' && !resumed ? 'the download was not continued' : outcome;
      if (report !== 'ok') failed++;
      console.log(`${name}, ${entry}: ${report}`);
    }
  }
  hub.cuts = [];
  const options = { precision: 'int8', shardBytes: 200_000 };
  const written = await writePackedFolder(await openModel(goldenPath('tiny-vit')), join(top, 'packed'), options);
  for (const [name, [command, ...args]] of Object.entries(RUNTIMES)) {
    if (!isWanted(name)) continue;
    const env = { ...process.env, HF_ENDPOINT: hub.address, HF_HOME: join(top, 'convert') };
    const convert = ['convert', NAME, '-o', join(top, `packed by ${name}`), '--shard-size', '200000', '--json'];
    const report = await promisify(execFile)(command, [...args, path('../../dist/cli/main.js'), ...convert], {
      env,
    }).then(
      ({ stdout }) => (stdout.trim() === JSON.stringify(written) ? 'ok' : `other bytes: ${stdout.slice(0, 200)}`),
      (error) => `FAILED: ${error.stderr ?? error.message}`,
    );
    if (report !== 'ok') failed++;
    console.log(`${name}, edgeclip convert: ${report}`);
  }
} finally {
  rmSync(top, { recursive: true, force: true });
  await hub.stop();
}
failed += await tryWebRuntimes(isWanted);
process.exitCode = failed > 0 ? 1 : 0;
