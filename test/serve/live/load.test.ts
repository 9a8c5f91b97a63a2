/** Many requests at once: the bits of each answer, overload, clients that leave, keys, origins, and a worker that dies. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clip } from '../../../src/clip.ts';
import { loadClip } from '../../../src/load.ts';
import { loadClip as loadInWorker } from '../../../src/worker/load.ts';
import { dataUri, fromBase64, photoFile, type Served, served } from '../server.ts';

const NAMES = ['cat.png', 'rocket.jpg', 'coffee.png', 'grass.png', 'coins.png'];
const photos = NAMES.map(photoFile);
const TEXTS = Array.from({ length: 24 }, (_, i) => `a photo of ${'a very old '.repeat(i % 9)}thing number ${i}`);
let here: Clip;
let pictures: Float32Array[];
let texts: Float32Array[];

beforeAll(async () => {
  here = await loadClip();
  pictures = await Promise.all(photos.map((photo) => here.encodeImage(photo)));
  texts = [];
  for (const text of TEXTS) texts.push(await here.encodeText(text));
});
afterAll(() => here.dispose());

const embed = (server: Served, input: unknown, signal?: AbortSignal) =>
  fetch(`${server.url}/v1/embeddings`, {
    method: 'POST',
    body: JSON.stringify({ input, encoding_format: 'base64' }),
    ...(signal && { signal }),
  });
const vectors = async (response: Response) =>
  ((await response.json()) as { data: { embedding: string }[] }).data.map(({ embedding }) => fromBase64(embedding));

it.each([1, 2])(
  'R30: 48 requests at once on %i threads have the bits of lone calls; a bad and an aborted one fail alone',
  async (threads) => {
    const server = await served(() => loadInWorker({ threads }), { maxWait: 60 });
    try {
      const stop = new AbortController();
      const many = Array(60).fill({ image: dataUri(photos[4]!) }); // they are not done before they are aborted
      const aborted = embed(server, [...many, 'an aborted text'], stop.signal).catch((error) => error.name);
      const bad = embed(server, [{ image: dataUri(photos[0]!.slice(0, 900)) }, 'a text']);
      const good = TEXTS.flatMap((text, i) => [
        embed(server, [text, { image: dataUri(photos[i % photos.length]!) }])
          .then(vectors)
          .then((found) => expect(found).toEqual([texts[i], pictures[i % pictures.length]])),
        embed(server, text)
          .then(vectors)
          .then((found) => expect(found).toEqual([texts[i]])),
      ]);
      await sleep(20);
      stop.abort();
      expect(await aborted).toBe('AbortError');
      expect((await bad).status).toBe(400);
      await Promise.all(good);
      const { text } = await server.ask('/metrics');
      const batches = Number(/edgeclip_batch_size_count\{kind="texts"\} (\d+)/.exec(text)![1]);
      expect(batches).toBeLessThan(48); // they were put together
    } finally {
      await server.close();
    }
  },
);

describe('overload', () => {
  it('is refused with 429 and Retry-After, and leaves nothing behind', async () => {
    const server = await served(() => loadInWorker({ threads: 1 }), { maxWait: 0.2 });
    try {
      const body = [{ image: dataUri(photos[1]!) }];
      const answers = await Promise.all(Array.from({ length: 80 }, () => embed(server, body)));
      const statuses = new Set(answers.map(({ status }) => status));
      expect(statuses).toEqual(new Set([200, 429]));
      for (const answer of answers) {
        if (answer.status === 200) {
          expect(await vectors(answer)).toEqual([pictures[1]]);
        } else {
          expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
          expect(((await answer.json()) as { error: { code: string } }).error.code).toBe('OVERLOADED');
        }
      }
      expect(await vectors(await embed(server, body))).toEqual([pictures[1]]);
    } finally {
      await server.close();
    }
  });

  it('is over once the clients have left: their work is not done', async () => {
    const server = await served(() => loadInWorker({ threads: 1 }), { maxWait: 3600 });
    try {
      const stop = new AbortController();
      const asked = Array.from({ length: 100 }, () =>
        embed(server, Array(10).fill({ image: dataUri(photos[4]!) }), stop.signal).catch(() => undefined),
      );
      const waiting = async () =>
        Number(/^edgeclip_queue_length\{kind="pictures"\} (\d+)$/m.exec((await server.ask('/metrics')).text)![1]);
      while ((await waiting()) < 300) await sleep(10);
      stop.abort();
      await Promise.all(asked);
      await expect.poll(waiting).toBe(0);
      const { text } = await server.ask('/metrics');
      expect(Number(/^edgeclip_batch_size_sum\{kind="pictures"\} (\d+)$/m.exec(text)![1])).toBeLessThan(600);
      expect(text).toMatch(/^edgeclip_held_bytes 0$/m);
    } finally {
      await server.close();
    }
  });

  it('holds bodies up to a limit', async () => {
    const server = await served(here, { maxBody: 3_000_000, maxHeld: 3_000_000, maxWait: 60 });
    try {
      const body = JSON.stringify({ input: { image: dataUri(photos[0]!) }, user: ' '.repeat(2_000_000) });
      const ask = () => fetch(`${server.url}/v1/embeddings`, { method: 'POST', body }).then(({ status }) => status);
      const statuses = await Promise.all(Array.from({ length: 8 }, ask));
      expect(new Set(statuses)).toEqual(new Set([200, 429]));
      expect(await ask()).toBe(200);
    } finally {
      await server.close();
    }
  });
});

describe('a dead worker', () => {
  it('is replaced: what it was computing is computed again', async () => {
    const loaded: Clip[] = [];
    const load = async () => {
      const clip = await loadInWorker({ threads: 1 });
      loaded.push(clip);
      return clip;
    };
    const server = await served(load, { maxWait: 60 });
    try {
      const asked = Array.from({ length: 40 }, (_, i) => embed(server, { image: dataUri(photos[i % 5]!) }));
      await Promise.race(asked);
      loaded[0]!.dispose(); // as its death does, it rejects all calls
      for (const [i, answer] of (await Promise.all(asked)).entries()) {
        expect(await vectors(answer)).toEqual([pictures[i % 5]]);
      }
      expect(loaded).toHaveLength(2);
      expect((await server.ask('/ready')).status).toBe(200);
      expect((await server.ask('/metrics')).text).toMatch(/^edgeclip_models_replaced 1$/m);
      // A balancer sends no work before /ready says yes, so asking brings the model back, too.
      loaded[1]!.dispose();
      expect((await server.ask('/ready')).json.error.code).toBe('NOT_READY');
      await expect.poll(async () => (await server.ask('/ready')).status).toBe(200);
    } finally {
      await server.close();
    }
  });
});

describe('access', () => {
  it('needs the key, if there is one', async () => {
    const server = await served(here, { apiKey: 'a secret' });
    try {
      const ask = (headers: Record<string, string>) => server.post('/v1/embeddings', { input: 'a' }, headers);
      expect((await ask({})).json.error.type).toBe('authentication_error');
      expect((await ask({ authorization: 'Bearer another' })).status).toBe(401);
      expect((await ask({ authorization: 'Bearer a' })).status).toBe(401);
      expect((await server.ask('/metrics')).status).toBe(401);
      expect((await ask({ 'x-api-key': 'a secret' })).status).toBe(200);
      expect((await server.ask('/health')).status).toBe(200);
      expect(JSON.stringify(server.log)).not.toContain('secret');
    } finally {
      await server.close();
    }
    const bearer = await served(here, { apiKey: 'sk-1' });
    expect((await bearer.post('/v1/embeddings', { input: 'a' }, { authorization: 'Bearer sk-1' })).status).toBe(200);
    await bearer.close();
  });

  it('lets pages of the named origins read answers, no others', async () => {
    const server = await served(here, { cors: ['https://photos.example'], apiKey: 'k' });
    try {
      const preflight = (origin: string) =>
        server.ask('/v1/embeddings', {
          method: 'OPTIONS',
          headers: {
            origin,
            'access-control-request-method': 'POST',
            'access-control-request-headers': 'authorization',
          },
        });
      const yes = await preflight('https://photos.example');
      expect([yes.status, yes.headers.get('access-control-allow-origin')]).toEqual([204, 'https://photos.example']);
      expect(yes.headers.get('access-control-allow-headers')).toContain('authorization');
      expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
    } finally {
      await server.close();
    }
    const closed = await served(here);
    expect(
      (await closed.ask('/health', { headers: { origin: 'https://a.b' } })).headers.get('access-control-allow-origin'),
    ).toBeNull();
    await closed.close();
  });

  it('gives each request an id, or keeps the one it has, and logs a line for it', async () => {
    const server = await served(here);
    try {
      const given = await server.ask('/health', { headers: { 'x-request-id': 'job-7' } });
      expect(given.headers.get('x-request-id')).toBe('job-7');
      const strange = await server.ask('/health', { headers: { 'x-request-id': 'a"b <c>' } });
      expect(strange.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      await server.post('/v1/embeddings', { input: 3 });
      expect(server.log).toMatchObject([
        { level: 'info', id: 'job-7', method: 'GET', path: '/health', status: 200 },
        { id: strange.headers.get('x-request-id') },
        { status: 400, error: expect.stringContaining('REQUEST: input') },
      ]);
    } finally {
      await server.close();
    }
  });
});

it('keeps the vectors of label sets, up to a limit', async () => {
  const server = await served(here, { cachedLabels: 6 });
  try {
    const computed = async () =>
      Number(/edgeclip_batch_size_sum\{kind="texts"\} (\d+)/.exec((await server.ask('/metrics')).text)![1]);
    const ask = (candidate_labels: string[]) =>
      server.post('/classify', { inputs: dataUri(photos[0]!), parameters: { candidate_labels } });
    const before = await computed();
    const first = await ask(['cat', 'dog', 'rocket']);
    expect(await computed()).toBe(before + 3);
    expect((await ask(['cat', 'dog', 'rocket'])).json).toEqual(first.json);
    expect(await computed()).toBe(before + 3);
    await ask(['a', 'b', 'c']);
    await ask(['d', 'e', 'f']); // the first set is let go
    expect((await server.ask('/metrics')).text).toMatch(/^edgeclip_cached_labels 6$/m);
    expect((await ask(['cat', 'dog', 'rocket'])).json).toEqual(first.json);
    expect(await computed()).toBe(before + 12);
    await ask(['1', '2', '3', '4', '5', '6', '7']); // more than are kept at all
    expect((await server.ask('/metrics')).text).toMatch(/^edgeclip_cached_labels [0-6]$/m);
  } finally {
    await server.close();
  }
});
