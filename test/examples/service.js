// What every example that is a service must do, over HTTP: answers, refusals, many requests at once.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

const golden = (name) => readFileSync(fileURLToPath(new URL(`../golden/${name}`, import.meta.url)));

export const PHOTOS = {
  cat: golden('photos/cat.png'),
  rocket: golden('photos/rocket.jpg'),
  small: golden('preprocess/inputs/jpeg_gray_310x240.jpg'),
  webp: golden('preprocess/inputs/webp_lossless_320x256.webp'),
};

/** A connection for each request: a server may end one that is idle while the next request is on its way. */
export const ask = (url, init = {}) => fetch(url, { ...init, headers: { ...init.headers, connection: 'close' } });

/** All of the promises, to be awaited later: one that fails before then does not end the process. */
function all(promises) {
  const together = Promise.all(promises);
  together.catch(() => {});
  return together;
}

/** A JPEG whose frame header says 60000 x 60000 pixels. */
function hugeJpeg() {
  const jpeg = Buffer.from(PHOTOS.rocket);
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0])); // ITU T.81, B.2.2
  jpeg.writeUInt16BE(60_000, frame + 5);
  jpeg.writeUInt16BE(60_000, frame + 7);
  return jpeg;
}

/** Every request that must be refused, with its status and code. R26 of field reports: a bad picture was status 500. */
function refusals() {
  const form = new FormData();
  form.append('image', new Blob([]), 'empty.jpg');
  const post = (body, headers) => ({ method: 'POST', body, headers });
  return [
    ['a text', '/classify', post('hello'), 415, 'IMAGE_FORMAT'],
    ['nothing', '/classify', post(''), 415, 'IMAGE_FORMAT'],
    ['a form with an empty file', '/embed', post(form), 415, 'IMAGE_FORMAT'],
    ['100 bytes of a JPEG', '/classify', post(PHOTOS.rocket.subarray(0, 100)), 400, 'IMAGE_TRUNCATED'],
    ['half of a PNG', '/embed', post(PHOTOS.cat.subarray(0, PHOTOS.cat.length >> 1)), 400, 'IMAGE_TRUNCATED'],
    ['too many pixels', '/classify', post(hugeJpeg()), 413, 'IMAGE_TOO_LARGE'],
    ['another method', '/classify', {}, 405, 'METHOD'],
    ['another method', '/embed', { method: 'PUT', body: PHOTOS.cat }, 405, 'METHOD'],
    ['another path', '/nothing', post(PHOTOS.cat), 404, 'NOT_FOUND'],
    ['no number of labels', '/classify?top=none', post(PHOTOS.cat), 400, 'TOP'],
  ];
}

/** The answer to more bytes than the limit, which comes while they are sent: with their number said before, or in chunks. */
function sendTooMuch(base, maxBytes, chunked) {
  const { hostname, port, pathname } = new URL(base);
  const socket = connect(Number(port), hostname);
  const parts = Math.ceil((2 * maxBytes) / (1 << 18));
  const length = chunked ? 'transfer-encoding: chunked' : `content-length: ${(parts << 18) + 2}`;
  socket.write(`POST ${pathname.replace(/\/$/, '')}/embed HTTP/1.1\r\nhost: ${hostname}\r\n${length}\r\n\r\n`);
  // A JPEG of comments without end, so that nothing but the number of bytes is wrong.
  const comment = Buffer.alloc(1 << 16, ' ');
  comment.set([0xff, 0xfe, 0xff, 0xfe]);
  const part = Buffer.concat([comment, comment, comment, comment]);
  const chunk = chunked ? Buffer.concat([Buffer.from('40000\r\n'), part, Buffer.from('\r\n')]) : part;
  const start = Buffer.from([0xff, 0xd8]);
  socket.write(chunked ? Buffer.concat([Buffer.from('2\r\n'), start, Buffer.from('\r\n')]) : start);
  return new Promise((resolve, reject) => {
    let answer = '';
    let sent = 0;
    const send = setInterval(() => {
      if (socket.writableNeedDrain) return;
      socket.write(chunk);
      if (++sent < parts) return;
      clearInterval(send);
      if (chunked) socket.write('0\r\n\r\n');
    }, 1);
    const end = (error) => {
      clearInterval(send);
      socket.destroy();
      answer.includes('}') ? resolve(answer) : reject(error ?? new Error(`too many bytes: no answer: ${answer}`));
    };
    socket.on('data', (data) => {
      clearInterval(send); // as a client that reads does
      answer += data;
      if (answer.includes('}')) end();
    });
    socket.once('error', end);
    socket.once('close', () => end());
    socket.setTimeout(180_000, () => end());
  });
}

