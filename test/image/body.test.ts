/** Files that come in pieces through one buffer: each piece is gone when the next is there, and the pixels are the file's all the same. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../src/byte-reader.ts';
import { free } from '../../src/bytes.ts';
import { decodeImage } from '../../src/image/decode.ts';
import type { BlobLike } from '../../src/image/input.ts';
import { readFileUrl } from '../../src/platform/node-files.ts';
import { rejection } from '../api/checkpoint.ts';

const golden = (name: string) => new URL(`../golden/${name}`, import.meta.url);
const read = (name: string) => new Uint8Array(readFileSync(golden(name)));

/** Size and hash of the pixels: comparing them one by one takes seconds. */
async function pixels(...args: Parameters<typeof decodeImage>): Promise<string> {
  const { width, height, data } = await decodeImage(...args);
  return `${width} x ${height} ${createHash('sha256').update(data).digest('hex')}`;
}

/** Turned, progressive, interlaced, and of a format that is decoded as a whole. */
const FILES = [
  'image-cases/jpeg-exif6.jpg',
  'preprocess/inputs/jpeg_progressive_320x400.jpg',
  'image-cases/png-exif6.png',
  'image-cases/png-grey16-interlaced.png',
  'preprocess/inputs/webp_lossless_320x256.webp',
];

/** A stream whose source overwrites each chunk with the next. */
function overwritten(bytes: Uint8Array, chunk: number): ReadableStream {
  const buffer = new Uint8Array(chunk);
  let at = 0;
  const pull = (controller: ReadableStreamDefaultController) => {
    buffer.fill(0xff);
    const part = bytes.subarray(at, at + chunk);
    at += part.length;
    buffer.set(part);
    if (part.length === 0) controller.close();
    else controller.enqueue(buffer.subarray(0, part.length));
  };
  return new ReadableStream({ pull }, { highWaterMark: 0 });
}

/** A stream of bytes, and the buffers that its reader gave to be filled. It answers the last request, or only closes. */
function filling(bytes: Uint8Array, chunk: number, answers = true) {
  const views: number[] = [];
  let at = 0;
  const body = new ReadableStream({
    type: 'bytes',
    pull(controller) {
      const { byobRequest } = controller;
      const view = new Uint8Array(
        byobRequest!.view!.buffer,
        byobRequest!.view!.byteOffset,
        byobRequest!.view!.byteLength,
      );
      views.push(view.buffer.byteLength);
      const part = bytes.subarray(at, at + Math.min(chunk, view.length));
      at += part.length;
      if (part.length === 0) controller.close();
      else view.set(part);
      if (part.length > 0 || answers) byobRequest!.respond(part.length);
    },
  });
  return { body, views };
}

describe.each(FILES)('%s', (name) => {
  const bytes = read(name);

  it.each([false, true])('in pieces that do not last, orient: %s', async (orient) => {
    const expected = await pixels(bytes, { orient });
    for (const chunk of [700, 5000]) {
      expect(await pixels(overwritten(bytes, chunk), { orient })).toBe(expected);
      expect(await pixels(filling(bytes, chunk).body, { orient })).toBe(expected);
    }
  });

  it('that ends early is refused as from memory', async () => {
    const part = bytes.subarray(0, bytes.length >> 1);
    const { code, message } = (await rejection(decodeImage(part))) as Error & { code: string };
    expect(code).toBe('IMAGE_TRUNCATED');
    expect(await rejection(decodeImage(filling(part, 700).body))).toMatchObject({ code, message });
  });
});

it('a stream that closes without an answer to the read that waits has ended', async () => {
  const bytes = read('preprocess/inputs/webp_lossless_320x256.webp');
  expect(await pixels(filling(bytes, 700, false).body)).toBe(await pixels(bytes));
  const reader = new ByteReader(filling(bytes, 5000, false).body);
  let length = 0;
  for (let piece = await reader.read(3000); piece; piece = await reader.read(3000)) length += piece.length;
  expect(length).toBe(bytes.length);
});

it('a stream of bytes fills one buffer of 64 kB, again and again', async () => {
  const { body, views } = filling(read('preprocess/inputs/photo_1.jpg'), 1 << 20);
  await decodeImage(body);
  expect(views.length).toBeGreaterThan(4);
  expect(new Set(views)).toEqual(new Set([65_536]));
});

it('the file of a URL is read through one buffer', async () => {
  const bytes = read('image-cases/jpeg-420.jpg');
  const buffers = new Set<ArrayBufferLike>();
  const found: number[] = [];
  for await (const piece of readFileUrl(golden('image-cases/jpeg-420.jpg').href, 1000, () => {})) {
    buffers.add(piece.buffer);
    found.push(...piece);
  }
  expect(buffers.size).toBe(1);
  expect(found).toEqual([...bytes]);
});

it('a Blob is read in parts, which are freed; what only looks like one keeps its buffer', async () => {
  const bytes = read('preprocess/inputs/photo_1.jpg');
  const buffers: ArrayBuffer[] = [];
  const spied = (blob: Blob): BlobLike =>
    new Proxy(blob, {
      get(_, key) {
        if (key === 'slice') return (from: number, to: number) => spied(blob.slice(from, to));
        if (key !== 'arrayBuffer') return Reflect.get(blob, key, blob);
        return async () => {
          buffers.push(await blob.arrayBuffer());
          return buffers.at(-1);
        };
      },
    });
  const expected = await pixels(bytes);
  expect(await pixels(spied(new Blob([bytes])))).toBe(expected);
  expect(buffers.length).toBe(Math.ceil(bytes.length / 262_144));
  expect(buffers.slice(0, -1).map(({ byteLength }) => byteLength)).toEqual(buffers.slice(1).map(() => 0));
  const own = bytes.slice().buffer;
  expect(await pixels({ size: bytes.length, arrayBuffer: async () => own })).toBe(expected);
  expect(own.byteLength).toBe(bytes.length);
});

it('a buffer that is freed is gone at once', () => {
  const buffer = new ArrayBuffer(1000);
  free(buffer);
  expect(buffer.byteLength).toBe(0);
});
