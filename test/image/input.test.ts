import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createContext, runInContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeImage, type ImageInput, takeImage } from '../../src/image/decode.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { preprocessConfigFromOpenClip } from '../../src/image/preprocess-config.ts';
import { chunk } from './png-file.ts';

const folder = new URL('../golden/image-cases/', import.meta.url);
const png = new Uint8Array(await readFile(new URL('png-rgb8.png', folder)));
const jpeg = new Uint8Array(await readFile(new URL('jpeg-420.jpg', folder)));
const progressive = new Uint8Array(await readFile(new URL('jpeg-progressive.jpg', folder)));
const webp = new Uint8Array(await readFile(new URL('webp-lossy.webp', folder)));
const expected = await decodeImage(png);
const config = preprocessConfigFromOpenClip(undefined, 8);

/** A stream of the PNG in small chunks, and what became of it. */
function stream(bytes: Uint8Array = png, chunk = 50) {
  const state = { sent: 0, canceled: undefined as unknown };
  const body = new ReadableStream({
    pull(controller) {
      if (state.sent >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(state.sent, state.sent + chunk));
      state.sent += chunk;
    },
    cancel(reason) {
      state.canceled = reason;
    },
  });
  return { body, state };
}

/** The first scan of a progressive JPEG, from its header to the tables of the next. It may come any number of times. */
function firstScan(bytes: Uint8Array): Uint8Array {
  const at = Buffer.from(bytes).indexOf(Uint8Array.of(0xff, 0xda));
  return bytes.subarray(at, Buffer.from(bytes).indexOf(Uint8Array.of(0xff, 0xc4), at));
}

describe('a picture in memory', () => {
  const padded = new Uint8Array(png.length + 11);
  padded.set(png, 8);
  const aligned = new ArrayBuffer(Math.ceil(png.length / 8) * 8);
  new Uint8Array(aligned).set(png);
  const shared = new SharedArrayBuffer(png.length);
  new Uint8Array(shared).set(png);

  it.each<[string, ImageInput]>([
    ['Uint8Array', png],
    ['Buffer', Buffer.from(png)],
    ['Uint8ClampedArray', new Uint8ClampedArray(png)],
    ['Int8Array', new Int8Array(png)],
    ['Uint32Array', new Uint32Array(aligned)],
    ['BigInt64Array', new BigInt64Array(aligned)],
    ['DataView of a part', new DataView(padded.buffer, 8, png.length)],
    ['part of an array', padded.subarray(8, 8 + png.length)],
    ['ArrayBuffer', png.slice().buffer],
    ['SharedArrayBuffer', shared],
    ['Blob', new Blob([png])],
    ['File', new File([png], 'a.png')],
    ['Response', new Response(png)],
    ['Request', new Request('http://localhost/', { method: 'POST', body: png })],
    ['ReadableStream', stream().body],
    ['ReadableStream, a byte a chunk', stream(png, 1).body],
    ['file: URL', new URL('png-rgb8.png', folder)],
    ['data: URL', new URL(`data:image/png;base64,${Buffer.from(png).toString('base64')}`)],
    ['blob: URL', new URL(URL.createObjectURL(new Blob([png])))],
  ])('may be a file as %s', async (_, input) => {
    expect(await decodeImage(input)).toEqual(expected);
  });

  it('may belong to another realm (B03)', async () => {
    const realm = createContext({ png: Array.from(png) });
    const file = runInContext('new Uint8Array(png)', realm);
    expect(file instanceof Uint8Array).toBe(false);
    expect(await decodeImage(file)).toEqual(expected);
    expect(await decodeImage(runInContext('new Uint8Array(png).buffer', realm))).toEqual(expected);
    expect(await decodeImage(takeImage(file))).toEqual(expected);
    for (const type of ['Uint8Array', 'Uint8ClampedArray']) {
      const pixels = runInContext(`({ data: ${type}.of(1, 2, 3, 4, 5, 6), width: 2, height: 1 })`, realm);
      const image = await decodeImage(pixels);
      expect([...image.data, image.channels]).toEqual([1, 2, 3, 4, 5, 6, 3]);
      expect((await preprocess(pixels, config)).data.length).toBe(192);
    }
    const floats = runInContext('({ data: Float32Array.of(0, 0.5, 1), width: 1, height: 1 })', realm);
    await expect(decodeImage(floats)).rejects.toThrow(
      /Uint8Array.*of values 0\.\.255, got a Float32Array: scale the values to 0\.\.255/,
    );
    await expect(decodeImage(runInContext('new Float32Array(3)', realm))).rejects.toThrow(/a Float32Array/);
  });
});