/**
 * @param root whether the service answers its root, and paths that it does not know; else a framework does
 * @returns {Promise<number>} how many requests were answered as they must be
 */
export async function checkService(base, { expected, maxBytes = 10_000_000, root = true }) {
  let checks = 0;
  const url = (path) => base.replace(/\/$/, '') + path;
  const embed = async (photo, init = {}) => {
    const response = await ask(url('/embed'), { method: 'POST', body: PHOTOS[photo], ...init });
    assert.equal(response.status, 200, `${photo}: ${response.status}`);
    return (await response.json()).embedding;
  };
  const good = async () => {
    for (const photo of Object.keys(PHOTOS)) assert.deepEqual(await embed(photo), expected[photo], photo);
    for (const [photo, label] of [
      ['cat', 'cat'],
      ['rocket', 'rocket'],
    ]) {
      // biome-ignore format: one line
      const headers = { 'content-type': 'text/plain' }; // judged by its bytes
      const response = await ask(url('/classify?top=2'), { method: 'POST', body: PHOTOS[photo], headers });
      const { labels } = await response.json();
      assert.equal(labels.length, 2);
      assert.equal(labels[0].label, label);
      assert.ok(labels[0].score > labels[1].score && labels[0].score <= 1);
    }
    checks += Object.keys(PHOTOS).length + 2;
  };
  await good();

  if (root) {
    const about = await ask(url('/'));
    assert.equal(about.status, 200);
    assert.match(await about.text(), /POST \/classify/);
    checks++;
  }

  for (const [what, path, init, status, code] of refusals()) {
    if (status === 404 && !root) continue;
    const response = await ask(url(path), init);
    const text = await response.text();
    const shown = `${what}: ${response.status} ${text.slice(0, 300)}`;
    assert.equal(response.status, status, shown);
    const { error, message } = JSON.parse(text);
    assert.match(error, new RegExp(`^(?:${code})$`), shown);
    assert.ok(message.length > 10 && !/\n|\bat \S+:\d+|node_modules/.test(text), shown);
    if (status === 405) assert.equal(response.headers.get('allow'), 'POST');
    checks++;
  }

  for (const chunked of [false, true]) {
    // A server that ends the connection may do so before its answer is read.
    let answer;
    for (let attempt = 1; answer === undefined; attempt++) {
      answer = await sendTooMuch(base, maxBytes, chunked).catch((error) => {
        if (attempt === 5 || !/EPIPE|ECONNRESET/.test(error.code)) throw error;
      });
    }
    assert.match(answer, /^HTTP\/1.1 413 /);
    assert.match(answer, /IMAGE_TOO_LARGE/);
    checks++;
  }

  // R30: 16 at once, three of them given up by the client and one bad; each of the others has the bits of its lone run.
  const givenUp = all(
    [2, 20, 60].map(async (ms) => {
      const signal = AbortSignal.timeout(ms);
      await embed('cat', { signal }).catch((error) => assert.equal(error.name, 'TimeoutError'));
    }),
  );
  const names = Object.keys(PHOTOS);
  const together = all(Array.from({ length: 12 }, (_, i) => embed(names[i % names.length])));
  const bad = all([ask(url('/embed'), { method: 'POST', body: 'no picture' })]);
  for (const [i, embedding] of (await together).entries()) {
    assert.deepEqual(embedding, expected[names[i % names.length]], `${i} of 12 at once`);
  }
  assert.equal((await bad)[0].status, 415);
  await givenUp;
  checks += 16;

  // B09: who asks for something else need not wait for all pictures.
  let pending = 60; // more than a second of work, so that a busy machine asks meanwhile, too
  const busy = all(Array.from({ length: pending }, () => embed('cat').finally(() => pending--)));
  await new Promise((resolve) => setTimeout(resolve, 20));
  await (await ask(url(root ? '/' : '/embed'))).text();
  assert.ok(pending > 0, 'a request for nothing waited for all pictures');
  await busy;
  checks++;

  await good();
  return checks;
}

/** First requests, at once, to a service that has loaded nothing: all are answered alike. */
export async function firstRequests(base) {
  const request = { method: 'POST', body: PHOTOS.cat };
  return Promise.all(Array.from({ length: 8 }, async () => (await ask(`${base}/classify`, request)).status));
}
