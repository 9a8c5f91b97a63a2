import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { decodeImage, decodeRows, type ImageInput, takeImage } from '../../src/image/decode.ts';
import { withWorkspace } from '../../src/image/workspace.ts';

interface Case {
  file: string;
  size: [number, number];
  rgb?: string;
  uniform?: number[];
  error?: string;
  oriented?: { size: [number, number]; rgb: string };
}

const folder = new URL('../golden/image-cases/', import.meta.url);
const cases: Case[] = JSON.parse(await readFile(new URL('cases.json', folder), 'utf8')).cases;
const read = (file: string) => readFile(new URL(file, folder));
const photo = await readFile(new URL('../golden/preprocess/inputs/photo_0.jpg', import.meta.url));

/** Where this package is stricter than Pillow, or says it in another way. */
const refused: { [file: string]: { code: string; message: RegExp } } = {
  'png-palette-sum-wrong.png': { code: 'IMAGE_FORMAT', message: /damaged PNG.*PLTE/ },
  'png-data-short.png': { code: 'IMAGE_TRUNCATED', message: /truncated PNG/ },
  'png-half.png': { code: 'IMAGE_TRUNCATED', message: /truncated PNG/ },
  'png-zlib-short.png': { code: 'IMAGE_FORMAT', message: /damaged PNG/ },
  'png-0x0.png': { code: 'IMAGE_FORMAT', message: /0 x 0/ },
  'jpeg-thumbnail-cut.jpg': { code: 'IMAGE_TRUNCATED', message: /truncated JPEG/ },
  'jpeg-progressive-cut.jpg': { code: 'IMAGE_TRUNCATED', message: /truncated JPEG/ },
  'jpeg-trailer-none.jpg': { code: 'IMAGE_TRUNCATED', message: /truncated JPEG/ },
  'jpeg-trailer-ff.jpg': { code: 'IMAGE_TRUNCATED', message: /truncated JPEG/ },
  'jpeg-trailer-progressive.jpg': { code: 'IMAGE_TRUNCATED', message: /truncated JPEG/ },
  'jpeg-trailer-scans.jpg': { code: 'IMAGE_TRUNCATED', message: /truncated JPEG/ },
  'jpeg-trailer-two-of-three-scans.jpg': { code: 'IMAGE_TRUNCATED', message: /truncated JPEG/ },
  // Pillow paints the missing part gray.
  'jpeg-trailer-half.jpg': { code: 'IMAGE_TRUNCATED', message: /truncated JPEG: a part of the picture/ },
};

