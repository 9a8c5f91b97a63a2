import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { cropGeometry } from '../../src/image/geometry.ts';
import { crc32 } from '../../src/image/png.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { type PreprocessConfig, preprocessConfigFromOpenClip } from '../../src/image/preprocess-config.ts';
import { pillowResize } from './reference.ts';

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
  it('has all golden cases', () => expect(cases.length).toBe(23));

  it.each(cases)('crops $name byte for byte as Pillow does, both ways of rounding', async (one) => {
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
  ])('resizes %i x %i as a plain twin of Pillow does, to several sizes', async (width, height) => {
    for (const channels of [3, 4] as const) {
      const data = Uint8Array.from(
        { length: width * height * channels },
        (_, i) => (i * i * 31 + i * 7 + (i >> 4)) & 255,
      );
      for (const size of [1, 4, 15, 16, 33]) {
        for (const crop of ['floor', 'half-even'] as const) {
          const g = cropGeometry(width, height, size, crop);
          const resized = pillowResize({ data, width, height, channels }, g.resizedWidth, g.resizedHeight);
          const expected = new Uint8Array(size * size * 3);
          for (let y = 0; y < size; y++) {
            const from = ((g.top + y) * g.resizedWidth + g.left) * 3;
            expected.set(resized.subarray(from, from + size * 3), y * size * 3);
          }
          const { data: ours } = await preprocess({ data, width, height }, config(size, crop));
          expect(Buffer.from(ours).equals(expected), `${channels} channels to ${size}, ${crop}`).toBe(true);
        }
      }
    }
  });

  it.each(['r17-1x20000.png', 'r17-20000x1.png', 'r17-3x60000.png'])(
    'R17: crops %s in its one colour',
    async (file) => {
      const bytes = new Uint8Array(await readFile(new URL(`../image-cases/${file}`, golden)));
      const { data } = await preprocess(bytes, config(224, 'half-even'));
      expect(data.every((v, i) => v === [10, 200, 30][i % 3])).toBe(true);
    },
  );

  it.each([
    ['half', (bytes: Uint8Array) => bytes.subarray(0, bytes.length / 2)],
    ['90 %', (bytes: Uint8Array) => bytes.subarray(0, bytes.length * 0.9)],
    ['all but its last two bytes', (bytes: Uint8Array) => bytes.subarray(0, -2)],
  ])('R09: refuses %s of a JPEG as truncated', async (_, cut) => {
    const bytes = cut(await read('inputs/photo_0.jpg'));
    await expect(preprocess(bytes, config(224, 'floor'))).rejects.toMatchObject({
      code: 'IMAGE_TRUNCATED',
      message: expect.stringContaining('truncated'),
    });
  });

  it('refuses a header of 30,000 x 30,000 by its size', async () => {
    const png = (await read('inputs/rgb_1x1.png')).slice();
    new DataView(png.buffer).setUint32(16, 30_000);
    new DataView(png.buffer).setUint32(20, 30_000);
    new DataView(png.buffer).setUint32(29, crc32(png.subarray(12, 29)));
    await expect(preprocess(png, config(224, 'floor'))).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
  });
});