describe('what is not a picture', () => {
  class HTMLImageElement {
    readonly [Symbol.toStringTag] = 'HTMLImageElement';
    width = 3;
    height = 4;
  }
  const [a, b] = [{ data: new Uint8Array(3), width: 1 }, { data: new Uint8Array(3) }];

  it.each<[unknown, RegExp]>([
    ['cat.jpg', /a string \("cat\.jpg"\): read the file first, e\.g\. await readFile\(path\), or pass a URL/],
    ['https://a.org/b.jpg', /a string .*new URL/],
    [`data:image/png;base64,${'A'.repeat(1000)}`, /^.{0,150}new URL.{0,50}$/],
    [undefined, /undefined/],
    [null, /null/],
    [42, /a number/],
    [7n, /a bigint/],
    [() => png, /a function/],
    [[1, 2, 3], /an array of numbers: use Uint8Array\.from/],
    [[png], /an array: pass one picture/],
    [Promise.resolve(png), /a Promise: await it/],
    [new HTMLImageElement(), /an HTMLImageElement: draw it on a canvas and pass getImageData/],
    [{ getContext() {}, width: 1, height: 1 }, /a canvas: draw it/],
    [a, /raw pixels without height/],
    [b, /raw pixels without width and height/],
    [{ width: 1, height: 1 }, /raw pixels without data/],
    [{ data: png, info: { width: 1, height: 1 } }, /pass \{ data, \.\.\.info \}/],
    [JSON.parse(JSON.stringify(Buffer.from('abc'))), /a Buffer that went through JSON/],
    [{ pipe() {}, read() {} }, /a Node\.js stream: pass Readable\.toWeb/],
    [{}, /an object with no fields/],
    [{ url: 'x', name: 'y' }, /the fields url, name/],
    [new Map(), /a Map/],
    [new URL('ftp://a.org/b.png'), /a URL that begins with ftp:/],
    [new Request('http://localhost/'), /a Request without a body: fetch it/],
    [new Float32Array(4), /a Float32Array: for pixels/],
    [{ data: new Float32Array(3), width: 1, height: 1 }, /values 0\.\.255, got a Float32Array: scale/],
    [{ data: new Uint16Array(3), width: 1, height: 1 }, /values 0\.\.255, got a Uint16Array/],
    [{ data: png, width: '7', height: 5 }, /width must be a number, got a string/],
    [{ data: png, width: 7, height: null }, /height must be a number, got null/],
    [{ data: png, width: 7, height: 5, channels: '3' }, /channels must be a number/],
  ])('is refused with advice, at the call: %#', async (input, message) => {
    expect(() => takeImage(input as ImageInput)).toThrow(TypeError);
    expect(() => takeImage(input as ImageInput)).toThrow(message);
    for (const call of [decodeImage(input as ImageInput), preprocess(input as ImageInput, config)]) {
      await expect(call).rejects.toThrow(message);
    }
  });

  it('is a type error as well', () => {
    const types = (): ImageInput[] => [
      // @ts-expect-error a string
      'cat.jpg',
      // @ts-expect-error a number
      42,
      // @ts-expect-error an embedding
      new Float32Array(3),
      // @ts-expect-error not awaited
      Promise.resolve(png),
      // @ts-expect-error without a height
      a,
      // @ts-expect-error nothing
      undefined,
    ];
    expect(types).toBeTypeOf('function');
  });

  it('is a body or stream that someone else reads', async () => {
    const used = new Response(png);
    await used.arrayBuffer();
    expect(() => takeImage(used)).toThrow(/a Response whose body was read already/);
    const request = new Request('http://localhost/', { method: 'POST', body: png });
    await request.arrayBuffer();
    expect(() => takeImage(request)).toThrow(/a Request whose body was read already/);
    const locked = stream().body;
    locked.getReader();
    expect(() => takeImage(locked)).toThrow(/a stream that is locked/);
    const once = new Response(png);
    const [first, second] = await Promise.allSettled([decodeImage(once), decodeImage(once)]);
    expect(first).toMatchObject({ status: 'fulfilled', value: expected });
    expect(second).toMatchObject({ status: 'rejected', reason: expect.any(TypeError) });
  });
});

