/** Files that cost far more than their size suggests: what they may take is counted, not timed. */
import { readFile } from 'node:fs/promises';
import { deflateSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { concatenate } from '../../src/bytes.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { preprocessConfigFromOpenClip } from '../../src/image/preprocess-config.ts';
import { decodeJpeg, jpegCases } from './jpeg.ts';
import { decodePng } from './png.ts';
import { chunk, header, pngOf, SIGNATURE } from './png-file.ts';

const config = preprocessConfigFromOpenClip(undefined, 224);
const read = async (file: string) =>
  new Uint8Array(await readFile(new URL(`../golden/image-cases/${file}`, import.meta.url)));

afterEach(() => vi.restoreAllMocks());

/** `count` copies of some bytes. */
function repeated(bytes: Uint8Array, count: number): Uint8Array {
  const all = new Uint8Array(bytes.length * count);
  for (let i = 0; i < count; i++) all.set(bytes, i * bytes.length);
  return all;
}

/** Zeros as rows of a picture, packed. */
const zeroRows = (rowBytes: number, rows: number) => deflateSync(new Uint8Array((rowBytes + 1) * rows));

/** Runs `use` and says how many views of arrays were made meanwhile: what chunks would become. */
async function viewsMade(use: () => unknown): Promise<number> {
  const made = vi.spyOn(Uint8Array.prototype, 'subarray');
  await use();
  return made.mock.calls.length;
}

describe('a PNG of many chunks', () => {
  const pixel = chunk('IDAT', deflateSync(new Uint8Array(2)));
  const chunks = (type: string, body = new Uint8Array(0)) => repeated(chunk(type, body), 400_000);
  const end = chunk('IEND');

  it.each<[string, Uint8Array]>([
    ['empty IDAT chunks behind the last row', concatenate([SIGNATURE, header(1, 1, 0), pixel, chunks('IDAT'), end])],
    ['empty IDAT chunks before its data', concatenate([SIGNATURE, header(1, 1, 0), chunks('IDAT'), pixel, end])],
    ['unknown chunks', concatenate([SIGNATURE, header(1, 1, 0), chunks('prVt'), pixel, end])],
    ['texts', concatenate([SIGNATURE, header(1, 1, 0), chunks('tEXt'), pixel, end])],
  ])('makes nothing of each: %s', async (_, bytes) => {
    expect(await viewsMade(() => decodePng(bytes))).toBeLessThan(100);
    // A step passes over a part of them, so that others get their turn.
    if (bytes.indexOf(pixel[8]!, 60) > 1000) expect(decodePng(bytes).steps).toBeGreaterThan(5);
  });

  it('is searched for orientation in steps, too', () => {
    const bytes = concatenate([SIGNATURE, header(1, 1, 0), pixel, chunks('prVt'), end]);
    expect(decodePng(bytes, { orient: true }).steps).toBeGreaterThan(5);
  });
});

describe('a JPEG of many markers', () => {
  const picture = jpegCases.find(({ name }) => name === 'factors-2x2-optimize')!.bytes;
  const behindStart = (bytes: Uint8Array) => concatenate([picture.subarray(0, 2), bytes, picture.subarray(2)]);
  const expected = Buffer.from(decodeJpeg(picture).data);
  const segment = (code: number, text = '') =>
    Uint8Array.from([0xff, code, 0, 2 + text.length, ...Buffer.from(text, 'latin1')]);

  it.each<[string, Uint8Array]>([
    ['comments', repeated(segment(0xfe), 500_000)],
    ['restart markers', repeated(Uint8Array.of(0xff, 0xd0), 500_000)],
    ['images that begin again', repeated(Uint8Array.of(0xff, 0xd8), 500_000)],
    ['fill bytes', repeated(Uint8Array.of(0xff), 8_000_000)],
    ['restart intervals', repeated(Uint8Array.of(0xff, 0xdd, 0, 4, 0, 0), 300_000)],
    ['EXIF', repeated(segment(0xe1, 'Exif\0\0'), 300_000)],
  ])('passes over a part of them in a step, so that others get their turn: %s', (_, bytes) => {
    const { data, steps } = decodeJpeg(behindStart(bytes));
    expect(Buffer.compare(expected, data)).toBe(0);
    expect(steps).toBeGreaterThan(100);
  });

  it('keeps the beginning of EXIF that never ends', () => {
    const parts = behindStart(repeated(segment(0xe1, `Exif\0\0${'x'.repeat(60_000)}`), 100));
    expect(decodeJpeg(parts, { metadata: true }).exif).toBeLessThan(1_200_000);
    const bits = behindStart(repeated(segment(0xe1, 'Exif\0\0x'), 10_000));
    expect(decodeJpeg(bits, { metadata: true }).exif).toBe(256);
  });
});

it('texts of a PNG that inflate without end are bounded together', async () => {
  const text = concatenate([
    Buffer.from('Raw profile type exif\0\0', 'latin1'),
    deflateSync(new Uint8Array(1_048_576)),
  ]);
  const bytes = concatenate([
    SIGNATURE,
    header(1, 1, 0),
    repeated(chunk('zTXt', text), 2000),
    chunk('IDAT', deflateSync(new Uint8Array(2))),
    chunk('IEND'),
  ]);
  // Two gigabytes of text: 64 MB of them are inflated, of each 98 kB at a time.
  expect(await viewsMade(() => decodePng(bytes, { orient: true }))).toBeLessThan(12_000);
});

describe('a picture at the limit', () => {
  const side = 10_000;
  it.each([
    ['16-bit gray', 0, 16, 2 * side],
    ['1-bit gray', 0, 1, side / 8],
  ])('takes the memory of its rows, and lets the event loop turn: %s', async (_, colorType, depth, rowBytes) => {
    const file = pngOf(header(side, side, colorType, depth), chunk('IDAT', zeroRows(rowBytes, side)));
    expect(file.length).toBeLessThan(400_000);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    try {
      expect((await preprocess(file, config)).data.every((byte) => byte === 0)).toBe(true);
    } finally {
      clearInterval(timer);
    }
    expect(turns).toBeGreaterThan(3);
  });

  it('is left when its signal is aborted', async () => {
    const file = pngOf(header(side, side, 0), chunk('IDAT', zeroRows(side, side)));
    const controller = new AbortController();
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason), 1);
    await expect(preprocess(file, config, { signal: controller.signal })).rejects.toBe(reason);
  });

  it('that is interlaced, or a WebP, and so held as a whole, has a quarter of the pixels', async () => {
    const interlaced = pngOf(header(5001, 5000, 2, 8, 1), chunk('IDAT', new Uint8Array(2)));
    const webp = concatenate([
      Buffer.from('RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0', 'latin1'),
      webpSize(5001, 5000),
      new Uint8Array(9),
    ]);
    for (const file of [interlaced, webp]) {
      await expect(decodeImage(file)).rejects.toMatchObject({
        code: 'IMAGE_TOO_LARGE',
        message: expect.stringMatching(/5001 x 5000.*held in memory.*25000000/),
      });
      const larger = await decodeImage(file, { maxPixels: 101_000_000 }).catch((error) => error);
      expect(larger.code).not.toBe('IMAGE_TOO_LARGE');
    }
  });
});

