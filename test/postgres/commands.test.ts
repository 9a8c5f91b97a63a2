import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { png } from '../../src/cli/thumbnail.ts';
import { type Clip, loadClip } from '../../src/index.ts';
import { openPhotos } from '../../src/search/index.ts';
import { nearest } from '../../src/similarity.ts';
import { edgeclip, jsonLines, projectPath, workFolder } from '../cli/command.ts';
import { Random } from '../kernels/random.ts';
import { PASSWORD, PostgresServer } from './server.ts';

const MAIN = join(projectPath, 'dist/cli/main.js');
const work = workFolder({});
const photos = join(work.path, 'photos');
const golden = join(projectPath, 'test/golden/photos');
const at = (name: string) => join(photos, name);
const names = ['cat.png', 'coffee.png', 'rocket.jpg', 'grass.png'];
const random = new Random(3);

let server: PostgresServer;
let clip: Clip;
beforeAll(async () => {
  [server, clip] = await Promise.all([PostgresServer.start(), loadClip()]);
  mkdirSync(photos, { recursive: true });
  for (const name of names) copyFileSync(join(golden, name), at(name));
});
afterAll(async () => {
  clip?.dispose();
  work.remove();
  await server?.remove();
});

/** Nothing that is printed has the password in it. */
async function run(...args: string[]) {
  const outcome = await edgeclip(args, { cwd: work.path });
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD)]) {
    expect(outcome.stdout + outcome.stderr).not.toContain(secret);
  }
  return outcome;
}

it('indexes photos, finds them as nearest does, and shows their doubles', async () => {
  const address = server.address();
  const name = `postgres://edgeclip@127.0.0.1:${server.port}/postgres`;
  writeFileSync(at('bad.jpg'), 'no picture');
  const first = await run('index', 'photos', '--to', address);
  expect([first.code, first.stdout]).toEqual([1, `${name}: 4 photos (4 new, 1 failed)\n`]);
  expect((await run('index', '--errors', '--to', address)).stdout).toMatch(/photos\/bad\.jpg: .*\[IMAGE_FORMAT\]\n$/);
  renameSync(at('cat.png'), at('kitty.png'));
  copyFileSync(at('coffee.png'), at('copy.png'));
  renameSync(at('bad.jpg'), join(work.path, 'gone'));
  const second = await run('index', 'photos', '--to', address);
  expect([second.code, second.stderr, second.stdout]).toEqual([0, '', `${name}: 5 photos (1 new, 1 moved)\n`]);
  expect((await run('index', '--errors', '--to', address)).stdout).toBe('');

  const files = ['coffee.png', 'copy.png', 'grass.png', 'rocket.jpg', 'kitty.png'].map(at);
  const vectors = await clip.encodeImage(files.map((path) => readFileSync(path)));
  const expected = await nearest(await clip.encodeText('a photo of a cat'), vectors, 5);
  for (const more of [[], ['--approximate']]) {
    const { stdout } = await run('search', 'a photo of a cat', '--in', address, '--json', ...more);
    expect(jsonLines<{ file: string }>(stdout).map(({ file }) => file)).toEqual(
      expected.map(({ index }) => files[index]),
    );
  }
  const page = await run('search', 'a cat', '--in', address, '--html');
  expect(page.stdout).toContain(`photos in ${name}, best first`);
  expect((await run('duplicates', '--in', address)).stdout).toBe(
    `  copy  ${at('coffee.png')}\n  copy  ${at('copy.png')}\n`,
  );
});

it('says in one line what is wrong', async () => {
  for (const [args, message] of [
    [['search', 'cat', '--in', server.address('postgres', 'none')], /there is no index "postgres:.*\[IO\]$/],
    [
      ['search', 'cat', '--in', server.address('postgres', undefined, 'x')],
      /refuses the user or the password.*\[IO\]$/,
    ],
    [['index', 'photos', '--to', server.address(), '--orient'], /no options for pictures.*--orient.*\[INDEX_MODEL\]$/],
  ] as const) {
    const outcome = await run(...args);
    expect([outcome.code, outcome.stderr.trimEnd()]).toEqual([1, expect.stringMatching(message)]);
    expect(outcome.stderr.trimEnd()).not.toContain('\n');
  }
});

it('is searched by the server', async () => {
  const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--in', server.address()], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let log = '';
  const listening = new Promise<number>((resolve) => {
    child.stdout.on('data', (chunk) => {
      log += chunk;
      const said = /"message":"listening".*"port":(\d+)/.exec(log);
      if (said) resolve(Number(said[1]));
    });
  });
  const search = async () => {
    const response = await fetch(`http://127.0.0.1:${await listening}/search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'a photo of a cat', top: 1, path: 'kitty' }),
    });
    return [response.status, await response.json()];
  };
  expect(await search()).toEqual([200, { photos: [expect.objectContaining({ path: at('kitty.png') })] }]);
  await server.stop();
  const [status] = await search();
  expect(status).toBeGreaterThanOrEqual(500);
  await server.run();
  expect(await search()).toEqual([200, { photos: [expect.objectContaining({ path: at('kitty.png') })] }]);
  child.kill('SIGTERM');
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(log).not.toContain(encodeURIComponent(PASSWORD));
});

it('loses nothing when it is killed, and repeats nothing', async () => {
  const COUNT = 60;
  const address = server.address('postgres', 'killed');
  mkdirSync(join(work.path, 'many'));
  const files = Array.from({ length: COUNT }, (_, i) => join(work.path, 'many', `${String(i).padStart(3, '0')}.png`));
  for (const path of files) writeFileSync(path, png(random.bytes(3 * 120 * 90), 120, 90));
  const stored = async () => {
    const store = await openPhotos(address, { readOnly: true }).catch(() => undefined);
    if (!store) return new Map<string, number>(); // its tables are not there yet
    const photos = new Map((await store.photos()).map(({ path, id }) => [path, id]));
    await store.close();
    return photos;
  };
  let before = await stored();
  const counts: number[] = [];
  for (let kill = 0; kill < 5; kill++) {
    const args = [MAIN, 'index', 'many', '--to', address, '--threads', '1'];
    const child = spawn(process.execPath, args, { cwd: work.path, stdio: 'ignore' });
    const ended = once(child, 'close');
    await expect.poll(async () => (await stored()).size, { interval: 5, timeout: 30_000 }).toBeGreaterThan(before.size);
    setTimeout(() => child.kill('SIGKILL'), random.integer(0, 60));
    await ended;
    const after = await stored();
    for (const [path, id] of before) expect(after.get(path)).toBe(id); // also: was not computed again
    expect([...after.keys()]).toEqual(files.slice(0, after.size)); // in order, without a gap
    counts.push(after.size);
    before = after;
  }
  expect(before.size).toBeLessThan(COUNT);
  const { code, stdout } = await run('index', 'many', '--to', address);
  expect([code, stdout]).toEqual([0, expect.stringMatching(`: ${COUNT} photos \\(${COUNT - before.size} new\\)\n$`)]);
  const store = await openPhotos(address, { readOnly: true });
  for (const [i, { id }] of (await store.photos()).entries()) {
    if (i % 10 === 0) expect(await store.vector(id)).toEqual(await clip.encodeImage(readFileSync(files[i]!)));
  }
  await store.close();
});