describe('takeImage', () => {
  it('copies bytes and pixels: later changes do not matter (B20)', async () => {
    const pixels = () => ({ data: Uint8Array.of(1, 2, 3), width: 1, height: 1 });
    const clamped = { data: new Uint8ClampedArray([1, 2, 3]), width: 1, height: 1 };
    for (const image of [pixels(), { ...pixels(), data: Buffer.of(1, 2, 3) }, clamped]) {
      const taken = takeImage(image);
      image.data.fill(9);
      image.width = 3;
      expect([...(await decodeImage(taken)).data]).toEqual([1, 2, 3]);
    }
    for (const bytes of [png.slice(), Buffer.from(png)]) {
      const taken = takeImage(bytes);
      bytes.fill(0);
      expect(await decodeImage(taken)).toEqual(expected);
    }
    const buffer = png.slice().buffer;
    const taken = takeImage(buffer);
    structuredClone(buffer, { transfer: [buffer] });
    expect(await decodeImage(taken)).toEqual(expected);
    const url = new URL('png-rgb8.png', folder);
    const address = takeImage(url);
    url.pathname = '/nowhere.png';
    expect(await decodeImage(address)).toEqual(expected);
  });

  it('is what each call does first', async () => {
    const bytes = png.slice();
    const calls = [decodeImage(bytes), preprocess(bytes, config)] as const;
    bytes.fill(0);
    expect(await calls[0]).toEqual(expected);
    expect(await calls[1]).toEqual(await preprocess(png, config));
    const frame = { data: new Uint8Array(48).fill(200), width: 4, height: 4 };
    const call = preprocess(frame, config);
    frame.data.fill(0);
    expect([...new Set((await call).data)]).toEqual([200]);
  });

  it('can be decoded twice, unless it is a stream', async () => {
    const taken = takeImage(png);
    expect(await decodeImage(taken)).toEqual(await decodeImage(taken));
    const once = takeImage(stream().body);
    expect(await decodeImage(once)).toEqual(expected);
    await expect(decodeImage(once)).rejects.toMatchObject({ code: 'IMAGE_FORMAT' });
  });

  it('does not copy a file beyond the limit', async () => {
    const bytes = new Uint8Array(1000);
    expect(takeImage(bytes, 999).bytes?.buffer).toBe(bytes.buffer);
    expect(takeImage(bytes, 1000).bytes?.buffer).not.toBe(bytes.buffer);
    await expect(decodeImage(bytes, { maxBytes: 999 })).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
  });
});