describe('decodeImage', () => {
  it.each(cases.filter(({ file }) => !refused[file]))('sees the pixels of Pillow: $file', async (one) => {
    expect(one.error).toBeUndefined();
    const image = await decodeImage(await read(one.file));
    expect([image.width, image.height]).toEqual(one.size);
    if (one.uniform) expect(new Set(hexPixels(image))).toEqual(new Set([Buffer.from(one.uniform).toString('hex')]));
    else expect(hexPixels(image).join('')).toBe(one.rgb);
  });

  it.each(cases.filter(({ oriented, rgb }) => oriented ?? rgb))('turns upright on request: $file', async (one) => {
    if (refused[one.file]) return;
    const image = await decodeImage(await read(one.file), { orient: true });
    const { size, rgb } = one.oriented ?? { size: one.size, rgb: one.rgb };
    expect([image.width, image.height]).toEqual(size);
    expect(hexPixels(image).join('')).toBe(rgb);
  });

  it.each(Object.entries(refused))('refuses %s', async (file, { code, message }) => {
    await expect(decodeImage(await read(file))).rejects.toMatchObject({
      name: 'ClipError',
      code,
      message: expect.stringMatching(message),
    });
  });

  it('finds every flipped byte in the data of a PNG', async () => {
    const bytes = await read('png-rgb16.png');
    // The content of the first of its two chunks.
    const first = bytes.indexOf('IDAT') + 4;
    const end = first + bytes.readUInt32BE(first - 8);
    for (let at = first; at < end; at += 5) {
      const flipped = Uint8Array.from(bytes);
      flipped[at]! ^= 1;
      await expect(decodeImage(flipped), `byte ${at}`).rejects.toMatchObject({
        code: 'IMAGE_FORMAT',
        message: expect.stringMatching(/^damaged PNG: (?!.*unwrap)/),
      });
    }
  });

  it.each([
    ['half', photo.subarray(0, photo.length >> 1)],
    ['90 %', photo.subarray(0, Math.floor(photo.length * 0.9))],
    ['all but 2 bytes', photo.subarray(0, -2)],
    ['all but 1 byte', photo.subarray(0, -1)],
    ['the first 100 bytes', photo.subarray(0, 100)],
    ['three bytes', photo.subarray(0, 3)],
    ['half and an end marker', Buffer.concat([photo.subarray(0, photo.length >> 1), Buffer.of(0xff, 0xd9)])],
    [
      'all but 500 bytes in the middle',
      Buffer.concat([photo.subarray(0, photo.length >> 1), photo.subarray((photo.length >> 1) + 500)]),
    ],
  ])('R09: a JPEG of which only %s came is truncated', async (_, bytes) => {
    await expect(decodeImage(bytes)).rejects.toMatchObject({
      code: 'IMAGE_TRUNCATED',
      message: expect.stringMatching(/truncated/),
    });
  });

  it('reads a JPEG whose end marker is missing before another JPEG', async () => {
    const [first, second] = [await read('jpeg-420.jpg'), await read('jpeg-grey.jpg')];
    const both = Buffer.concat([first.subarray(0, -2), second]);
    expect(await decodeImage(both)).toEqual(await decodeImage(first));
    const half = Buffer.concat([first.subarray(0, first.length - 100), second]);
    await expect(decodeImage(half)).rejects.toMatchObject({ code: 'IMAGE_TRUNCATED' });
  });

  it.each(['webp-lossless.webp', 'webp-lossy.webp', 'webp-lossy-alpha.webp', 'r02-animated.webp'])(
    'finds every cut of %s',
    async (file) => {
      const bytes = await read(file);
      for (let length = 12; length < bytes.length; length += 7) {
        await expect(decodeImage(bytes.subarray(0, length))).rejects.toMatchObject({ code: 'IMAGE_TRUNCATED' });
      }
    },
  );

  it('finds every cut of a PNG that loses picture data', async () => {
    const bytes = await read('png-rgb8-interlaced.png');
    for (let length = 8; length < bytes.length - 34; length += 5) {
      await expect(decodeImage(bytes.subarray(0, length))).rejects.toMatchObject({ code: 'IMAGE_TRUNCATED' });
    }
  });

  it('answers every flipped byte with pixels or a typed error', async () => {
    for (const file of ['jpeg-420.jpg', 'png-palette8.png', 'webp-lossy.webp', 'webp-animated-alpha.webp']) {
      const bytes = await read(file);
      for (let at = 0; at < bytes.length; at += 3) {
        const flipped = Uint8Array.from(bytes);
        flipped[at]! ^= 0x55;
        const result = await decodeImage(flipped, { maxPixels: 1_000_000 }).catch((error) => error);
        if (result instanceof Error) {
          expect(result).toMatchObject({ name: 'ClipError', code: expect.stringMatching(/^IMAGE_/) });
          expect(result.message).toMatch(/JPEG|PNG|WebP/);
        } else {
          expect(result.data.length).toBe(result.width * result.height * result.channels);
        }
      }
    }
    // The decoders are as good as new.
    const [one] = cases.filter(({ file }) => file === 'jpeg-420.jpg');
    expect(hexPixels(await decodeImage(await read('jpeg-420.jpg'))).join('')).toBe(one?.rgb);
  });

  it.each([
    ['GIF', 'GIF89a\x01\0\x01\0'],
    ['BMP', 'BM\x46\0\0\0'],
    ['TIFF', 'II*\0\x08\0\0\0'],
    ['HEIF', '\0\0\0\x18ftypmif1\0\0\0\0mif1miaf'],
    ['Canon CR3 (a camera raw file: export it as JPEG', '\0\0\0\x18ftypcrx \0\0\0\x01crx isom'],
    ['Canon CR2', 'II*\0\x10\0\0\0CR\x02\0'],
    ['DNG', `II*\0\x08\0\0\0\x01\0\x12\xc6\x01\0\x04\0\0\0\x01\x04\0\0\0\0\0\0`],
    [
      'Nikon NEF',
      'MM\0*\0\0\0\x08\0\x02\0\xfe\0\x04\0\0\0\x01\0\0\0\x01\x01\x0f\0\x02\0\0\0\x12\0\0\0\x26\0\0\0\0NIKON CORPORATION\0',
    ],
    ['Fujifilm RAF', 'FUJIFILMCCD-RAW 0201'],
    ['MP4 video (a video: save a frame of it as JPEG', '\0\0\0\x18ftypisom\0\0\x02\0isommp42'],
    ['QuickTime (MOV)', '\0\0\0\x14ftypqt  \0\0\x02\0qt  '],
    ['QuickTime (MOV)', '\0\0\0\x08wide\0\0\0\0mdat'],
    ['JPEG XL (convert it to JPEG', '\xff\x0a\0\0'],
    ['JPEG XL', '\0\0\0\x0cJXL \r\n\x87\n'],
    ['JPEG 2000', '\0\0\0\x0cjP  \r\n\x87\n'],
    ['Photoshop (PSD) (render it to PNG', '8BPS\0\x01'],
    ['PDF', '%PDF-1.7'],
    ['icon (ICO)', '\0\0\x01\0\x01\0'],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:'],
    ['Base64 text (decode it to bytes first', '/9j/4AAQSkZJRgABAQ'],
    ['Base64 text', 'data:image/png;base64,iVBORw0KGgo'],
    ['SVG', '<?xml version="1.0"?>\n<!-- a -->\n<svg xmlns="http://www.w3.org/2000/svg"/>'],
    ['an HTML page', '<!DOCTYPE html><html><body>404</body></html>'],
    ['an HTML page', '\n<html lang="en">'],
    ['text', 'hello, sir'],
    ['empty', ''],
    ['RIFF', 'RIFF\x04\0\0\0WAVE'],
  ])('says that bytes look like %s', async (name, text) => {
    const shown = name === 'RIFF' ? /unknown format.*52 49 46 46/ : new RegExp(name.replace(/[()]/g, '\\$&'));
    await expect(decodeImage(Buffer.from(text, 'latin1'))).rejects.toMatchObject({
      code: 'IMAGE_FORMAT',
      message: expect.stringMatching(shown),
    });
    if (name !== 'empty') await expect(decodeImage(Buffer.from(text, 'latin1'))).rejects.toThrow(/JPEG, PNG or WebP/);
  });

  it('refuses pictures beyond the limits from their headers', async () => {
    const png = Buffer.from(await read('png-rgb8.png')).subarray(0, 33);
    const huge = Buffer.from(png);
    huge.writeUInt32BE(30_000, 16);
    huge.writeUInt32BE(30_000, 20);
    huge.writeUInt32BE(crc(huge.subarray(12, 29)), 29);
    await expect(decodeImage(huge)).rejects.toMatchObject({
      code: 'IMAGE_TOO_LARGE',
      message: expect.stringMatching(/30000 x 30000.*maxPixels/),
    });
    huge.writeUInt32BE(70_000, 16);
    huge.writeUInt32BE(1, 20);
    huge.writeUInt32BE(crc(huge.subarray(12, 29)), 29);
    await expect(decodeImage(huge)).rejects.toMatchObject({
      code: 'IMAGE_TOO_LARGE',
      message: expect.stringMatching(/65535/),
    });
    for (const file of ['jpeg-420.jpg', 'png-rgb8.png', 'webp-lossy.webp', 'webp-lossless.webp', 'r02-animated.webp']) {
      const bytes = await read(file);
      const image = await decodeImage(bytes);
      const pixels = image.width * image.height;
      await expect(decodeImage(bytes, { maxPixels: pixels - 1 })).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
      await expect(decodeImage(bytes, { maxPixels: pixels, maxBytes: bytes.length })).resolves.toMatchObject({
        width: image.width,
      });
      await expect(decodeImage(bytes, { maxBytes: bytes.length - 1 })).rejects.toMatchObject({
        code: 'IMAGE_TOO_LARGE',
      });
      await expect(decodeImage(new Blob([bytes]), { maxBytes: bytes.length - 1 })).rejects.toMatchObject({
        code: 'IMAGE_TOO_LARGE',
      });
    }
    await expect(decodeImage(png, { maxPixels: 0 })).rejects.toThrow(RangeError);
  });

  it('takes a file as bytes of several types', async () => {
    const bytes = await read('jpeg-420.jpg');
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    const first = await decodeImage(bytes);
    expect(first.data.some((value) => value !== 0)).toBe(true);
    for (const input of [buffer, new Uint8Array(buffer), new Blob([buffer])]) {
      expect(await decodeImage(input)).toEqual(first);
    }
  });

  it('takes raw pixels of one to four channels', async () => {
    const area = { width: 2, height: 1 };
    const rgb = { width: 2, height: 1, channels: 3 };
    expect(await decodeImage({ ...area, data: Uint8Array.of(7, 9) })).toEqual({
      ...rgb,
      data: Uint8Array.of(7, 7, 7, 9, 9, 9),
    });
    expect(await decodeImage({ ...area, data: Uint8Array.of(7, 0, 9, 5) })).toEqual({
      ...rgb,
      data: Uint8Array.of(7, 7, 7, 9, 9, 9),
    });
    expect(await decodeImage({ ...area, data: Uint8Array.of(1, 2, 3, 4, 5, 6) })).toEqual({
      ...rgb,
      data: Uint8Array.of(1, 2, 3, 4, 5, 6),
    });
    const rgba = Uint8ClampedArray.of(1, 2, 3, 0, 4, 5, 6, 9);
    expect(await decodeImage({ ...area, data: rgba })).toEqual({ ...area, channels: 4, data: rgba });
  });

  it.each([
    [{ data: new Uint8Array(5), width: 2, height: 1 }, RangeError, /2 \(gray\), 6 \(RGB\) or 8 \(RGBA\) bytes, got 5/],
    [{ data: new Uint8Array(8), width: 2, height: 1, channels: 3 }, RangeError, /needs 6 bytes, got 8/],
    [
      { data: new Uint8Array(10), width: 2, height: 1, channels: 5 },
      RangeError,
      /channels must be 1, 2, 3 or 4, got 5/,
    ],
    [{ data: new Uint8Array(0), width: 0, height: 1 }, RangeError, /width/],
    [{ data: new Uint8Array(3), width: 1, height: 1.5 }, RangeError, /height/],
    [{ data: new Uint8Array(3), width: '1', height: 1 }, TypeError, /width must be a number/],
    [{ data: new Float32Array(3), width: 1, height: 1 }, TypeError, /Uint8Array/],
    [{ data: [1, 2, 3], width: 1, height: 1 }, TypeError, /Uint8Array/],
    ['cat.jpg', TypeError, /a string \("cat.jpg"\): read the file first/],
    [undefined, TypeError, /cannot be undefined/],
    [null, TypeError, /cannot be null/],
    [new Float32Array(3), TypeError, /cannot be a Float32Array/],
  ])('names what is wrong with an input (%#)', async (input, type, message) => {
    const failure = await decodeImage(input as unknown as ImageInput).catch((error) => error);
    expect(failure).toBeInstanceOf(type);
    expect(failure.message).toMatch(message);
  });

  it('leaves the globals as they were, whatever happens', async () => {
    const before = [Object.getOwnPropertyDescriptor(globalThis, 'ImageData'), globalThis.Uint8ClampedArray];
    await decodeImage(photo);
    await decodeImage(await read('webp-lossy.webp'));
    await decodeImage(await read('png-rgb8.png'));
    await decodeImage(photo.subarray(0, 2000)).catch(() => {});
    expect([Object.getOwnPropertyDescriptor(globalThis, 'ImageData'), globalThis.Uint8ClampedArray]).toEqual(before);
  });

  it('decodes many at once, each to its own pixels', async () => {
    const files = ['jpeg-420.jpg', 'r24-cmyk.jpg', 'webp-lossy.webp', 'png-half.png', 'png-rgb8.png', 'jpeg-grey.jpg'];
    const alone = [];
    for (const file of files) alone.push(await decodeImage(await read(file)).catch((error) => error.message));
    const together = await Promise.all(
      [...files, ...files].map(async (file) => decodeImage(await read(file)).catch((error) => error.message)),
    );
    expect(together).toEqual([...alone, ...alone]);
  });
});

