/** R26: each bad request has its 4xx with a code and a reason, and the next good one is answered as if nothing had been. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Clip } from '../../../src/clip.ts';
import { crc32 } from '../../../src/crc32.ts';
import { loadClip } from '../../../src/load.ts';
import { embed, form, json, post, type Sent } from '../requests.ts';
import { dataUri, photoFile, type Served, served } from '../server.ts';
import { twoPhotos } from '../two-photos.ts';

const cat = photoFile('cat.png');
const jpeg = photoFile('rocket.jpg');
const MAX_BODY = 1_000_000;
let clip: Clip;
let index: Awaited<ReturnType<typeof twoPhotos>>;
let server: Served;
/** It waits for its clients for a second. */
let impatient: Served;
let expected: unknown;

beforeAll(async () => {
  clip = await loadClip({ maxPixels: 1_000_000 });
  index = await twoPhotos(clip);
  server = await served(clip, { photos: index.photos, maxBody: MAX_BODY });
  impatient = await served(clip, { bodyTimeout: 1 }, 1000);
  expected = (await good()).json;
});
afterAll(async () => {
  await server.close();
  await impatient.close();
  await index.remove();
  clip.dispose();
});

const good = (of = server) => of.post('/v1/embeddings', { input: ['a cat', { image: dataUri(cat) }] });

const labels = { candidate_labels: ['cat', 'dog'] };
/** A PNG that says it has 60,000 x 60,000 pixels. */
const huge = new Uint8Array(cat);
const header = new DataView(huge.buffer);
header.setUint32(16, 60_000);
header.setUint32(20, 60_000);
header.setUint32(29, crc32(huge.subarray(12, 29)));

const CASES: Record<string, { request: Sent; status: number; code: string }> = {
  'nothing at all': { request: post('/v1/embeddings', ''), status: 400, code: 'BODY' },
  'text instead of JSON': { request: post('/v1/embeddings', 'hello', json), status: 400, code: 'BODY' },
  'JSON that ends early': { request: post('/v1/embeddings', '{"input":["a', json), status: 400, code: 'BODY' },
  'bytes that are not UTF-8': {
    request: post('/v1/embeddings', new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]), json),
    status: 400,
    code: 'BODY',
  },
  'a compressed body': {
    request: post('/v1/embeddings', gzipSync('{"input":"a cat"}'), { ...json, 'content-encoding': 'gzip' }),
    status: 415,
    code: 'CONTENT_ENCODING',
  },
  'an array': { request: embed([1]), status: 400, code: 'REQUEST' },
  'no input': { request: embed({ model: 'default' }), status: 400, code: 'REQUEST' },
  'null among the inputs': { request: embed({ input: ['a', null] }), status: 400, code: 'REQUEST' },
  'too many inputs': { request: embed({ input: new Array(2049).fill('a') }), status: 400, code: 'REQUEST' },
  'a text of 100,000 letters': { request: embed({ input: 'a'.repeat(100_000) }), status: 400, code: 'REQUEST' },
  'nested 50,000 deep': {
    request: post('/v1/embeddings', `{"input":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, json),
    status: 400,
    code: 'REQUEST',
  },
  'a name of the prototype': {
    request: post('/v1/embeddings', '{"input":"a","__proto__":{"x":1}}', json),
    status: 400,
    code: 'REQUEST',
  },
  'another model': {
    request: embed({ input: 'a', model: 'text-embedding-3-small' }),
    status: 404,
    code: 'model_not_found',
  },
  'a body above the limit': {
    request: post('/classify', new Uint8Array(MAX_BODY + 1)),
    status: 413,
    code: 'BODY_TOO_LARGE',
  },
  'a picture of 3.6 gigapixels': {
    request: embed({ input: { image: dataUri(huge) } }),
    status: 413,
    code: 'IMAGE_TOO_LARGE',
  },
  'letters that are not base64': { request: embed({ input: { image: 'a cat!' } }), status: 400, code: 'PICTURE' },
  'a data URI without base64': {
    request: embed({ input: { image: 'data:image/svg+xml,<svg/>' } }),
    status: 400,
    code: 'PICTURE',
  },
  'a GIF': {
    request: embed({ input: { image: Buffer.from('GIF89a and more').toString('base64') } }),
    status: 400,
    code: 'IMAGE_FORMAT',
  },
  'no picture': { request: post('/classify?candidate_labels=a,b', ''), status: 400, code: 'BODY' },
  'hello as a picture': { request: post('/classify?candidate_labels=a,b', 'hello'), status: 400, code: 'IMAGE_FORMAT' },
  'the first 100 bytes of a JPEG': {
    request: post('/classify?candidate_labels=a,b', jpeg.slice(0, 100)),
    status: 400,
    code: 'IMAGE_TRUNCATED',
  },
  'a part of 0 bytes': {
    request: post('/classify', form({ inputs: new Blob([]), candidate_labels: 'a,b' })),
    status: 400,
    code: 'IMAGE_FORMAT',
  },
  'a form without labels': {
    request: post('/classify', form({ inputs: new Blob([cat]) })),
    status: 400,
    code: 'REQUEST',
  },
  'a form that ends early': {
    request: post('/classify', '--x\r\nContent-Disposition: form-data; name="inputs"', {
      'content-type': 'multipart/form-data; boundary=x',
    }),
    status: 400,
    code: 'BODY',
  },
  'a form without a boundary': {
    request: post('/classify', 'x', { 'content-type': 'multipart/form-data' }),
    status: 400,
    code: 'BODY',
  },
  'no labels': {
    request: post('/classify', JSON.stringify({ inputs: dataUri(cat), parameters: { candidate_labels: [] } }), json),
    status: 400,
    code: 'REQUEST',
  },
  'an empty label': {
    request: post(
      '/classify',
      JSON.stringify({ inputs: dataUri(cat), parameters: { candidate_labels: ['a', ''] } }),
      json,
    ),
    status: 400,
    code: 'REQUEST',
  },
  'a template without a place': {
    request: post(
      '/classify',
      JSON.stringify({ inputs: dataUri(cat), parameters: { ...labels, hypothesis_template: 'a' } }),
      json,
    ),
    status: 400,
    code: 'TEMPLATE',
  },
  'top_k of zero': {
    request: post('/classify', JSON.stringify({ inputs: dataUri(cat), parameters: { ...labels, top_k: 0 } }), json),
    status: 400,
    code: 'REQUEST',
  },
  'immich without entries': { request: post('/predict', form({ text: 'a' })), status: 422, code: 'REQUEST' },
  'immich with entries that are not JSON': {
    request: post('/predict', form({ entries: '{', text: 'a' })),
    status: 422,
    code: 'REQUEST',
  },
  'a search for nothing': { request: post('/search', '{}', json), status: 400, code: 'REQUEST' },
  'a search for a day that is none': {
    request: post('/search', '{"text":"a cat","after":"2024-02-31"}', json),
    status: 400,
    code: 'REQUEST',
  },
  'a search for no photos': {
    request: post('/search', '{"text":"a cat","top":0}', json),
    status: 400,
    code: 'REQUEST',
  },
  'a search for a photo that is not there': {
    request: post('/search', '{"photo":99}', json),
    status: 404,
    code: 'NO_PHOTO',
  },
  'a search by a picture that ends early': {
    request: post('/search', JSON.stringify({ image: dataUri(cat).slice(0, 2000) }), json),
    status: 400,
    code: 'IMAGE_TRUNCATED',
  },
  'a path that is not there': { request: post('/v1/completions', '{}', json), status: 404, code: 'NOT_FOUND' },
  'GET where POST is meant': {
    request: { path: '/v1/embeddings', init: { method: 'GET' } as never },
    status: 405,
    code: 'METHOD',
  },
};

it.each(Object.entries(CASES))('%s', async (_, { request, status, code }) => {
  const answer = await server.ask(request.path, request.init);
  expect({ status: answer.status, error: answer.json?.error }).toEqual({
    status,
    error: {
      message: expect.stringMatching(/\w/),
      type: 'invalid_request_error',
      param: answer.json?.error.param,
      code,
    },
  });
  expect(answer.text).not.toMatch(/\.[tj]s:\d|at async/);
  const next = await good();
  expect([next.status, next.json]).toEqual([200, expected]);
});

it('judges a good JPEG by its bytes, whatever its type is called', async () => {
  const body = form({ inputs: new Blob([jpeg], { type: 'application/pdf' }), candidate_labels: 'cat,rocket' });
  expect((await server.ask('/classify', { method: 'POST', body })).json[0].label).toBe('rocket');
});

/** What the impatient server says to raw bytes, until it hangs up. */
function raw(...pieces: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(impatient.listener.port, '127.0.0.1', () => {
      for (const piece of pieces) socket.write(piece);
    });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
}

it('gives up on slow clients: a head that does not end, a body that stops, a body that trickles', async () => {
  const head = 'POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n';
  expect(await raw('POST /v1/embeddings HTTP/1.1\r\nHost: a\r\n')).toMatch(/^HTTP\/1\.1 408 /);
  expect(await raw(`${head}Content-Length: 1000\r\n\r\n{"input":`)).toMatch(/^HTTP\/1\.1 408 [\s\S]*REQUEST_TIMEOUT/);
  const trickle = await new Promise<string>((resolve) => {
    const socket = connect(impatient.listener.port, '127.0.0.1');
    socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n`);
    const timer = setInterval(() => socket.write('1\r\n \r\n'), 50);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(timer);
      resolve(text);
    });
  });
  expect(trickle).toMatch(/^HTTP\/1\.1 408 /);
  expect((await good(impatient)).json).toEqual(expected);
});

