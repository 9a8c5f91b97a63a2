import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { instantiateKernels } from '../../src/engine/kernels.ts';
import { cropGeometry } from '../../src/image/geometry.ts';
import { cropBytes, resampleBytes, resampleCrop } from '../../src/image/resample.ts';
import { pillowResize } from './reference.ts';

const module = await WebAssembly.compile(await readFile(new URL('../../dist/kernels-simd.wasm', import.meta.url)));

describe('resampleBytes', () => {
  it('covers every picture within its limits', () => {
    for (const target of [1, 2, 3, 16, 224, 336]) {
      for (const maxPixels of [1, 50, 10_000, 1_000_000, 100_000_000]) {
        const most = resampleBytes({ target, maxPixels });
        const root = Math.floor(Math.sqrt(maxPixels));
        for (let short = 1; short <= root; short = Math.ceil(short * 1.3)) {
          for (const long of [short, short + 1, 2 * short - 1, 3 * short, 65_535]) {
            if (long > 65_535 || short * long > maxPixels) continue;
            for (const [width, height] of [
              [short, long],
              [long, short],
            ] as const) {
              const geometry = cropGeometry(width, height, target, 'floor');
              const need = cropBytes({ width, height }, geometry);
              expect(need, `${width} x ${height} to ${target}`).toBeLessThanOrEqual(most);
            }
          }
        }
        const geometry = cropGeometry(root, root, target, 'floor');
        expect(cropBytes({ width: root, height: root }, geometry)).toBeGreaterThan(most / 8);
      }
    }
  });

  it('stays far below 4 MB with the default limits', () => {
    expect(resampleBytes({ target: 224 })).toBe(362_704);
    expect(resampleBytes({ target: 336 })).toBeLessThan(500_000);
  });
});

describe('resampleCrop', () => {
  it('writes inside its scratch and its output only', () => {
    for (const [width, height, size] of [
      [40, 31, 8],
      [3, 90, 5],
      [90, 3, 16],
      [1, 1, 1],
      [200, 200, 7],
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
