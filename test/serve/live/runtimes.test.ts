/**
 * The server in Node, Deno and Bun, as a command and as a function behind their own listeners, and in Cloudflare's workerd:
 * each answers with the same bits. Needs `npm run build` and `npm ci --prefix test/runtimes`.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clip } from '../../../src/clip.ts';
import { loadClip } from '../../../src/load.ts';
import { openPhotos } from '../../../src/search/index.ts';
import { dataUri, fromBase64, photoFile } from '../server.ts';

const path = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const installed = (name: string) => path(`test/runtimes/node_modules/${name}`);
const MAIN = path('dist/cli/main.js');
const FUNCTION = path('test/serve/runtimes/function.js');
const node = (major: number) => [installed(`node-${major}/bin/node`)];
const deno = [installed('@deno/linux-x64-glibc/deno'), 'run', '--allow-all', '--quiet'];
const bun = [installed('@oven/bun-linux-x64/bin/bun')];

const folder = mkdtempSync(join(tmpdir(), 'edgeclip-serving-'));
const index = join(folder, 'photos.db');
const cat = photoFile('cat.png');
const children: ChildProcess[] = [];
let clip: Clip;

beforeAll(async () => {
  clip = await loadClip();
  const create = { model: clip, dimension: clip.config.embedDim, pictures: { orient: false, scaled: false } };
  const store = await openPhotos(index, { create });
  const names = ['cat.png', 'rocket.jpg'];
  const vectors = await clip.encodeImage(names.map(photoFile));
  const add = names.map((name, i) => ({
    path: path(`test/golden/photos/${name}`),
    size: 1,
    mtime: 1,
    hash: `${i}`.repeat(64),
    vector: vectors[i]!,
  }));
  await store.change({ add });
  await store.close();
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  clip.dispose();
  rmSync(folder, { recursive: true });
});

interface Running {
  readonly url: string;
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
}

/** A server, once it has printed its address: a port in a line of the log, or all of it. */
async function start([command, ...args]: readonly string[], stdin: 'ignore' | 'pipe' = 'ignore'): Promise<Running> {
  const child = spawn(command!, args, { stdio: [stdin, 'pipe', 'inherit'] });
  children.push(child);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    let out = '';
    child.stdout!.on('data', (chunk) => {
      out += chunk;
      const port = /"message":"listening".*"port":(\d+)/.exec(out)?.[1];
      const address = /^(http:\S+)\/\n/.exec(out)?.[1];
      if (port !== undefined || address !== undefined) resolve(address ?? `http://127.0.0.1:${port}`);
    });
    ended.then((code) => reject(new Error(`it ended with ${code}: ${out}`)));
  });
  return { url, child, ended };
}

/** A connection for each request: workerd may end one that is idle while the next request is on its way. */
const post = (url: string, body: BodyInit, headers = {}) =>
  fetch(url, { method: 'POST', body, headers: { ...headers, connection: 'close' } });
const code = async (answer: Response) =>
  [answer.status, ((await answer.json()) as { error: { code: string } }).error.code] as const;