describe('decodeRows', () => {
  it('passes on what the taker of the rows throws', async () => {
    for (const file of ['jpeg-420.jpg', 'png-rgb8.png', 'webp-lossy.webp', 'r02-animated.webp']) {
      const bytes = await read(file);
      const thrown = new Error('mine');
      const fail = () => {
        throw thrown;
      };
      const sinks = [fail, () => ({ firstRow: 0, endRow: 1, take: fail })];
      for (const begin of sinks) {
        await expect(withWorkspace((workspace) => decodeRows(workspace, takeImage(bytes), {}, begin))).rejects.toBe(
          thrown,
        );
      }
    }
  });

  it.each(['png-grey16.png', 'jpeg-grey.jpg', 'r02-animated.webp', 'r02-animated.png'])(
    'leaves the bytes of %s as they are, also in a Buffer',
    async (file) => {
      const bytes = await read(file);
      const before = Uint8Array.from(bytes);
      const first = await decodeImage(bytes);
      expect(Uint8Array.from(bytes)).toEqual(before);
      expect(await decodeImage(bytes)).toEqual(first);
    },
  );
});

/** The pixels as hex of RGB, row by row. */
function hexPixels({ data, channels }: { data: Uint8Array | Uint8ClampedArray; channels: number }): string[] {
  const hex = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');
  return Array.from({ length: data.length / channels }, (_, i) => hex.slice(2 * channels * i, 2 * channels * i + 6));
}

/** CRC-32 bit by bit (PNG specification, annex D). */
function crc(bytes: Uint8Array): number {
  let sum = -1;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return ~sum >>> 0;
}
