import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../src/crc32.ts';
import { cropGeometry } from '../../src/image/geometry.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { type PreprocessConfig, preprocessConfigFromOpenClip } from '../../src/image/preprocess-config.ts';
import { pillowCrop } from './reference.ts';

interface Case {
  name: string;
  input: string;
  target: number;
  resized: [number, number];
  floor_crop_sha256: string;
  half_even_crop_sha256: string;
}

const golden = new URL('../golden/preprocess/', import.meta.url);
const cases: Case[] = JSON.parse(await readFile(new URL('cases.json', golden), 'utf8'));
const read = async (file: string) => new Uint8Array(await readFile(new URL(file, golden)));
const config = (size: number, crop: PreprocessConfig['crop']): PreprocessConfig => ({
  ...preprocessConfigFromOpenClip(undefined, size),
  crop,
});
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('preprocess', () => {
  it('has all golden cases', () => expect(cases.length).toBe(27));

  it.each(cases)('crops $name byte for byte as Pillow 13 does, both ways of rounding', async (one) => {
    const bytes = await read(one.input);
    const [floor, halfEven] = [config(one.target, 'floor'), config(one.target, 'half-even')];
    const crops = [await preprocess(bytes, floor), await preprocess(bytes, halfEven)];
    for (const crop of crops) expect([crop.width, crop.height]).toEqual([one.target, one.target]);
    expect(crops.map(({ data }) => sha256(data))).toEqual([one.floor_crop_sha256, one.half_even_crop_sha256]);
  });

  it.each([
    [1, 1],
    [2, 3],
    [5, 7],
    [7, 5],
    [15, 16],
    [16, 16],
    [17, 16],
    [31, 64],
    [64, 33],
    [97, 200],
    [300, 41],
    [9, 500],
  ])('resizes %i x %i as the reference does, to several sizes', async (width, height) => {
    for (const channels of [3, 4] as const) {
      const data = Uint8Array.from(
        { length: width * height * channels },
        (_, i) => (i * i * 31 + i * 7 + (i >> 4)) & 255,
      );
      for (const size of [1, 4, 15, 16, 33]) {
        for (const crop of ['floor', 'half-even'] as const) {
          const g = cropGeometry(width, height, size, crop);
          const expected = pillowCrop({ data, width, height, channels }, g);
          const { data: ours } = await preprocess({ data, width, height }, config(size, crop));
          expect(Buffer.from(ours).equals(expected), `${channels} channels to ${size}, ${crop}`).toBe(true);
        }
      }
    }
  });

  it('refuses a header of 30,000 x 30,000 by its size', async () => {
    const png = (await read('inputs/rgb_1x1.png')).slice();
    new DataView(png.buffer).setUint32(16, 30_000);
    new DataView(png.buffer).setUint32(20, 30_000);
    new DataView(png.buffer).setUint32(29, crc32(png.subarray(12, 29)));
    await expect(preprocess(png, config(224, 'floor'))).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
  });
});