/** What each server answers. */
async function checkAnswers({ url }: Running): Promise<void> {
  await expect.poll(async () => (await fetch(`${url}/ready`)).status).toBe(200);
  const texts = Array.from({ length: 6 }, (_, i) => `a photo of ${i} cats`);
  const expected = await clip.encodeText(texts);
  const picture = await clip.encodeImage(cat);
  const asked = texts.map(async (text) => {
    const input = [text, { image: dataUri(cat) }];
    const answer = await post(`${url}/v1/embeddings`, JSON.stringify({ input, encoding_format: 'base64' }));
    const { data } = (await answer.json()) as { data: { embedding: string }[] };
    return data.map(({ embedding }) => fromBase64(embedding));
  });
  expect(await Promise.all(asked)).toEqual(expected.map((vector) => [vector, picture]));
  const form = new FormData();
  form.append('inputs', new Blob([cat]));
  form.append('candidate_labels', 'dog, cat');
  const [best] = (await (await post(`${url}/classify`, form)).json()) as { label: string }[];
  expect(best!.label).toBe('cat');
  expect(await code(await post(`${url}/v1/embeddings`, '{'))).toEqual([400, 'BODY']);
  expect(await code(await post(`${url}/v1/embeddings`, 'x', { 'content-encoding': 'gzip' }))).toEqual([
    415,
    'CONTENT_ENCODING',
  ]);
  expect(await code(await post(`${url}/classify?candidate_labels=a,b`, cat.slice(0, 900)))).toEqual([
    400,
    'IMAGE_TRUNCATED',
  ]);
  const stop = new AbortController();
  const body = JSON.stringify({ input: Array(90).fill({ image: dataUri(cat) }) }); // most of it is not done
  const left = fetch(`${url}/v1/embeddings`, { method: 'POST', body, signal: stop.signal }).catch(({ name }) => name);
  setTimeout(() => stop.abort(), 50);
  expect(await left).toBe('AbortError');
  expect((await post(`${url}/v1/embeddings`, '{"input":"a cat"}')).status).toBe(200);
}

/** What is begun when it is told to end is finished. */
async function checkEnd({ url, child, ended }: Running): Promise<void> {
  const body = JSON.stringify({ input: Array(60).fill({ image: dataUri(cat) }) });
  const begun = post(`${url}/v1/embeddings`, body);
  await expect
    .poll(async () => /^edgeclip_held_bytes [1-9]/m.test(await (await fetch(`${url}/metrics`)).text()), {
      interval: 5,
    })
    .toBe(true);
  child.kill('SIGTERM');
  const answer = await begun;
  expect([answer.status, ((await answer.json()) as { data: unknown[] }).data.length]).toEqual([200, 60]);
  expect(await ended).toBe(0);
}

describe.each([
  ['Node 24', node(24)],
  ['Deno', deno],
  ['Bun', bun],
])('edgeclip serve in %s', (_, runtime) => {
  it('answers, searches an index, shows its page, gives up on slow bodies, and ends in order', async () => {
    const args = ['--port', '0', '--threads', '1', '--in', index, '--thumbnails', folder, '--alias', 'default'];
    const running = await start([...runtime, MAIN, 'serve', '--timeout', '5', '--max-wait', '60', ...args]);
    const { url } = running;
    const stalled = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(9)) });
    const late = fetch(`${url}/v1/embeddings`, { method: 'POST', body: stalled, duplex: 'half' } as RequestInit);
    await checkAnswers(running);
    const found = await post(`${url}/search`, '{"text":"a rocket","top":1}');
    const [{ id, path }] = ((await found.json()) as { photos: [{ id: number; path: string }] }).photos;
    expect(path).toMatch(/rocket\.jpg$/);
    const thumbnail = await fetch(`${url}/photos/${id}/thumbnail`);
    expect([thumbnail.status, thumbnail.headers.get('content-type')]).toEqual([200, 'image/png']);
    const page = await fetch(url);
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'/);
    expect(await code(await late)).toEqual([408, 'REQUEST_TIMEOUT']);
    await checkEnd(running);
  });
});

describe.each([
  ['Deno.serve', deno],
  ['Bun.serve', bun],
])('the function behind %s', (_, runtime) => {
  it('answers, and ends in order', async () => {
    const running = await start([...runtime, FUNCTION]);
    await checkAnswers(running);
    await checkEnd(running);
  });
});

it('the function answers in workerd', async () => {
  const [node22] = node(22);
  const out = join(folder, 'worker');
  const env = { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: '1' };
  const deploy = [installed('wrangler/bin/wrangler.js'), 'deploy', '--dry-run', '--outdir', out];
  await promisify(execFile)(node22!, deploy, { cwd: path('test/serve/runtimes'), env });
  const running = await start([node22!, path('test/runtimes/workerd-server.js'), out], 'pipe');
  await checkAnswers(running);
  expect(await code(await fetch(`${running.url}/metrics`))).toEqual([501, 'UNSUPPORTED']);
  running.child.stdin!.end();
  await running.ended;
});