describe('a stream', () => {
  it('is canceled beyond maxBytes', async () => {
    const { body, state } = stream();
    await expect(decodeImage(body, { maxBytes: 120 })).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(state.canceled).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(state.sent).toBeLessThan(300);
  });

  it('is decoded as it comes: what is refused by its beginning is not read to its end', async () => {
    const bytes = jpeg.slice();
    bytes[bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1]! >= 0xc0 && bytes[i + 1]! <= 0xc2) + 1] = 0xc9;
    let pulled = 0;
    let canceled = false;
    const stream = new ReadableStream({
      pull(controller) {
        controller.enqueue(pulled++ === 0 ? Buffer.concat([bytes, new Uint8Array(8192)]) : new Uint8Array(1000));
      },
      cancel() {
        canceled = true;
      },
    });
    await expect(decodeImage(stream)).rejects.toMatchObject({ code: 'IMAGE_FORMAT' });
    expect([pulled < 5, canceled]).toEqual([true, true]);
  });

  it('may give ArrayBuffers, as a FileHandle of Node.js 20 does', async () => {
    const stream = new ReadableStream({
      start(controller) {
        for (let at = 0; at < jpeg.length; at += 1000) controller.enqueue(jpeg.slice(at, at + 1000).buffer);
        controller.close();
      },
    });
    expect(await decodeImage(stream)).toEqual(await decodeImage(jpeg));
  });

  it('of something else than bytes is a TypeError', async () => {
    const text = new ReadableStream({ start: (controller) => controller.enqueue('text') });
    await expect(decodeImage(text)).rejects.toThrow(/must give Uint8Array chunks, got String/);
  });

  const parts = [
    ['before its header', png, 20, {}],
    ['inside a PNG', png, -100, {}],
    ['inside a baseline JPEG', jpeg, -100, {}],
    ['inside a baseline JPEG, scaled', jpeg, -100, { scaled: true }],
    ['inside a progressive JPEG', progressive, -100, {}],
    ['inside a WebP', webp, -100, {}],
  ] as const;

  it.each(parts)('that fails %s is an IO error with its cause', async (_, bytes, end, options) => {
    const cause = new Error('the cable is cut');
    let sent = false;
    const failing = new ReadableStream({
      pull: (controller) => {
        if (sent) return controller.error(cause);
        sent = true;
        controller.enqueue(bytes.subarray(0, end));
      },
    });
    await expect(preprocess(failing, config, options)).rejects.toMatchObject({
      code: 'IO',
      message: 'cannot read the stream: the cable is cut',
      cause,
    });
  });

  it.each(parts)('that waits %s can be aborted', async (_, bytes, end, options) => {
    let canceled: unknown;
    const waiting = new ReadableStream({
      start: (controller) => controller.enqueue(bytes.subarray(0, end)),
      cancel: (reason) => {
        canceled = reason;
      },
    });
    const controller = new AbortController();
    const call = preprocess(waiting, config, { ...options, signal: controller.signal });
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason), 5);
    await expect(call).rejects.toBe(reason);
    expect(canceled).toBe(reason);
  });

  it.each([
    ['comments of a JPEG', jpeg.subarray(0, 2), Uint8Array.of(0xff, 0xfe, 3, 0xe8, ...new Uint8Array(998))],
    ['bytes that are not a marker', jpeg.subarray(0, 20), new Uint8Array(1000)],
    ['scans of a progressive JPEG', progressive.subarray(0, -2), firstScan(progressive)],
    ['texts of a PNG', png.subarray(0, 33), chunk('tEXt', new Uint8Array(1000))],
    ['empty chunks of a PNG', png.subarray(0, 33), chunk('IDAT')],
    ['chunks of a WebP', webp.subarray(0, -1), new Uint8Array(1000)],
  ])('without an end is left at once when aborted, and the event loop turns: %s', async (_, first, then) => {
    let pulled = 0;
    let turns = 0;
    const endless = new ReadableStream({
      pull: (controller) => {
        controller.enqueue(pulled++ === 0 ? first : then);
      },
    });
    const controller = new AbortController();
    const timer = setInterval(() => ++turns === 3 && controller.abort(), 1);
    const call = preprocess(endless, config, { signal: controller.signal });
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    clearInterval(timer);
    const last = pulled;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(pulled).toBe(last);
  });

  it('without an end costs no more than maxBytes', async () => {
    let pulled = 0;
    const endless = new ReadableStream({
      pull: (controller) => {
        controller.enqueue(pulled++ === 0 ? jpeg.subarray(0, -2) : new Uint8Array(1000));
      },
    });
    await expect(preprocess(endless, config, { maxBytes: 100_000 })).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(pulled).toBeLessThan(110);
  });
});

