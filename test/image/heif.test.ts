import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { OptionalFormat } from '../../src/platform/platform.ts';
import { bytesOf, heif, heifCases, nearPixels } from './heif.ts';

/** What loading a package does instead of its own work. */
let instead: ((format: OptionalFormat) => Promise<unknown>) | undefined;
let loaded: OptionalFormat[] = [];
vi.mock('#platform', async (original) => {
  const platform = await original<typeof import('../../src/platform/node.ts')>();
  return {
    ...platform,
    decoderPackage: (format: OptionalFormat) => {
      loaded.push(format);
      return (instead ?? platform.decoderPackage)(format);
    },
  };
});
const { decodeImage } = await import('../../src/image/decode.ts');
const { heifKind } = await import('../../src/image/heif.ts');
const { av1Size } = await import('../../src/image/av1-size.ts');

const golden = new URL('../golden/', import.meta.url);

/** RGB of RGB or RGBA. */
function rgb({ data, width, height, channels }: Awaited<ReturnType<typeof decodeImage>>): Uint8Array {
  const out = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) out.set(data.subarray(i * channels, i * channels + 3), 3 * i);
  return out;
}
const hash = (pixels: Uint8Array) => createHash('sha256').update(pixels).digest('hex').slice(0, 16);

afterEach(() => {
  instead = undefined;
  loaded = [];
});

describe('AVIF and HEIC', () => {
  it('have the pixels of Pillow, as stored and upright', async () => {
    expect(heifCases.length).toBe(37);
    let at = 0;
    for (const one of heifCases) {
      const image = await decodeImage(bytesOf(one));
      expect([image.width, image.height], one.name).toEqual(one.size);
      if (one.tolerance) {
        const pixels = rgb(image);
        const expected = nearPixels.subarray(at, at + pixels.length);
        at += pixels.length;
        const off = pixels.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
        expect(off, one.name).toBeLessThanOrEqual(one.tolerance);
        expect(off, `${one.name}: exact now, so its tolerance can go`).toBeGreaterThan(0);
        continue;
      }
      expect(hash(rgb(image)), one.name).toBe(one.pixels);
      const upright = await decodeImage(bytesOf(one), { orient: true });
      expect([upright.width, upright.height, hash(rgb(upright))], one.name).toEqual(one.upright);
    }
    expect(at).toBe(nearPixels.length);
  });

  it('are told apart by their brands, or by how they are coded', () => {
    const avif = heif('avif-420-full');
    const heic = heif('heic-420');
    for (const [bytes, kind] of [
      [avif, 'avif'],
      [heic, 'heic'],
    ] as const) {
      expect(heifKind(bytes)).toBe(kind);
      const general = bytes.slice();
      const end = new DataView(general.buffer).getUint32(0);
      for (let i = 8; i < end; i += 4) general.set(new TextEncoder().encode(i === 12 ? '\0\0\0\0' : 'mif1'), i);
      expect(heifKind(general)).toBe(kind);
    }
    expect(heifKind(new TextEncoder().encode('\0\0\0\x18ftypisom\0\0\0\0isommp42'))).toBeUndefined();
  });
});

describe('a package', () => {
  it.each([
    ['avif', /AVIF is decoded by the package icodec, which is missing or cannot be used: npm install icodec@0\.6/],
    [
      'heic',
      /HEIC \(iPhone photos\) is decoded by the package libheif-js, which is missing or cannot be used: npm install libheif-js@1\.23/,
    ],
  ] as const)('that is missing is IMAGE_DECODER and says what to install: %s', async (kind, message) => {
    instead = () => import('a-package-that-is-not-there' as string);
    await expect(decodeImage(heif(`${kind}-420${kind === 'avif' ? '-full' : ''}`))).rejects.toMatchObject({
      code: 'IMAGE_DECODER',
      message: expect.stringMatching(message),
    });
  });

  it('that is older than the pixels are known for is IMAGE_DECODER', async () => {
    instead = async () => {
      const { avif } = (await import('icodec/node')) as { avif: Record<string, unknown> };
      const { bitDepth, ...before } = avif; // as 0.3 to 0.5 were
      expect(bitDepth).toContain(8);
      return { avif: before };
    };
    await expect(decodeImage(heif('avif-420-full'))).rejects.toMatchObject({
      code: 'IMAGE_DECODER',
      message: expect.stringMatching(/npm install icodec@0\.6, .* \(it is older than 0\.6, and gives other pixels\)/),
    });
  });

  it('is loaded for its own format only', async () => {
    await decodeImage(readFileSync(new URL('image-cases/png-rgb8.png', golden)));
    expect(loaded).toEqual([]);
    await decodeImage(heif('avif-gray'));
    expect(loaded).toEqual(['avif']);
  });
});

