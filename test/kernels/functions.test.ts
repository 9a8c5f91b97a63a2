import { describe, expect, it } from 'vitest';
import type { Arena } from './arena.ts';
import { describeBuilds } from './builds.ts';

const EXP = 0;
const ERF = 1;
const GELU = 2;
const QUICK_GELU = 3;

function map(arena: Arena, values: ArrayLike<number>, kind: number): Float32Array {
  arena.reset();
  const padded = new Float32Array(Math.ceil(values.length / 4) * 4);
  padded.set(values);
  const at = arena.inPlace(padded);
  arena.kernels.mapFunction(at, padded.length, kind);
  arena.check();
  return arena.floats(at, values.length);
}

/** Every representable step would be too many: a grid, and each value rounded to f32 first. */
const sweep = (from: number, to: number, n = 40_001) =>
  Float32Array.from({ length: n }, (_, i) => from + ((to - from) * i) / (n - 1));

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
  describe('exp', () => {
    it('is within 2^-23 * 1.1, relative, from -86.5 to 88', () => {
      for (const [from, to] of [
        [-86.5, -10],
        [-10, 10],
        [10, 88],
      ] as const) {
        const x = sweep(from, to);
        const y = map(arena, x, EXP);
        expect(worst(x, (v, i) => Math.abs(y[i]! / Math.exp(v) - 1))).toBeLessThanOrEqual(2 ** -23 * 1.1);
      }
    });

    it('is 1 at both zeros, 0 below -86.5 and e^88 above 88', () => {
      const y = map(
        arena,
        [0, -0, -86.6, -87, -1e30, Number.NEGATIVE_INFINITY, 88, 100, 1e30, Number.POSITIVE_INFINITY],
        EXP,
      );
      expect([...y.slice(0, 6)]).toEqual([1, 1, 0, 0, 0, 0]);
      expect(Math.abs(y[6]! / Math.exp(88) - 1)).toBeLessThan(2e-7);
      expect([...y.slice(7)]).toEqual([y[6], y[6], y[6]]);
    });
  });

  describe('erf', () => {
    it('is within 4e-7 from -8 to 8, and odd', () => {
      const x = sweep(-8, 8);
      const y = map(arena, x, ERF);
      expect(worst(x, (v, i) => Math.abs(y[i]! - erf(v)))).toBeLessThanOrEqual(4e-7);
      const mirrored = map(
        arena,
        x.map((v) => -v),
        ERF,
      );
      expect(worst(y, (v, i) => Math.abs(v + mirrored[i]!))).toBe(0);
    });
  });

  describe('GELU', () => {
    it('is x/2 (1 + erf(x / sqrt 2)) within 5e-7 of max(1, |x|)', () => {
      const x = sweep(-12, 12);
      const y = map(arena, x, GELU);
      const twin = (v: number) => (v / 2) * (1 + erf(v / Math.SQRT2));
      expect(worst(x, (v, i) => Math.abs(y[i]! - twin(v)) / Math.max(1, Math.abs(v)))).toBeLessThanOrEqual(5e-7);
    });
  });

  describe('QuickGELU', () => {
    it('is x sigmoid(1.702 x) within 5e-7 of max(1, |x|)', () => {
      const x = sweep(-60, 60);
      const y = map(arena, x, QUICK_GELU);
      const twin = (v: number) => v / (1 + Math.exp(-1.702 * v));
      expect(worst(x, (v, i) => Math.abs(y[i]! - twin(v)) / Math.max(1, Math.abs(v)))).toBeLessThanOrEqual(5e-7);
    });
  });
});