describe('a URL', () => {
  let base: string;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://localhost');
    if (pathname === '/a.png') response.end(png);
    else if (pathname === '/chunked.jpg') {
      response.write(jpeg.subarray(0, 300));
      setTimeout(() => response.end(jpeg.subarray(300)), 5);
    } else if (pathname === '/endless') {
      const comment = Buffer.alloc(1002, 'a').fill('\xff\xfe\x03\xe8', 0, 4, 'latin1');
      const write = () => void (response.destroyed || response.write(comment, () => setImmediate(write)));
      response.write(jpeg.subarray(0, 2), write);
    } else if (pathname === '/more') {
      const write = () => void (response.destroyed || response.write(png, () => setImmediate(write)));
      write();
    } else if (pathname === '/long') response.writeHead(200, { 'content-length': '999999' }).write(png);
    else if (pathname === '/cut') {
      response.writeHead(200, { 'content-length': String(png.length) }).write(png.subarray(0, 60));
      setTimeout(() => response.destroy(), 5);
    } else if (pathname === '/page') response.end('<!doctype html><html></html>');
    else if (pathname !== '/silent') response.writeHead(404).end('no such picture');
  });
  beforeAll(async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const decode = (path: string, options = {}) => decodeImage(new URL(path, base), options);

  it('is fetched', async () => {
    expect(await decode('/a.png')).toEqual(expected);
    expect(await decode('/chunked.jpg')).toEqual(await decodeImage(jpeg));
    expect(await decodeImage(await fetch(`${base}/a.png`))).toEqual(expected);
  });

  it('that cannot be fetched is an IO error with the address', async () => {
    await expect(decode('/none')).rejects.toMatchObject({
      code: 'IO',
      message: `cannot read "${base}/none": status 404`,
    });
    await expect(decode('/cut')).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining('/cut') });
    await expect(decodeImage(await fetch(`${base}/none`))).rejects.toMatchObject({
      code: 'IO',
      message: 'cannot read the Response: status 404',
    });
    const closed = createServer();
    await new Promise<void>((done) => closed.listen(0, '127.0.0.1', done));
    const { port } = closed.address() as AddressInfo;
    await new Promise((done) => closed.close(done));
    await expect(decodeImage(new URL(`http://127.0.0.1:${port}/`))).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringMatching(/cannot fetch.*ECONNREFUSED/),
    });
    await expect(decode('/page')).rejects.toMatchObject({
      code: 'IMAGE_FORMAT',
      message: expect.stringMatching(/HTML page/),
    });
  });

  it('is not read beyond maxBytes, whether its length is known or not', async () => {
    for (const path of ['/long', '/endless']) {
      await expect(decode(path, { maxBytes: 10_000 }), path).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    }
  });

  it('is not read beyond the picture', async () => {
    expect(await decode('/more', { maxBytes: 1_000_000 })).toEqual(expected);
  });

  it('can be aborted while nothing comes', async () => {
    await expect(decode('/silent', { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    await expect(decode('/long', { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('of a file names the file in errors', async () => {
    await expect(decodeImage(new URL('none.png', folder))).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringMatching(/none\.png": there is no such file/),
    });
    await expect(decodeImage(new URL('.', folder))).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringMatching(/it is a folder/),
    });
    await expect(decodeImage(new URL('file:///dev/null'))).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringMatching(/not a regular file/),
    });
    await expect(decodeImage(new URL('png-rgb8.png', folder), { maxBytes: 10 })).rejects.toMatchObject({
      code: 'IMAGE_TOO_LARGE',
    });
  });
});
