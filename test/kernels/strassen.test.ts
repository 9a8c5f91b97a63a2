/** Strassen's products are exact: by halves or plainly, gemmInt8 leaves the same bits. */
import { describe, expect, it } from 'vitest';
import { Mode } from '../../src/engine/calls.ts';
import { activationMax, WEIGHT_MAX } from '../../src/engine/numerics.ts';
import { describeBuilds } from './builds.ts';
import { expectSameBits } from './compare.ts';
import { int8Weights, randomInt8Weights, runInt8, untouched } from './gemm-operands.ts';
import { Random } from './random.ts';
import { dequantize, integerSums } from './references/gemm.ts';
import { packedBytes } from './references/packed-rows.ts';

/** One level begins at 25 rows of 256, two at 100 of 512; blocks have at most 140 rows. */
const ROWS = [24, 25, 29, 30, 33, 50, 99, 100, 106, 140, 141, 197, 257];
const WIDTHS = [240, 256, 260, 272, 496, 512, 516, 528, 544, 768];
/** One, two, three, four and nine panels: pairs and fours, and what is left of them. */
const COLUMNS = [8, 16, 24, 32, 72];

describeBuilds((arena, build) => {
  describe('gemmInt8 by halves', () => {
    it.each(WIDTHS)('has the bits of the plain product at k = %i', (k) => {
      const random = new Random(k);
      const most = Math.max(...ROWS);
      const a = random.int16(most * k, 8191);
      const aScale = random.between(most, 1e-5, 1e-3);
      for (const n of COLUMNS) {
        const weights = randomInt8Weights(random, n, k);
        const bias = random.floats(n);
        for (const m of ROWS) {
          const call = { m, a, aScale, weights, bias, region: untouched(m * n * 4) };
          const plain = runInt8(arena, build, call);
          for (const mode of [Mode.none, Mode.splat]) {
            expectSameBits(runInt8(arena, build, { ...call, mode, halved: true }), plain, `m ${m} n ${n} mode ${mode}`);
          }
        }
      }
    });

    it.each([768, 2064, 3072])('is exact where every sum of halves is as large as can be, k = %i', (k) => {
      // Any sign may meet any other in the sums and differences of two levels, at the largest magnitude.
      const random = new Random(k);
      const sign = () => (random.next() < 0.5 ? -1 : 1);
      const [m, n] = [100, 32];
      const a = Int16Array.from({ length: m * k }, (_, i) => (i < 4 * k ? 1 : sign()) * activationMax(k));
      const integers = Int8Array.from({ length: n * k }, (_, i) => (i < 8 * k ? 1 : sign()) * WEIGHT_MAX);
      const weights = int8Weights(integers, n, k, new Float32Array(n).fill(1));
      const expected = dequantize(integerSums(a, integers, m, n, k), m, n, weights.scale, undefined, undefined);
      expect(expected[0]).toBe(Math.fround(k * WEIGHT_MAX * activationMax(k)));
      const region = runInt8(arena, build, { m, a, weights, halved: true, region: untouched(m * n * 4) });
      expectSameBits(new Float32Array(region.buffer), expected);
    });

    it.each([
      { name: 'GELU', mode: Mode.gelu },
      { name: 'QuickGELU', mode: Mode.quickGelu },
    ])('has the bits of the plain product with $name, which is prepared where products were', ({ mode }) => {
      const random = new Random(mode);
      const k = 512;
      const a = random.int16(141 * k, 8191);
      const aScale = random.between(141, 1e-5, 1e-4);
      for (const n of [16, 32, 72]) {
        const weights = randomInt8Weights(random, n, k);
        const bias = random.floats(n);
        for (const m of [50, 100, 140, 141]) {
          const call = { m, a, aScale, weights, bias, mode, region: untouched(m * n * 4) };
          expectSameBits(
            runInt8(arena, build, { ...call, halved: true }),
            runInt8(arena, build, call),
            `m ${m} n ${n}`,
          );
        }
      }
    });

    it('leaves the largest magnitude of each row, over several blocks and slabs', () => {
      const random = new Random(12);
      const [m, n, k] = [257, 96, 512];
      const weights = randomInt8Weights(random, n, k);
      const geometry = { ldc: 128, width: m, gap: 0, slab: 32, slabStride: m * 128 };
      const maxima: Float32Array[] = [];
      const onMaxima = (values: Float32Array) => maxima.push(values);
      const call = { m, a: random.int16(m * k, 8191), weights, geometry, region: untouched(m * n * 4), onMaxima };
      expectSameBits(runInt8(arena, build, { ...call, halved: true }), runInt8(arena, build, call));
      const [halved, plain] = maxima.map((quads) =>
        Float32Array.from({ length: m }, (_, r) => Math.max(...quads.subarray(r * 4, r * 4 + 4))),
      );
      expectSameBits(halved!, plain!);
    });
  });

  describe.skipIf(build.layout === 'relaxed')('strassenRows', () => {
    it('makes the same operands product by product', () => {
      for (const [m, k] of [
        [50, 256],
        [197, 512],
      ] as const) {
        const bytes = Math.ceil(packedBytes(m, k, 2) * (49 / 16));
        const make = (ranges: readonly (readonly [number, number])[]) => {
          arena.reset();
          const a = arena.input(new Random(m).int16(packedBytes(m, k, 2) / 2, 8191));
          const out = arena.output(bytes);
          for (const [first, count] of ranges) arena.kernels.strassenRows({ a, m, k, first, count, out });
          arena.check(`m ${m} k ${k}`);
          return arena.bytes(out, bytes);
        };
        const whole = make([[0, 7]]);
        expect(whole.some((byte) => byte !== 0xff)).toBe(true);
        expectSameBits(make([[4, 3], [0, 1], [1, 3]]), whole, `m ${m} k ${k}`); // biome-ignore format: one line
      }
    });
  });
});
