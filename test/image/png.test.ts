import { createHash } from 'node:crypto';
import { constants, deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../src/image/decode.ts';
import { debugPictures, decodePng, pngCases } from './png.ts';
import { chunk, header, pngOf } from './png-file.ts';

const hash = (data: Uint8Array | Uint8ClampedArray) => createHash('sha256').update(data).digest('hex').slice(0, 16);
const named = (name: string) => pngCases.find((one) => one.name === name)!.bytes;

/** A picture of one color, `rows` of `bytes` zeros, with what follows. */
const zeros = (bytes: number, rows: number, more: Uint8Array = new Uint8Array(0)) =>
  deflateSync(Buffer.concat([new Uint8Array((bytes + 1) * rows), more]));

describe('the pixels of Pillow', () => {
  it('are those of 252 PNGs of every kind', async () => {
    expect(pngCases.length).toBe(252);
    for (const { name, bytes, size, pixels } of pngCases) {
      const { width, height, data, channels } = await decodeImage(bytes);
      expect([width, height], name).toEqual(size);
      expect(hash(channels === 3 ? data : data.filter((_, i) => i % 4 < 3)), name).toBe(pixels);
    }
  });

  it('do not depend on the pieces in which a file comes', () => {
    for (const [i, { name, bytes, pixels }] of pngCases.entries()) {
      const piece = [1, 2, 3, 7, 64, 333][i % 6]!;
      expect(hash(decodePng(bytes, { piece }).data), `${name} in pieces of ${piece}`).toBe(pixels);
      expect(hash(decodePng(bytes, { piece, orient: true }).data), `${name}, whole`).toBe(pixels);
    }
  });

  it('are those of the build with assertions, too', () => {
    for (const [i, { name, bytes, pixels }] of pngCases.entries()) {
      if (i % 5 === 0) expect(hash(decodePng(bytes, { module: debugPictures }).data), name).toBe(pixels);
    }
  });
});

describe('a damaged PNG', () => {
  const stream = zeros(6, 2);
  const file = (...data: Uint8Array[]) => pngOf(header(2, 2), ...data);
  const cut = (end: number) => stream.subarray(0, end);
  const flipped = stream.map((byte, i) => (i === stream.length - 1 ? byte ^ 1 : byte));
  const filter5 = deflateSync(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0));

  it.each<[string, Uint8Array, string, RegExp]>([
    ['a wrong checksum of a chunk and of the data', file(chunk('IDAT', flipped, 0)), 'IMAGE_FORMAT', /wrong checksum/],
    ['a wrong checksum and no other', file(chunk('IDAT', cut(-4), 0)), 'IMAGE_FORMAT', /wrong checksum/],
    ['too few rows', file(chunk('IDAT', zeros(6, 1))), 'IMAGE_FORMAT', /end before the last row/],
    ['data that end early', file(chunk('IDAT', cut(-8))), 'IMAGE_FORMAT', /end before the last row/],
    ['a file that ends early', file(chunk('IDAT', stream)).subarray(0, -30), 'IMAGE_TRUNCATED', /truncated PNG/],
    ['no data', file(), 'IMAGE_FORMAT', /no picture data/],
    [
      'a file that ends before its data',
      file(chunk('tEXt')).subarray(0, -12),
      'IMAGE_TRUNCATED',
      /before its picture data/,
    ],
    [
      'no zlib stream',
      file(
        chunk(
          'IDAT',
          stream.map((byte) => byte ^ 1),
        ),
      ),
      'IMAGE_FORMAT',
      /cannot be decoded/,
    ],
    ['filter type 5', file(chunk('IDAT', filter5)), 'IMAGE_FORMAT', /filter type 5/],
    ['another first chunk', pngOf(chunk('tEXt'), header(2, 2)), 'IMAGE_FORMAT', /first chunk/],
    [
      'bits that no kind has',
      pngOf(header(2, 2, 2, 4), chunk('IDAT', stream)),
      'IMAGE_FORMAT',
      /bit depth 4, color type 2/,
    ],
    [
      'an unknown interlace method',
      pngOf(header(2, 2, 2, 8, 2), chunk('IDAT', stream)),
      'IMAGE_FORMAT',
      /methods 0, 0, 2/,
    ],
  ])('with %s is refused', async (_, bytes, code, message) => {
    await expect(decodeImage(bytes)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(() => decodePng(bytes, { piece: 1 })).toThrow(expect.objectContaining({ code }));
  });

  it.each<[string, Uint8Array]>([
    ['a wrong checksum of the data alone', file(chunk('IDAT', flipped))],
    ['a wrong checksum of a chunk alone', file(chunk('IDAT', stream, 0))],
    [
      'a wrong checksum of a chunk, and data behind the last row',
      file(chunk('IDAT', zeros(6, 2, new Uint8Array(1e6)), 0)),
    ],
    ['a wrong checksum behind the last row', file(chunk('IDAT', stream), chunk('IDAT', stream, 0))],
    ['other chunks between its data', file(chunk('IDAT', cut(5)), chunk('tEXt'), chunk('IDAT', stream.subarray(5)))],
    ['no end', file(chunk('IDAT', stream)).subarray(0, -12)],
    ['no end of the checksum', file(chunk('IDAT', stream)).subarray(0, -14)],
  ])('with %s is read', (_, bytes) => {
    expect(decodePng(bytes).data).toEqual(new Uint8Array(12));
    expect(decodePng(bytes, { piece: 1 }).data).toEqual(new Uint8Array(12));
  });

  it('is found wherever it is cut', () => {
    const bytes = named('rgb8-interlaced-9x7');
    for (let length = 8; length < bytes.length; length += 3) {
      for (const piece of [length, 5]) {
        try {
          expect(hash(decodePng(bytes.subarray(0, length), { piece }).data)).toBe(hash(decodePng(bytes).data));
        } catch (error) {
          expect(error).toMatchObject({ code: 'IMAGE_TRUNCATED' });
        }
      }
    }
  });
});

describe('the memory of a PNG', () => {
  it('follows its rows', () => {
    const [width, height] = [4000, 3000];
    for (const [colorType, depth, bytes] of [
      [2, 8, 3 * width],
      [6, 16, 8 * width],
      [3, 4, width / 2],
    ] as const) {
      const palette = colorType === 3 ? [chunk('PLTE', new Uint8Array(3))] : [];
      const file = pngOf(header(width, height, colorType, depth), ...palette, chunk('IDAT', zeros(bytes, height)));
      const { used, steps } = decodePng(file, { keep: false });
      expect(used).toBeLessThan(400_000 + 8 * bytes);
      expect(steps).toBeGreaterThan(50);
    }
  });

  it('is that of the pixels of an interlaced one, of one byte each if gray', () => {
    const side = 1000;
    const rows = deflateSync(new Uint8Array(side * side + 8000));
    expect(decodePng(pngOf(header(side, side, 0, 8, 1), chunk('IDAT', rows)), { keep: false }).used).toBeLessThan(
      1.5e6,
    );
  });
});

describe('what follows the last row', () => {
  it('is not read, be it chunks or data', () => {
    const data = zeros(1, 1, new Uint8Array(1 << 24));
    const bytes = pngOf(
      header(1, 1, 0),
      chunk('IDAT', data),
      ...Array.from({ length: 1000 }, () => chunk('IDAT', data)),
    );
    const { read, steps } = decodePng(bytes, { piece: 1000 });
    // To the end of the chunk, for its checksum.
    expect(read).toBeLessThan(data.length + 2000);
    // Each 1000 bytes inflate to one megabyte.
    expect(steps).toBeLessThan(data.length / 1000 + 100);
  });

  it('is inflated only for a checksum, and not for long', () => {
    const bomb = pngOf(header(1, 1, 0), chunk('IDAT', zeros(1, 1, new Uint8Array(1 << 24)), 0));
    expect(() => decodePng(bomb)).toThrow(/wrong checksum of its picture data/);
    // More data than the inflater takes at once.
    const noise = new Uint8Array(1 << 21).map((_, i) => Math.imul(i, 2_654_435_761) >>> 24);
    const large = pngOf(header(1, 1, 0), chunk('IDAT', zeros(1, 1, noise), 0));
    expect(() => decodePng(large)).toThrow(/wrong checksum of its picture data/);
    expect(() => decodePng(large, { piece: 999 })).toThrow(/wrong checksum of its picture data/);
  });
});

it('blocks of every kind inflate to the same picture', () => {
  const { data } = decodePng(named('rgb8-32x18'));
  const rows = new Uint8Array(18 * 97);
  for (let y = 0; y < 18; y++) rows.set(data.subarray(y * 96, (y + 1) * 96), y * 97 + 1);
  for (const strategy of [constants.Z_FIXED, constants.Z_HUFFMAN_ONLY, constants.Z_RLE, constants.Z_FILTERED]) {
    const file = pngOf(header(32, 18), chunk('IDAT', deflateSync(rows, { strategy })));
    expect(decodePng(file).data).toEqual(data);
  }
});
