import { describe, expect, it } from 'vitest';
import {
  CONSTANTS_BYTES,
  FUNCTION_ERF as ERF,
  ACTIVATION_GELU as GELU,
  FUNCTION_POWER_OF_TWO as POWER_OF_TWO,
  ACTIVATION_QUICK_GELU as QUICK_GELU,
} from '../../src/engine/contract.ts';
import type { Arena } from './arena.ts';
import { describeBuilds } from './builds.ts';

function map(arena: Arena, values: ArrayLike<number>, kind: number): Float32Array {
  arena.reset();
  const padded = new Float32Array(Math.ceil(values.length / 8) * 8);
  padded.set(values);
  const at = arena.inPlace(padded);
  arena.kernels.mapFunction({
    x: at,
    n: padded.length,
    kind,
    table: arena.output(CONSTANTS_BYTES + padded.byteLength),
  });
  arena.check();
  return arena.floats(at, values.length);
}

/** Every representable step would be too many: a grid, and each value rounded to f32 first. */
const sweep = (from: number, to: number, n = 40_001) =>
  Float32Array.from({ length: n }, (_, i) => from + ((to - from) * i) / (n - 1));

/** Neighboring f32, the middle one `around`: where an error is largest, a grid steps over it. */
function neighbors(around: number, n = 40_000): Float32Array {
  const bits = new Uint32Array(Float32Array.of(around).buffer)[0]!;
  return new Float32Array(Uint32Array.from({ length: n }, (_, i) => bits - n / 2 + i).buffer);
}

/** erf by its Maclaurin series, which float64 sums well up to 3, and by its continued fraction beyond. */
function erf(x: number): number {
  const z = Math.abs(x);
  if (z < 3) {
    let term = z;
    let sum = z;
    for (let n = 1; n < 200; n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction));
}

const worst = (values: ArrayLike<number>, error: (x: number, i: number) => number) =>
  Array.from(values).reduce((most, x, i) => Math.max(most, error(x, i)), 0);

describeBuilds((arena) => {
  describe('power of two', () => {
    const error = (x: Float32Array, y: Float32Array) => worst(x, (v, i) => Math.abs(y[i]! / 2 ** v - 1));

    it('is within 2^-23 * 1.1, relative, from -126 to 126', () => {
      const x = sweep(-126, 126, 100_003);
      expect(error(x, map(arena, x, POWER_OF_TWO))).toBeLessThanOrEqual(2 ** -23 * 1.1);
    });

    it('keeps that bound where it errs most of all f32', () => {
      const x = neighbors(0.5006641);
      const most = error(x, map(arena, x, POWER_OF_TWO));
      expect(most).toBeLessThanOrEqual(2 ** -23 * 1.1);
      expect(most).toBeGreaterThan(2 ** -23 * 1.04); // the bound that assembly/math.ts states is hardly larger than it must be
    });

    it('is exact at whole numbers', () => {
      const x = sweep(-126, 126, 253);
      expect([...map(arena, x, POWER_OF_TWO)]).toEqual(Array.from(x, (v) => 2 ** v));
    });

    it('is 2^-126 for all that is less, and for NaN: a score that is not a number gets no weight', () => {
      const y = map(arena, [-126.5, -1e30, Number.NEGATIVE_INFINITY, Number.NaN], POWER_OF_TWO);
      expect([...y]).toEqual([2 ** -126, 2 ** -126, 2 ** -126, 2 ** -126]);
    });
  });

  describe('erf', () => {
    it('is within 5e-7 from -8 to 8, and odd', () => {
      const x = sweep(-8, 8);
      const y = map(arena, x, ERF);
      expect(worst(x, (v, i) => Math.abs(y[i]! - erf(v)))).toBeLessThanOrEqual(5e-7);
      const mirrored = map(
        arena,
        x.map((v) => -v),
        ERF,
      );
      expect(worst(y, (v, i) => Math.abs(v + mirrored[i]!))).toBe(0);
    });
  });

  describe('erf, at its worst and its ends', () => {
    it('errs most near 3.27 of all f32, by 4.7e-7', () => {
      const x = neighbors(3.2696676);
      const y = map(arena, x, ERF);
      const error = worst(x, (v, i) => Math.abs(y[i]! - erf(v)));
      expect(error).toBeLessThanOrEqual(5e-7);
      expect(error).toBeGreaterThan(4.6e-7); // the bound that assembly/math.ts states is no larger than it must be
    });

    it('is exactly 1 and -1 from 4 on, and keeps zeros and NaN', () => {
      const y = map(arena, [4, 4.5, 1e30, Number.POSITIVE_INFINITY, -4, -1e30, 0, Number.NaN], ERF);
      expect([...y]).toEqual([1, 1, 1, 1, -1, -1, 0, Number.NaN]);
    });
  });

  describe('GELU', () => {
    it('is exactly 0 far below and x far above, and keeps NaN', () => {
      const y = map(arena, [-6, -1e6, -3e38, 6, 1e6, Math.fround(3e38), 0, Number.NaN], GELU);
      expect([...y]).toEqual([-0, -0, -0, 6, 1e6, Math.fround(3e38), 0, Number.NaN].map((v) => v + 0));
    });

    it('is x/2 (1 + erf(x / sqrt 2)) within 5e-7 of max(1, |x|)', () => {
      const x = sweep(-12, 12);
      const y = map(arena, x, GELU);
      const reference = (v: number) => (v / 2) * (1 + erf(v / Math.SQRT2));
      expect(worst(x, (v, i) => Math.abs(y[i]! - reference(v)) / Math.max(1, Math.abs(v)))).toBeLessThanOrEqual(5e-7);
    });
  });

  describe('QuickGELU', () => {
    it('is nearly 0 far below and x far above, and keeps NaN', () => {
      const y = map(arena, [-100, -1e6, 60, 1e6, 0, Number.NaN, 1, 1], QUICK_GELU);
      expect(y[0]).toBeLessThanOrEqual(0);
      expect(Math.abs(y[0]!)).toBeLessThan(1e-30);
      expect(Math.abs(y[1]!)).toBeLessThan(1e-30);
      expect([...y.slice(2, 6)]).toEqual([60, 1e6, 0, Number.NaN]);
    });

    it('is x sigmoid(1.702 x) within 5e-7 of max(1, |x|)', () => {
      const x = sweep(-60, 60);
      const y = map(arena, x, QUICK_GELU);
      const reference = (v: number) => v / (1 + Math.exp(-1.702 * v));
      expect(worst(x, (v, i) => Math.abs(y[i]! - reference(v)) / Math.max(1, Math.abs(v)))).toBeLessThanOrEqual(5e-7);
    });
  });
});
