/** The exact-range rule at its edge: rows and weights of full magnitude, for k on both sides of where the bound bites. */
import { describe, expect, it } from 'vitest';
import { ACTIVATION_MAX } from '../../src/engine/contract.ts';
import { activationMax, WEIGHT_MAX } from '../../src/engine/numerics.ts';
import { describeBuilds } from './builds.ts';
import { expectSameBits } from './compare.ts';
import { int8Weights, runInt8, untouched } from './gemm-operands.ts';
import { Random } from './random.ts';

const I32_MAX = 2n ** 31n - 1n;
/** 2064 is the last k with all of 8191; 2068 the next multiple of 4; 3072 and 4096 are MLPs. */
const WIDTHS = [768, 2064, 2068, 3072, 4096];

/** The largest sum of k products of a weight and an activation of magnitude aMax. */
const largestSum = (k: number, aMax: number) => BigInt(k) * BigInt(WEIGHT_MAX) * BigInt(aMax);

describe('activationMax', () => {
  it.each(WIDTHS)('keeps the largest sum inside an i32 at k = %i', (k) => {
    expect(largestSum(k, activationMax(k))).toBeLessThanOrEqual(I32_MAX);
  });

  it.each(WIDTHS.filter((k) => k >= 2064))('leaves no bit unused at k = %i: one more overflows', (k) => {
    expect(largestSum(k, 2 * activationMax(k) + 1)).toBeGreaterThan(I32_MAX);
  });

  it.each(WIDTHS.filter((k) => k > 2064))('is the largest such integer at k = %i', (k) => {
    expect(largestSum(k, activationMax(k) + 1)).toBeGreaterThan(I32_MAX);
  });

  it('is 8191 up to k = 2064 and smaller beyond', () => {
    expect([1, 768, 2064].map(activationMax)).toEqual([ACTIVATION_MAX, ACTIVATION_MAX, ACTIVATION_MAX]);
    expect(activationMax(2068)).toBeLessThan(ACTIVATION_MAX);
    expect(activationMax(3072)).toBe(5504);
  });
});

describeBuilds((arena, build) => {
  /** Eight columns: all 127, all -127, then signs that agree with the rows here and there. */
  function operands(k: number, a: number) {
    const random = new Random(k);
    const sign = () => (random.next() < 0.5 ? -1 : 1);
    const signs = Array.from({ length: 5 * k }, (_, i) => (i < k ? 1 : i < 2 * k ? -1 : sign()));
    const weights = Int8Array.from({ length: 8 * k }, (_, i) => {
      const column = Math.floor(i / k);
      return (column < 5 ? signs[i]! : sign()) * WEIGHT_MAX;
    });
    // rows 0..4 have the signs of columns 0..4: on the diagonal every product is positive, the largest sum there is
    return { a: Int16Array.from(signs, (s) => s * a), weights };
  }

  describe('gemmInt8 at full range', () => {
    it.each(WIDTHS)('is exact for rows of +-activationMax and weights of +-127 at k = %i', (k) => {
      const { a, weights } = operands(k, activationMax(k));
      const expected = new Float32Array(40);
      for (let row = 0; row < 5; row++) {
        for (let column = 0; column < 8; column++) {
          let sum = 0n;
          for (let i = 0; i < k; i++) sum += BigInt(a[row * k + i]! * weights[column * k + i]!);
          expected[row * 8 + column] = Number(sum);
        }
      }
      expect(expected[9]).toBe(Math.fround(k * WEIGHT_MAX * activationMax(k)));
      const packed = int8Weights(weights, 8, k, new Float32Array(8).fill(1));
      const region = runInt8(arena, build, { m: 5, a, weights: packed, region: untouched(160) });
      expectSameBits(new Float32Array(region.buffer), expected);
    });

    it.each([2068, 3072, 4096])('wraps to a negative sum one step beyond the bound, at k = %i', (k) => {
      const beyond = activationMax(k) + 1;
      const packed = int8Weights(new Int8Array(8 * k).fill(127), 8, k, new Float32Array(8).fill(1));
      const a = new Int16Array(k).fill(beyond);
      const region = runInt8(arena, build, { m: 1, a, weights: packed, region: untouched(32) });
      const wrapped = Number(BigInt.asIntN(32, largestSum(k, beyond)));
      expect(wrapped).toBeLessThan(0);
      expectSameBits(new Float32Array(region.buffer), new Float32Array(8).fill(wrapped));
    });
  });
});
