import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { concatenate } from '../../src/bytes.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { cropGeometry } from '../../src/image/geometry.ts';
import { turnUpright } from '../../src/image/orientation.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { preprocessConfigFromOpenClip } from '../../src/image/preprocess-config.ts';
import { decodeJpeg, jpegCases } from './jpeg.ts';
import { pillowCrop } from './reference.ts';

const hash = (data: Uint8Array | Uint8ClampedArray) => createHash('sha256').update(data).digest('hex').slice(0, 16);
const named = (name: string) => jpegCases.find((one) => one.name === name)!.bytes;
const debug = new WebAssembly.Module(readFileSync(new URL('../../build/pictures-debug.wasm', import.meta.url)));

describe('the pixels of Pillow', () => {
  it('are those of 227 JPEGs of every kind', async () => {
    expect(jpegCases.length).toBe(227);
    for (const { name, bytes, size, pixels } of jpegCases) {
      const { width, height, data, channels } = await decodeImage(bytes);
      expect([width, height, channels], name).toEqual([...size, 3]);
      expect(hash(data), name).toBe(pixels);
    }
  });

  it('are those of its draft at 1/2, 1/4 and 1/8', () => {
    let count = 0;
    for (const { name, bytes, draft } of jpegCases) {
      for (const [target, width, height, pixels] of draft) {
        const decoded = decodeJpeg(bytes, { target });
        expect([decoded.width, decoded.height, hash(decoded.data)], `${name} to ${target}`).toEqual([
          width,
          height,
          pixels,
        ]);
        count++;
      }
    }
    expect(count).toBeGreaterThan(500);
  });

  it('do not depend on the pieces in which a file comes', () => {
    for (const [i, { name, bytes, pixels }] of jpegCases.entries()) {
      const piece = [1, 2, 3, 7, 64, 333][i % 6]!;
      expect(hash(decodeJpeg(bytes, { piece }).data), `${name} in pieces of ${piece}`).toBe(pixels);
    }
  });

  it('are those of the build with assertions, too', () => {
    for (const [i, { name, bytes, pixels }] of jpegCases.entries()) {
      if (i % 5 === 0) expect(hash(decodeJpeg(bytes, { module: debug }).data), name).toBe(pixels);
    }
  });

  it('are right in any window', () => {
    for (const [i, { name, bytes }] of jpegCases.entries()) {
      const { width, height, data } = decodeJpeg(bytes);
      const left = (i * 7) % width;
      const top = (i * 11) % height;
      const window = {
        left,
        top,
        right: Math.min(width, left + 1 + ((i * 3) % 20)),
        bottom: Math.min(height, top + 1 + ((i * 5) % 20)),
      };
      const part = decodeJpeg(bytes, { window }).data;
      const whole = new Uint8Array(data.length);
      for (let y = window.top; y < window.bottom; y++) {
        const [from, to] = [(y * width + window.left) * 3, (y * width + window.right) * 3];
        whole.set(data.subarray(from, to), from);
      }
      expect(Buffer.from(part).equals(whole), name).toBe(true);
    }
  });
});

it('scaled, a picture is resized from what the draft gives', async () => {
  const size = 9;
  const config = preprocessConfigFromOpenClip(undefined, size);
  for (const name of ['factors-2x2-optimize', 'factors-2x1-progressive', 'inks-cmyk', 'colors-gray']) {
    const bytes = named(name);
    const { width, height, data } = decodeJpeg(bytes, { target: size });
    const full = decodeJpeg(bytes);
    expect(full.width).toBeGreaterThan(width);
    const geometry = cropGeometry(width, height, size, config.crop);
    const expected = pillowCrop({ width, height, data, channels: 3 }, geometry);
    const scaled = await preprocess(bytes, config, { scaled: true });
    expect(Buffer.from(scaled.data).equals(expected), name).toBe(true);
    const plain = await preprocess(bytes, config);
    expect(Buffer.from(plain.data).equals(expected), name).toBe(false);
  }
});

