/** Files that come in pieces through one buffer: each piece is gone when the next is there, and the pixels are the file's all the same. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { ByteReader } from '../../src/byte-reader.ts';
import { concatenate, free } from '../../src/bytes.ts';
import * as body from '../../src/image/body.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { type BlobLike, TakenImage } from '../../src/image/input.ts';
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

/** The same buffer again and again. */
async function* inPieces(bytes: Uint8Array, piece: number): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = new Uint8Array(piece);
  for (let at = 0; at < bytes.length; at += piece) {
    buffer.set(bytes.subarray(at, at + piece));
    yield buffer.subarray(0, Math.min(piece, bytes.length - at));
    buffer.fill(0xff);
  }
}

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

it('a Blob is read in parts, which are freed; what only looks like one keeps what it gives', async () => {
  // Two megabytes: segments that are passed over stand before the picture.
  const photo = read('preprocess/inputs/photo_1.jpg');
  const segment = new Uint8Array(65_537);
  segment.set([0xff, 0xe2, 0xff, 0xff]);
  const bytes = concatenate([photo.subarray(0, 2), ...Array(20).fill(segment), photo.subarray(2)]);
  const chunks: Uint8Array[] = [];
  let most = 0;
  const spied = (blob: Blob): BlobLike =>
    new Proxy(blob, {
      get(_, key) {
        if (key === 'slice') return (from: number, to: number) => spied(blob.slice(from, to));
        if (key !== 'stream') return Reflect.get(blob, key, blob);
        return () => {
          const see = (chunk: Uint8Array, controller: TransformStreamDefaultController) => {
            most = Math.max(most, chunk.length);
            chunks.push(chunk);
            controller.enqueue(chunk);
          };
          return blob.stream().pipeThrough(new TransformStream({ transform: see }));
        };
      },
    });
  const expected = await pixels(bytes);
  const blob = new Blob([bytes]);
  expect(await pixels(spied(blob))).toBe(expected);
  expect(chunks.length).toBeGreaterThanOrEqual(Math.ceil(bytes.length / 262_144));
  expect(most).toBeLessThanOrEqual(262_144);
  expect(chunks.slice(0, -1).map(({ length }) => length)).toEqual(chunks.slice(1).map(() => 0));
  expect(await pixels(blob)).toBe(expected); // it has its bytes still
  const own = bytes.slice().buffer;
  const likeBlob = { size: bytes.length, arrayBuffer: async () => own, stream: () => new Blob(['no']).stream() };
  expect(await pixels(likeBlob)).toBe(expected);
  expect(own.byteLength).toBe(bytes.length);
});

it('a PNG whose orientation is wanted is held as a whole only if it cannot be read twice', async () => {
  const join = vi.spyOn(body, 'joinPieces');
  for (const name of ['orient-after-data', 'exif6', 'orient-raw-ztxt', 'orient-xmp-compressed', 'rgb8']) {
    const path = `image-cases/png-${name}.png`;
    const bytes = read(path);
    const expected = await pixels(bytes, { orient: true });
    if (name !== 'rgb8') expect(expected, name).not.toBe(await pixels(bytes));
    // In pieces so small that all that is wanted is cut.
    const blob = new Blob([bytes]);
    const open = () => inPieces(bytes, 7);
    for (const input of [blob, golden(path), new TakenImage({ pieces: open, again: open })])
      expect(await pixels(input, { orient: true }), name).toBe(expected);
    expect(join).not.toHaveBeenCalled();
    expect(await pixels(blob.stream() as ReadableStream, { orient: true }), name).toBe(expected);
    expect(join).toHaveBeenCalledOnce();
    join.mockClear();
  }
});

it('a buffer that is freed is gone at once', () => {
  const buffer = new ArrayBuffer(1000);
  free(buffer);
  expect(buffer.byteLength).toBe(0);
});