/** VP8L's signature and size (RFC 9649, 3.4). */
function webpSize(width: number, height: number): Uint8Array {
  const bytes = new Uint8Array(5);
  bytes[0] = 0x2f;
  new DataView(bytes.buffer).setUint32(1, (width - 1) | ((height - 1) << 14), true);
  return bytes;
}

describe('a WebP of many chunks', () => {
  const many = (name: string) => repeated(Buffer.from(`${name}\0\0\0\0`, 'latin1'), 400_000);
  const webp = (...parts: Uint8Array[]) => {
    const bytes = concatenate([Buffer.from('RIFF....WEBP', 'latin1'), ...parts]);
    new DataView(bytes.buffer).setUint32(4, bytes.length - 8, true);
    return bytes;
  };
  /** The extended header of a picture of 45 x 31 pixels. */
  const extended = (flags: number) =>
    concatenate([Buffer.from('VP8X\x0a\0\0\0', 'latin1'), Uint8Array.of(flags, 0, 0, 0, 44, 0, 0, 30, 0, 0)]);

  it('gives the decoder its picture alone', async () => {
    const still = await read('webp-lossy.webp');
    const picture = still.subarray(12);
    const expected = await decodeImage(still);
    const frame = concatenate([
      Uint8Array.of(0, 0, 0, 0, 0, 0, 44, 0, 0, 30, 0, 0, 100, 0, 0, 0),
      many('ALPH'),
      picture,
    ]);
    const frameHead = new Uint8Array(8);
    frameHead.set(Buffer.from('ANMF'));
    new DataView(frameHead.buffer).setUint32(4, frame.length, true);
    for (const file of [
      webp(extended(0), many('XXXX'), picture),
      webp(extended(0), many('ALPH'), picture),
      webp(extended(2), frameHead, frame),
      webp(picture, many('XXXX')),
    ]) {
      let image: unknown;
      const views = await viewsMade(async () => {
        image = await decodeImage(file);
      });
      expect(image).toEqual(expected);
      expect(views).toBeLessThan(200);
    }
  });

  it('has the size that its header says, and a picture', async () => {
    const picture = (await read('webp-lossless.webp')).subarray(12);
    await expect(decodeImage(webp(extended(0), picture))).rejects.toMatchObject({
      code: 'IMAGE_FORMAT',
      message: expect.stringMatching(/another size/),
    });
    await expect(decodeImage(webp(extended(0)))).rejects.toMatchObject({
      code: 'IMAGE_FORMAT',
      message: expect.stringMatching(/no image data/),
    });
  });
});

it('failed WebPs leave their decoder as it was, and are not compiled anew', async () => {
  const bytes = (await read('webp-lossy.webp')).slice(0, 100);
  new DataView(bytes.buffer).setUint32(4, bytes.length - 8, true);
  await decodeImage(bytes).catch(() => {});
  const started = vi.spyOn(WebAssembly, 'Instance');
  for (let i = 0; i < 50; i++) await expect(decodeImage(bytes)).rejects.toMatchObject({ code: 'IMAGE_FORMAT' });
  expect(started).not.toHaveBeenCalled();
});