it.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'turned as EXIF says, %i, whole or scaled, from bytes or a stream',
  async (orientation) => {
    const size = 9;
    const config = preprocessConfigFromOpenClip(undefined, size);
    // A TIFF directory with one tag, in an APP1 segment.
    const exif = Buffer.from(
      'ffe10022457869660000 4d4d002a00000008 0001 0112 0003 00000001 0000 0000 00000000'.replaceAll(' ', ''),
      'hex',
    );
    exif.writeUInt16BE(orientation, 28);
    for (const name of ['factors-2x1-optimize', 'factors-2x2-progressive', 'colors-gray']) {
      const bytes = concatenate([Uint8Array.of(0xff, 0xd8), exif, named(name).subarray(2)]);
      for (const scaled of [false, true]) {
        const { width, height, data } = decodeJpeg(bytes, scaled ? { target: size } : {});
        const image = turnUpright({ width, height, data, channels: 3 }, orientation);
        const expected = pillowCrop(image, cropGeometry(image.width, image.height, size, config.crop));
        for (const input of [bytes, new Blob([bytes]).stream()]) {
          const { data: got } = await preprocess(input, config, { orient: true, scaled });
          expect(Buffer.from(got).equals(expected), `${name}, scaled: ${scaled}`).toBe(true);
        }
      }
    }
  },
);

describe('memory', () => {
  it('of a baseline file follows its width, of another its coefficients', () => {
    const baseline = decodeJpeg(named('factors-2x2-optimize'));
    expect(baseline.used).toBeLessThan(200_000);
    const progressive = decodeJpeg(named('factors-2x2-progressive'));
    const { width, height } = progressive;
    const samples = Math.ceil(width / 16) * Math.ceil(height / 16) * 16 * 16 * 1.5;
    expect(progressive.used - baseline.used).toBeLessThan(2 * samples + 20_000);
  });
});

describe('damaged files', () => {
  const codeOf = (bytes: Uint8Array) => {
    try {
      decodeJpeg(bytes);
      return 'a picture';
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    }
  };
  const plain = named('factors-2x2-optimize');

  it('cut anywhere is truncated', () => {
    for (const name of ['factors-2x2-optimize', 'factors-2x2-progressive', 'scans-each', 'restart-2B', 'size-41x3']) {
      const bytes = jpegCases.find((one) => one.name === name)?.bytes ?? plain;
      for (let length = 2; length < bytes.length; length += 1 + (length >> 5)) {
        expect(codeOf(bytes.subarray(0, length)), `${name}, ${length} bytes`).toBe('IMAGE_TRUNCATED');
      }
    }
  });

  it.each([
    ['arithmetic coding', 0xc9, /arithmetic-coded JPEG is not supported/],
    ['lossless', 0xc3, /lossless JPEG is not supported/],
    ['hierarchical', 0xc5, /hierarchical JPEG is not supported/],
  ])('%s is refused by name', (_, code, message) => {
    const bytes = plain.slice();
    bytes[frameAt(bytes) + 1] = code;
    expect(() => decodeJpeg(bytes)).toThrow(message);
  });

  it.each([
    ['12 bits', 4, 12, /12 bits a sample/],
    ['2 components', 9, 2, /2 color components/],
    ['a sampling factor of 5', 11, 0x51, /sampling factors of 5 x 1/],
    ['a fractional ratio', 11, 0x32, /ratio of 1.5/],
    ['a quantization table that is not there', 12, 3, /no quantization table 3/],
  ])('%s is an error that says so', (_, offset, value, message) => {
    const bytes = plain.slice();
    bytes[frameAt(bytes) + offset] = value;
    if (offset === 11 && value === 0x32) bytes[frameAt(bytes) + 14] = 0x21;
    expect(() => decodeJpeg(bytes)).toThrow(message);
    expect(codeOf(bytes)).toBe('IMAGE_FORMAT');
  });

  it('a height that stands behind the scan alone (DNL) is refused, as in libjpeg', async () => {
    const bytes = named('around-dnl').slice();
    bytes.fill(0, frameAt(bytes) + 5, frameAt(bytes) + 7);
    await expect(decodeImage(bytes)).rejects.toMatchObject({
      code: 'IMAGE_FORMAT',
      message: expect.stringContaining('37 x 0 pixels'),
    });
  });

  it('a marker of unknown kind is an error, behind the picture a trailer', () => {
    const unknown = Uint8Array.of(0xff, 0x52, 0, 3, 0);
    expect(() => decodeJpeg(concatenate([plain.subarray(0, 2), unknown, plain.subarray(2)]))).toThrow(
      /unknown kind, 82/,
    );
    expect(decodeJpeg(concatenate([plain.subarray(0, -2), unknown])).data).toEqual(decodeJpeg(plain).data);
  });

  it('a progressive file has Huffman tables of its own', () => {
    const tables = decodeJpeg(named('tables-none')); // Motion JPEG
    expect(tables.width).toBe(44);
    const bytes = named('factors-2x2-progressive').slice();
    for (let i = 2; i < bytes.length - 1; i++) if (bytes[i] === 0xff && bytes[i + 1] === 0xc4) bytes[i + 1] = 0xfe;
    expect(() => decodeJpeg(bytes)).toThrow(/no Huffman table/);
  });

  it('more scans than a picture needs are refused, not decoded', () => {
    expect(decodeJpeg(manyScans(640, 480, 20)).width).toBe(640);
    expect(() => decodeJpeg(manyScans(8000, 8000, 80))).toThrow(/more scans than any picture needs/);
  });

  it('a header alone takes no memory for the pixels that it claims', () => {
    const bytes = manyScans(8000, 8000, 0);
    const start = process.memoryUsage().rss;
    expect(codeOf(bytes.subarray(0, 300))).toBe('IMAGE_TRUNCATED');
    expect(process.memoryUsage().rss - start).toBeLessThan(40 << 20); // its coefficients would take 128 MB
  });
});