describe('limits', () => {
  const huge = (name: string) => {
    const bytes = heif(name);
    const at = Buffer.from(bytes).indexOf('ispe');
    new DataView(bytes.buffer).setUint32(at + 8, 20_000);
    new DataView(bytes.buffer).setUint32(at + 12, 20_000);
    return bytes;
  };

  it.each(['avif-420-full', 'heic-420'])('are checked before the package is loaded: %s', async (name) => {
    await expect(decodeImage(huge(name))).rejects.toMatchObject({
      code: 'IMAGE_TOO_LARGE',
      message: expect.stringMatching(/(AVIF|HEIC) of 20000 x 20000/),
    });
    await expect(decodeImage(heif(name), { maxPixels: 1000 })).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    await expect(decodeImage(heif(name), { maxBytes: 100 })).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(loaded).toEqual([]);
    // Within the limits, a size that is not true is damage.
    await expect(decodeImage(huge(name), { maxPixels: 1_600_000_000 })).rejects.toMatchObject({ code: 'IMAGE_FORMAT' });
  });

  it('hold for what AV1 data announce, whatever the file says', async () => {
    // A sequence header for 32,768 x 16,384: reduced, of 15 and 14 bits, in an OBU with a size.
    const sizes = `${'1111' /* bits of the width, less one */}1111${'0'.repeat(1)}${'1'.repeat(15)}00${'1'.repeat(14)}`;
    const bits = `000${'1'}${'1'}00000${sizes}`.padEnd(80, '0');
    const header = Uint8Array.from(bits.match(/.{8}/g)!, (byte) => Number.parseInt(byte, 2));
    const data = Uint8Array.of(0x12, 0, 0x0a, header.length, ...header);
    expect(av1Size(data)).toEqual({ width: 32_768, height: 16_384 });
    const bytes = heif('avif-444-full');
    const at = Buffer.from(bytes).indexOf('mdat') + 4;
    bytes.set(data, at);
    await expect(decodeImage(bytes)).rejects.toMatchObject({
      code: 'IMAGE_TOO_LARGE',
      message: expect.stringMatching(/AVIF of 32768 x 16384/),
    });
    expect(loaded).toEqual([]);
  });

  it('the sequence headers of real files say their size', () => {
    for (const one of heifCases.filter(
      ({ name }) => name.startsWith('avif') && !/grid|animated|alpha|xmp/.test(name),
    )) {
      const bytes = bytesOf(one);
      const at = Buffer.from(bytes).indexOf('mdat') + 4;
      const [width, height] = one.size;
      expect(av1Size(bytes.subarray(at)), one.name).toEqual({ width, height });
    }
  });

  it('a file of millions of boxes costs little', async () => {
    const brand = heif('avif-420-full').subarray(0, 32);
    const bytes = new Uint8Array(32 + 8_000_000);
    bytes.set(brand);
    for (let at = 32; at < bytes.length; at += 8) bytes.set([0, 0, 0, 8, 0x66, 0x72, 0x65, 0x65], at);
    await expect(decodeImage(bytes)).rejects.toMatchObject({ code: 'IMAGE_FORMAT' });
  });
});

describe('damaged files', () => {
  it.each(['avif-420-full', 'avif-animated', 'heic-420'])('cut anywhere is an error: %s', async (name) => {
    const bytes = heif(name);
    for (let length = 12; length < bytes.length; length += 1 + (length >> (name === 'heic-420' ? 2 : 4))) {
      await expect(decodeImage(bytes.subarray(0, length)), `${length} bytes`).rejects.toMatchObject({
        name: 'ClipError',
        code: expect.stringMatching(/^IMAGE_(TRUNCATED|FORMAT)$/),
      });
    }
  });

  it('show nothing of earlier pictures: a HEIC whose data are damaged is the same after any', async () => {
    const bytes = heif('heic-alpha');
    bytes.set([0xff, 0xfa], 687);
    bytes.set([0xff, 0xff], 717);
    const first = hash(rgb(await decodeImage(bytes)));
    for (const other of ['heic-quality-40', 'heic-444', 'heic-lossless']) {
      await decodeImage(heif(other));
      expect(hash(rgb(await decodeImage(bytes))), other).toBe(first);
    }
  });

  it('give an error or a picture, and the next good file is exact', async () => {
    for (const name of ['avif-420-full', 'avif-grid', 'heic-444', 'heic-turn-1']) {
      const good = heif(name);
      for (let i = 0; i < (name.startsWith('heic') ? 10 : 30); i++) {
        const bytes = good.slice();
        for (let j = 0; j < 1 + (i % 3); j++)
          bytes[12 + ((i * 7919 + j * 104_729) % (bytes.length - 12))]! ^= 1 << (i % 8);
        const result = await decodeImage(bytes).catch((error) => error);
        if (result instanceof Error) expect(result).toMatchObject({ name: 'ClipError' });
        else expect(result.data.length).toBe(result.width * result.height * result.channels);
      }
      const one = heifCases.find((listed) => listed.name === name)!;
      expect(hash(rgb(await decodeImage(good))), name).toBe(one.pixels);
    }
  });
});
