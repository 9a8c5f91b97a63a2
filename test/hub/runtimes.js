/**
 * A model by its name in each runtime, from dist/ and a fake hub: `tsx test/hub/runtimes.js [NAME ..]`, after `npm run build` and
 * `npm run test:runtimes`, which installs the runtimes. Node, Deno and Bun wait for a lock while its process is there and no
 * longer, continue a download that broke off, load again from the cache without the hub, and must give the bits that this process
 * finds in the folder, Deno with the permissions that docs/models.md names; their `edgeclip convert` must write the same bytes.
 * Browsers and workerd: web-runtimes.js.
 */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { writePackedFolder } from '../../src/cli/packed-folder.ts';
import { loadClip } from '../../src/load.ts';
import { openModel } from '../../src/open-model.ts';
import { readFolder } from '../api/checkpoint.ts';
import { goldenPath } from '../model/golden.ts';
import { FakeHub, sha256 } from './fake-hub.ts';
import { tryWebRuntimes } from './web-runtimes.js';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const inRuntimes = (name) => path(`../runtimes/node_modules/${name}`);
const RUNTIMES = {
  'node 20': [inRuntimes('node-20/bin/node')],
  'node 24': [inRuntimes('node-24/bin/node')],
  deno: [inRuntimes('@deno/linux-x64-glibc/deno'), 'run', '--allow-all', '--quiet'],
  bun: [inRuntimes('@oven/bun-linux-x64/bin/bun')],
};
/** Loading in Deno. */
const PERMISSIONS = ['--allow-net', '--allow-env', '--allow-sys', '--allow-read', '--allow-write', '--no-prompt'];
const NAME = 'someone/tiny-vit';
const model = readFolder('tiny-vit');
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

/** The lock of the weights, which this process holds, then seems to be held by one that has ended. Its time stays new. */
function heldLock(home) {
  const blobs = join(home, 'hub', `models--${NAME.replace('/', '--')}`, 'blobs');
  const path = join(blobs, `${sha256(model['open_clip_model.safetensors'])}.edgeclip.lock`);
  mkdirSync(blobs, { recursive: true });
  writeFileSync(path, `${process.pid} ${hostname()}`);
  const touch = setInterval(() => existsSync(path) && utimesSync(path, new Date(), new Date()), 1000);
  return {
    async isWaitedFor(running) {
      let ended = false;
      running.finally(() => (ended = true));
      const isAsked = (part) => hub.asked.some(({ path }) => path.includes(part));
      while (!ended && !isAsked('open_clip_config.json')) await new Promise((resolve) => setTimeout(resolve, 20));
      await new Promise((resolve) => setTimeout(resolve, 500));
      return !ended && !hub.asked.some(({ at }) => at === 'files');
    },
    leave: () => writeFileSync(path, `${spawnSync(process.execPath, ['--version']).pid} ${hostname()}`),
    end: () => clearInterval(touch),
  };
}

const hub = await FakeHub.start();
const top = mkdtempSync(join(tmpdir(), 'edgeclip hub runtimes '));
let failed = 0;
try {
  hub.publish(NAME, model);
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
      const allowed = args.flatMap((arg) => (arg === '--allow-all' ? PERMISSIONS : [arg]));
      const lock = heldLock(env.HF_HOME);
      const running = promisify(execFile)(command, [...allowed, script], { env, timeout: 120_000 }).then(
        ({ stdout }) => (stdout.trim() === `[${expected},${expected}]` ? 'ok' : `other bits: ${stdout.slice(0, 200)}`),
        (error) => `FAILED: ${error.stderr || error.message}`,
      );
      const waited = await lock.isWaitedFor(running);
      lock.leave();
      const outcome = await running;
      lock.end();
      const resumed = hub.asked.some(({ range }) => range !== undefined);
      const wrong = [!waited && 'the lock of a process that is there was not waited for', !resumed && 'the download was not continued']; // biome-ignore format: one line
      const report = outcome === 'ok' ? wrong.find((text) => text) || 'ok' : outcome;
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
