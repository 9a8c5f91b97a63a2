import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Clip, loadClip } from '../../src/index.ts';
import { nearest } from '../../src/similarity.ts';
import { edgeclip, jsonLines, projectPath, workFolder } from '../cli/command.ts';
import { PASSWORD, PostgresServer } from './server.ts';

const MAIN = join(projectPath, 'dist/cli/main.js');
const work = workFolder({});
const photos = join(work.path, 'photos');
const golden = join(projectPath, 'test/golden/photos');
const at = (name: string) => join(photos, name);
const names = ['cat.png', 'coffee.png', 'rocket.jpg', 'grass.png'];

let server: PostgresServer;
let clip: Clip;
/** An index of the photos. */
let made: string;
let serving: ChildProcess | undefined;
beforeAll(async () => {
  [server, clip] = await Promise.all([PostgresServer.start(), loadClip()]);
  mkdirSync(photos, { recursive: true });
  for (const name of names) copyFileSync(join(golden, name), at(name));
  made = server.address('postgres', 'made');
  expect((await run('index', 'photos', '--to', made)).code).toBe(0);
});
afterAll(async () => {
  serving?.kill('SIGKILL');
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
  for (const more of [[], ['--approximate']]) {
    expect((await run('duplicates', '--in', address, ...more)).stdout).toBe(
      `  copy  ${at('coffee.png')}\n  copy  ${at('copy.png')}\n`,
    );
  }
});

it('keeps the photos of a folder that has none now, and has a file with two paths once', async () => {
  const address = server.address('postgres', 'kept');
  const folder = join(work.path, 'disk');
  mkdirSync(folder);
  copyFileSync(join(golden, 'cat.png'), join(folder, 'cat.png'));
  symlinkSync('cat.png', join(folder, 'a link.png'));
  expect((await run('index', 'disk', '--to', address)).stdout).toMatch(/: 1 photo \(1 new, 1 link\)\n$/);
  rmSync(folder, { recursive: true });
  mkdirSync(folder);
  const kept = await run('index', 'disk', '--to', address);
  expect([kept.code, kept.stdout]).toEqual([1, expect.stringMatching(/: 1 photo \(1 failed\)\n$/)]);
  expect(kept.stderr).toMatch(/has no photos now: its 1 photo stays .*--allow-empty/);
  const meant = await run('index', 'disk', '--to', address, '--allow-empty');
  expect([meant.code, meant.stdout]).toEqual([0, expect.stringMatching(/: 0 photos \(1 removed\)\n$/)]);
});

it('says in one line what is wrong', async () => {
  for (const [args, message] of [
    [['search', 'cat', '--in', server.address('postgres', 'none')], /there is no index "postgres:.*\[IO\]$/],
    [
      ['search', 'cat', '--in', server.address('postgres', undefined, 'x')],
      /refuses the user or the password.*\[IO\]$/,
    ],
    [['index', 'photos', '--to', made, '--orient'], /no options for pictures.*--orient.*\[INDEX_MODEL\]$/],
  ] as const) {
    const outcome = await run(...args);
    expect([outcome.code, outcome.stderr.trimEnd()]).toEqual([1, expect.stringMatching(message)]);
    expect(outcome.stderr.trimEnd()).not.toContain('\n');
  }
});

it('is searched by the server', async () => {
  serving = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--in', made], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(serving, 'close');
  let log = '';
  const listening = new Promise<number>((resolve, reject) => {
    serving!.stdout!.on('data', (chunk) => {
      log += chunk;
      const said = /"message":"listening".*"port":(\d+)/.exec(log);
      if (said) resolve(Number(said[1]));
    });
    ended.then(() => reject(new Error(`it ended: ${log}`)));
  });
  const search = async (approximate = false) => {
    const response = await fetch(`http://127.0.0.1:${await listening}/search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'a rocket', top: 1, path: 'rocket', approximate }),
    });
    return [response.status, await response.json()];
  };
  expect(await search()).toEqual([200, { photos: [expect.objectContaining({ path: at('rocket.jpg') })] }]);
  expect(await search(true)).toEqual(await search());
  await server.stop();
  const [status] = await search();
  expect(status).toBeGreaterThanOrEqual(500);
  await server.run();
  expect(await search()).toEqual([200, { photos: [expect.objectContaining({ path: at('rocket.jpg') })] }]);
  serving.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(log).not.toContain(encodeURIComponent(PASSWORD));
});
