/** `edgeclip serve` as users start it: its log, its signals, its ends. Needs `npm run build`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { edgeclip, jsonLines, workFolder } from '../../cli/command.ts';
import { dataUri, photoFile } from '../server.ts';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

interface Line {
  readonly message: string;
  readonly port?: number;
  readonly status?: number;
}

/** The command, once it listens. */
async function start(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--threads', '1', ...args]);
  children.push(child);
  let out = '';
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      out += chunk;
      const listening = /"message":"listening".*"port":(\d+)/.exec(out)?.[1];
      if (listening) resolve(Number(listening));
    });
    ended.then(() => reject(new Error(`it ended: ${stderr}`)));
  });
  return { child, ended, url: `http://127.0.0.1:${port}`, lines: () => jsonLines<Line>(out), stderr: () => stderr };
}

const embedCoins = (url: string, count: number) => {
  const body = JSON.stringify({ input: Array(count).fill({ image: dataUri(photoFile('coins.png')) }) });
  return fetch(`${url}/v1/embeddings`, { method: 'POST', body });
};

/** Resolves once pictures wait. */
const becomesBusy = (url: string) =>
  expect
    .poll(async () => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return Number(/^edgeclip_queue_length\{kind="pictures"\} (\d+)$/m.exec(text)![1]);
    })
    .toBeGreaterThan(0);

it('SIGTERM finishes what is begun, takes no more, and ends with code 0', async () => {
  const { child, ended, url, lines, stderr } = await start();
  const begun = embedCoins(url, 60);
  await becomesBusy(url);
  child.kill('SIGTERM');
  const answer = await begun;
  expect(answer.status).toBe(200);
  expect(((await answer.json()) as { data: unknown[] }).data).toHaveLength(60);
  expect(await ended).toBe(0);
  await expect(fetch(`${url}/health`)).rejects.toThrow();
  expect(stderr()).toBe('');
  const messages = lines().map(({ message }) => message);
  expect(messages[0]).toBe('listening');
  expect(messages).toContain('ending');
  expect(lines().at(-1)).toMatchObject({ message: 'request', path: '/v1/embeddings', status: 200 });
});

it('without a key, a page that points its own name at this machine is refused; with one, it needs the key', async () => {
  /** The status of a request to another host name, which `fetch` does not send. */
  const asked = (url: string, host: string, headers = {}) =>
    new Promise<number>((resolve, reject) => {
      request(`${url}/v1/models`, { headers: { host, ...headers } }, (response) => {
        response.resume();
        resolve(response.statusCode!);
      })
        .on('error', reject)
        .end();
    });
  const { url } = await start();
  expect(await asked(url, 'photos.example')).toBe(403);
  expect(await asked(url, 'localhost.photos.example:3000')).toBe(403);
  for (const host of ['localhost:3000', '127.0.0.1', '[::1]:3000', 'edgeclip.localhost']) {
    expect(await asked(url, host), host).toBe(200);
  }
  const keyed = await start('--api-key', 'k');
  expect(await asked(keyed.url, 'photos.example')).toBe(401);
  expect(await asked(keyed.url, 'photos.example', { 'x-api-key': 'k' })).toBe(200);
});

it('loads the model that made the index', async () => {
  const work = workFolder({ 'photos/cat.png': photoFile('cat.png') });
  try {
    await edgeclip(['index', 'photos', '--to', 'p.db', '--precision', 'f32'], { cwd: work.path });
    const { url } = await start('--in', join(work.path, 'p.db'));
    const response = await fetch(`${url}/search`, { method: 'POST', body: JSON.stringify({ text: 'a cat' }) });
    const { photos } = (await response.json()) as { photos: { path: string }[] };
    expect(photos.map(({ path }) => path)).toEqual([join(work.path, 'photos/cat.png')]);
    const other = await edgeclip(['serve', '--port', '0', '--in', 'p.db', '--precision', 'int8'], { cwd: work.path });
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('INDEX_MODEL') });
  } finally {
    work.remove();
  }
});

it('a second signal ends at once', async () => {
  const { child, ended, url, lines } = await start();
  const begun = embedCoins(url, 250).catch(() => 'cut off');
  await becomesBusy(url);
  child.kill('SIGINT');
  await expect.poll(() => lines().map(({ message }) => message)).toContain('ending');
  child.kill('SIGINT');
  expect(await ended).toBe(1);
  expect(await begun).toBe('cut off');
});

it('says what is wrong with the command line, the port and the model', async () => {
  expect(await edgeclip(['serve', '--port', '70000'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--port'),
  });
  expect(await edgeclip(['serve', '--max-wait', '0'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--max-wait'),
  });
  expect(await edgeclip(['serve', '--api-key', ''])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--api-key'),
  });
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  const outcome = await edgeclip(['serve', '--port', String(port)]);
  taken.close();
  expect(outcome).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/cannot listen on 127.0.0.1, port \d+: the port is taken \[IO\]/),
  });
  const missing = await edgeclip(['serve', '--port', '0', '--model', './no-such-model']);
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('no-such-model') });
});