it('cuts off who does not read the answer', async () => {
  const body = JSON.stringify({ input: new Array(2048).fill('a cat') });
  const whole = (await impatient.ask('/v1/embeddings', { method: 'POST', body })).text.length;
  const socket = connect(impatient.listener.port, '127.0.0.1');
  socket.write(`POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await once(socket, 'readable'); // the answer begins
  await sleep(5000); // the server waits for one
  let read = 0;
  socket.on('data', (chunk) => {
    read += chunk.length;
  });
  await new Promise((resolve) =>
    socket
      .on('error', () => {})
      .on('close', resolve)
      .resume(),
  );
  expect(read).toBeLessThan(whole);
  expect((await good(impatient)).json).toEqual(expected);
});

it('refuses a body without a length as soon as it is too long', async () => {
  const stream = new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(200_000));
    },
  });
  const init = { method: 'POST', body: stream, duplex: 'half' } as RequestInit;
  const answer = await server.ask('/classify?candidate_labels=a', init).catch((error) => error.cause?.code ?? error);
  // The server hangs up while the client still sends: some clients see that first.
  if (typeof answer === 'object' && 'status' in answer) expect(answer.status).toBe(413);
  else expect(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']).toContain(answer);
  expect((await good()).json).toEqual(expected);
});

it('holds nothing of a request after its answer', async () => {
  const body = '{"input":"a cat"}';
  for (const length of ['a', '1e3', '-1', '', '5']) {
    const request = new Request(`${server.url}/v1/embeddings`, { method: 'POST', body });
    request.headers.set('content-length', length);
    expect((await server.app.fetch(request)).status, length).toBe(length === '5' ? 400 : 200);
  }
  expect((await server.ask('/metrics')).text).toMatch(/^edgeclip_held_bytes 0$/m);
});