/** A gray progressive JPEG: a DC scan of one bit a block, then AC scans that say in a few bytes that all blocks are empty. */
function manyScans(width: number, height: number, count: number): Uint8Array {
  const segment = (code: number, ...body: number[]) => [
    0xff,
    code,
    (body.length + 2) >> 8,
    (body.length + 2) & 255,
    ...body,
  ];
  const size = (pixels: number) => [pixels >> 8, pixels & 255];
  const huffman = (table: number, symbol: number) => segment(0xc4, table, 1, ...Array(15).fill(0), symbol);
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  // The code 0 and 14 bits of ones: the most blocks that a run can have.
  const bits = `0${'1'.repeat(14)}`.repeat(Math.ceil(blocks / 32_767));
  const runs = bits.match(/.{1,8}/g)!.flatMap((byte) => {
    const value = Number.parseInt(byte.padEnd(8, '0'), 2);
    return value === 0xff ? [0xff, 0] : [value];
  });
  const scan = [...segment(0xda, 1, 1, 0, 1, 63, 0), ...runs];
  return Uint8Array.from([
    ...[0xff, 0xd8],
    ...segment(0xdb, 0, ...Array(64).fill(1)),
    ...segment(0xc2, 8, ...size(height), ...size(width), 1, 1, 0x11, 0),
    ...huffman(0, 0),
    ...huffman(0x10, 0xe0),
    ...segment(0xda, 1, 1, 0, 0, 0, 0),
    ...Array(Math.ceil(blocks / 8)).fill(0),
    ...Array.from({ length: count }, () => scan).flat(),
    ...[0xff, 0xd9],
  ]);
}

/** Where the frame header is. */
function frameAt(bytes: Uint8Array): number {
  for (let i = 2; ; i += 2 + ((bytes[i + 2]! << 8) | bytes[i + 3]!))
    if (bytes[i + 1]! >= 0xc0 && bytes[i + 1]! <= 0xc2) return i;
}
