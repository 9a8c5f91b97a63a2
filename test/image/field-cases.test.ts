/** What users met with pictures, here or in other tools. */
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../src/image/decode.ts';
import { cropGeometry } from '../../src/image/geometry.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { type PreprocessConfig, preprocessConfigFromOpenClip } from '../../src/image/preprocess-config.ts';
import { isVerticalFirst } from '../../src/image/resample.ts';
import { pillowCrop } from './reference.ts';

const golden = new URL('../golden/', import.meta.url);
const read = async (file: string) => new Uint8Array(await readFile(new URL(file, golden)));
const config: PreprocessConfig = preprocessConfigFromOpenClip(undefined, 224);
const photo = await read('preprocess/inputs/photo_0.jpg');

/** The one color of a picture, or its first two if it has more. */
function colors(data: Uint8Array | Uint8ClampedArray, channels = 3): number[][] {
  const found = new Map<string, number[]>();
  for (let i = 0; i < data.length && found.size < 2; i += channels) {
    const color = [...data.subarray(i, i + 3)];
    found.set(String(color), color);
  }
  return [...found.values()];
}

describe('R02: an animation', () => {
  it.each(['r02-animated.webp', 'r02-animated.png', 'r02-animated-default.png'])(
    'shows its first frame: %s',
    async (file) => {
      expect(colors((await preprocess(await read(`image-cases/${file}`), config)).data)).toEqual([[255, 0, 0]]);
    },
  );
});

describe('R09: a JPEG that ends early', () => {
  it.each([
    ['half', photo.subarray(0, photo.length / 2)],
    ['90 %', photo.subarray(0, photo.length * 0.9)],
    ['all but its last two bytes', photo.subarray(0, -2)],
  ])('is refused as truncated: %s', async (_, bytes) => {
    await expect(preprocess(bytes, config)).rejects.toMatchObject({
      code: 'IMAGE_TRUNCATED',
      message: expect.stringContaining('truncated'),
    });
  });
});

describe('R13, R17: a picture with a long side', () => {
  it.each([
    [1, 20_000],
    [20_000, 1],
    [3, 60_000],
  ])('of %i x %i costs no more than its crop', async (width, height) => {
    const bytes = await read(`image-cases/r17-${width}x${height}.png`);
    expect(colors((await preprocess(bytes, config)).data)).toEqual([[10, 200, 30]]);
  });

  it('that is tall is resized vertically first, as in Pillow 13, and differs from Pillow 12', async () => {
    const [width, height] = [40, 200];
    const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * i * 31 + i * 7 + (i >> 4)) & 255);
    const image = { data, width, height, channels: 3 as const };
    const geometry = cropGeometry(width, height, 16, 'half-even');
    expect(isVerticalFirst(image, geometry)).toBe(true);
    const { data: crop } = await preprocess(image, { ...config, size: 16 });
    expect(Buffer.from(crop).equals(pillowCrop(image, geometry))).toBe(true);
    expect(Buffer.from(crop).equals(pillowCrop(image, geometry, { verticalFirst: false }))).toBe(false);
  });
});

describe('R34: the color under transparent pixels', () => {
  it.each([
    ['r34-rgba.png', [200, 10, 10]],
    ['r34-key.png', [200, 10, 10]],
    ['r34-exact.webp', [200, 10, 10]],
  ])('is kept: %s', async (file, color) => {
    const { data } = await decodeImage(await read(`image-cases/${file}`));
    expect([...data.subarray(0, 3)]).toEqual(color);
  });

  it('is kept in a palette', async () => {
    const file = Buffer.from(await read('image-cases/r34-palette.png'));
    const palette = file.indexOf('PLTE') + 4;
    const { data } = await decodeImage(file);
    expect([...data.subarray(0, 3)]).toEqual([...file.subarray(palette, palette + 3)]);
  });

  it('is kept in pixels of the caller', async () => {
    const data = new Uint8ClampedArray(16 * 4).map((_, i) => [200, 10, 10, 0][i % 4]!);
    expect(colors((await preprocess({ data, width: 4, height: 4 }, config)).data)).toEqual([[200, 10, 10]]);
  });
});

describe('R31: decoding', () => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');

  /** Bytes of array buffers and wasm memories that are in use. Resident memory varies by 30 MB from look to look. */
  async function externalBytes(): Promise<number> {
    for (let look = 0; look < 3; look++) {
      collect();
      await pause(20);
    }
    return process.memoryUsage().external;
  }

  it('keeps nothing of pictures, a third of them broken, even if the errors are kept', async () => {
    const files = await Promise.all(
      ['preprocess/inputs/photo_0.jpg', 'preprocess/inputs/rgb_500x1100.png', 'image-cases/webp-lossy.webp'].map(read),
    );
    const holed = files.map((file) => file.slice().fill(0xff, file.length >> 2, file.length - 20));
    // Cut, but as if complete: the decoder itself finds out.
    const cutWebp = files[2]!.slice(0, files[2]!.length >> 1);
    new DataView(cutWebp.buffer).setUint32(4, cutWebp.length - 8, true);
    const broken = [...holed, files[1]!.subarray(0, files[1]!.length >> 1), cutWebp, files[1]!.subarray(0, 300_000)];
    const errors: unknown[] = [];
    const decodeMany = async (from: number, to: number) => {
      for (let turn = from; turn < to; turn++) {
        if (turn % 3 !== 0) await decodeImage(files[turn % 3]!);
        else
          await expect(decodeImage(broken[(turn / 3) % broken.length]!)).rejects.toMatchObject({ name: 'ClipError' });
      }
    };
    await decodeMany(0, 60);
    const before = await externalBytes();
    await decodeMany(60, 240);
    for (const error of errors)
      expect(error).toMatchObject({ name: 'ClipError', code: expect.stringMatching(/^IMAGE_/) });
    // 60 decoders, each with the memory of its failed picture, would be 500 MB.
    expect((await externalBytes()) - before).toBeLessThan(4e6);
  }, 30_000);
});
