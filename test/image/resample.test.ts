import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { instantiateKernels } from '../../src/engine/kernels.ts';
import { type CropGeometry, cropGeometry } from '../../src/image/geometry.ts';
import type { RawImage } from '../../src/image/raw-image.ts';
import { cropBytes, isVerticalFirst, resampleBytes, resampleCrop } from '../../src/image/resample.ts';
import { pillowCrop, pillowResize } from './reference.ts';

const module = await WebAssembly.compile(await readFile(new URL('../../dist/kernels-simd.wasm', import.meta.url)));

describe('resampleBytes', () => {
  it('covers every picture within its limits, in both orders, and is not far above them', () => {
    for (const target of [1, 2, 3, 16, 224, 336]) {
      for (const maxPixels of [1, 50, 10_000, 1_000_000, 100_000_000]) {
        const most = resampleBytes({ target, maxPixels });
        const root = Math.floor(Math.sqrt(maxPixels));
        let largest = 0;
        for (let short = 1; short <= root; short = short === root ? root + 1 : Math.min(root, Math.ceil(short * 1.3))) {
          const tallest = Math.floor(maxPixels / short);
          for (const long of [short, short + 1, 2 * short - 1, 2 * short + 1, 3 * short, tallest, 65_535]) {
            if (long > 65_535 || short * long > maxPixels) continue;
            for (const [width, height] of [
              [short, long],
              [long, short],
            ] as const) {
              const geometry = cropGeometry(width, height, target, 'floor');
              const need = cropBytes({ width, height }, geometry);
              expect(need, `${width} x ${height} to ${target}`).toBeLessThanOrEqual(most);
              largest = Math.max(largest, need);
            }
          }
        }
        expect(largest, `${maxPixels} pixels to ${target}`).toBeGreaterThan(most / (target < 3 ? 20 : 8));
      }
    }
  });

  it('stays far below 4 MB with the default limits', () => {
    expect(resampleBytes({ target: 224 })).toBe(362_704);
    expect(resampleBytes({ target: 336 })).toBeLessThan(500_000);
  });
});

/** Bytes that change quickly, the same in every run and in test/oracle/image.py. */
const hashes = new Uint8Array(14_000_000);
for (let i = 0; i < hashes.length; i++) {
  const hash = Math.imul(i, 2_654_435_761);
  hashes[i] = Math.imul(hash ^ (hash >>> 15), 2_246_822_519) >>> 24;
}

function noise(width: number, height: number, channels: 3 | 4): RawImage {
  return { data: hashes.subarray(0, width * height * channels), width, height, channels };
}

const memory = new WebAssembly.Memory({ initial: 32, maximum: 32 });
const kernels = instantiateKernels(module, memory);

function ourCrop(image: RawImage, geometry: CropGeometry): Uint8Array {
  const scratch = cropBytes(image, geometry);
  resampleCrop(kernels, memory, 0, image, geometry, scratch);
  return new Uint8Array(memory.buffer, scratch, geometry.size ** 2 * 3).slice();
}

describe('resampleCrop', () => {
  it('is the reference for 240 random pictures, in both orders', () => {
    let state = 18;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const orders = { horizontal: 0, vertical: 0 };
    for (let n = 0; n < 240; n++) {
      const target = [1, 2, 5, 16, 31][n % 5]!;
      const width = 1 + random([8, 40, 120][n % 3]!);
      // Around the ratio where the order changes, and any.
      const height = n % 2 === 0 ? Math.max(1, 2 * width - 4 + random(9)) : 1 + random(200);
      const image = noise(width, height, random(2) === 0 ? 3 : 4);
      for (const rounding of ['floor', 'half-even'] as const) {
        const geometry = cropGeometry(width, height, target, rounding);
        orders[isVerticalFirst(image, geometry) ? 'vertical' : 'horizontal']++;
        const same = Buffer.from(ourCrop(image, geometry)).equals(pillowCrop(image, geometry));
        expect(same, `${width} x ${height} x ${image.channels} to ${target}, ${rounding}`).toBe(true);
      }
    }
    expect(Math.min(orders.horizontal, orders.vertical)).toBeGreaterThan(80);
  }, 20_000);

  it.each([
    [1, 5000, 3],
    [5000, 1, 3],
    [3, 20_000, 2],
    [40, 9000, 8],
    [9000, 40, 8],
    [1, 1, 40],
    [2, 3, 33],
    [3, 2, 33],
  ])('is the reference for %i x %i to %i', (width, height, target) => {
    const image = noise(width, height, 4);
    const geometry = cropGeometry(width, height, target, 'floor');
    expect(Buffer.from(ourCrop(image, geometry)).equals(pillowCrop(image, geometry))).toBe(true);
  });

  it('takes wide pictures in strips, with the same result', () => {
    const image = noise(700, 1550, 3);
    const geometry = cropGeometry(image.width, image.height, 4, 'floor');
    expect(isVerticalFirst(image, geometry)).toBe(true);
    // A ring of whole rows alone would be larger than all of the scratch.
    expect(cropBytes(image, geometry)).toBeLessThan(image.width * 4 * 4 * (image.height / geometry.resizedHeight));
    expect(Buffer.from(ourCrop(image, geometry)).equals(pillowCrop(image, geometry))).toBe(true);
  });

  it('is what Pillow 13 makes of 200 random sizes', async () => {
    const file = new URL('../golden/image-cases/resize.json', import.meta.url);
    const { cases }: { cases: [number, number, number, string, string][] } = JSON.parse(await readFile(file, 'utf8'));
    expect(cases.length).toBe(200);
    for (const [width, height, target, floor, halfEven] of cases) {
      const image = noise(width, height, 3);
      const crops = (['floor', 'half-even'] as const).map((rounding) => {
        const crop = ourCrop(image, cropGeometry(width, height, target, rounding));
        return createHash('sha256').update(crop).digest('hex').slice(0, 16);
      });
      expect(crops, `${width} x ${height} to ${target}`).toEqual([floor, halfEven]);
    }
  });

  it('writes inside its scratch and its output only', () => {
    for (const [width, height, size] of [
      [40, 31, 8],
      [3, 90, 5],
      [90, 3, 16],
      [1, 1, 1],
      [200, 200, 7],
      [40, 90, 8],
      [500, 1200, 3],
    ] as const) {
      for (const channels of [3, 4] as const) {
        const data = Uint8Array.from({ length: width * height * channels }, (_, i) => (i * 7919) >> 3);
        const geometry = cropGeometry(width, height, size, 'floor');
        const bytes = cropBytes({ width, height }, geometry);
        const memory = new WebAssembly.Memory({ initial: 4, maximum: 4 });
        const all = new Uint8Array(memory.buffer).fill(0xa5);
        const [scratch, out] = [4096, 4096 + bytes + 4096];
        const kernels = instantiateKernels(module, memory);
        resampleCrop(kernels, memory, scratch, { data, width, height, channels }, geometry, out);
        const whole = pillowResize({ data, width, height, channels }, geometry.resizedWidth, geometry.resizedHeight);
        for (let y = 0; y < size; y++) {
          const row = ((y + geometry.top) * geometry.resizedWidth + geometry.left) * 3;
          expect(all.slice(out + y * size * 3, out + (y + 1) * size * 3)).toEqual(whole.slice(row, row + size * 3));
        }
        const outside = [
          all.subarray(0, scratch),
          all.subarray(scratch + bytes, out),
          all.subarray(out + size * size * 3),
        ];
        expect(outside.every((part) => part.every((value) => value === 0xa5))).toBe(true);
      }
    }
  });
});
