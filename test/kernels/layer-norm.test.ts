import { describe, expect, it } from 'vitest';
import { MAXIMUM_BYTES, ROW_GROUP } from '../../src/engine/contract.ts';
import type { Pointer } from '../../src/engine/kernels.ts';
import { activationMax } from '../../src/engine/numerics.ts';
import type { Arena } from './arena.ts';
import { describeBuilds } from './builds.ts';
import { expectClose, expectSameBits } from './compare.ts';
import { Random } from './random.ts';
import { layerNorm } from './references/layer-norm.ts';
import { packedBytes, packFloats } from './references/packed-rows.ts';

const EPS = 1e-5;

function operands(k: number, m: number, seed = k) {
  const random = new Random(seed);
  const x = random.floats(m * k, 3).map((v, i) => v + Math.floor(i / k)); // each row its own mean
  return { m, k, x, gamma: random.between(k, 0.5, 2), beta: random.floats(k) };
}

type Operands = ReturnType<typeof operands>;

/** The rows normalized in place, `gap` values apart. */
function inPlace(arena: Arena, { m, k, x, gamma, beta }: Operands, gap = 0) {
  arena.reset();
  const stride = k + gap;
  const spread = new Float32Array(m * stride).fill(77);
  for (let r = 0; r < m; r++) spread.set(x.subarray(r * k, (r + 1) * k), r * stride);
  const at = arena.inPlace(spread);
  arena.kernels.layerNorm({
    x: at,
    stride: stride * 4,
    m,
    k,
    gamma: arena.input(gamma),
    beta: arena.input(beta),
    eps: EPS,
  });
  arena.check(`m ${m} k ${k}`);
  const after = arena.floats(at, m * stride);
  const rows = new Float32Array(m * k);
  for (let r = 0; r < m; r++) {
    rows.set(after.subarray(r * stride, r * stride + k), r * k);
    expect(after.subarray(r * stride + k, (r + 1) * stride).every((v) => v === 77)).toBe(true);
  }
  return rows;
}

/** What a fused kernel leaves; x itself must stay. */
function fused(arena: Arena, { m, k, x, gamma, beta }: Operands, cell: 2 | 4, gap = 0) {
  arena.reset();
  const stride = k + gap;
  const spread = new Float32Array(m * stride).fill(Number.NaN);
  for (let r = 0; r < m; r++) spread.set(x.subarray(r * k, (r + 1) * k), r * stride);
  const [at, g, b]: Pointer[] = [arena.input(spread), arena.input(gamma), arena.input(beta)];
  const out = arena.output(packedBytes(m, k, cell));
  const scale = arena.output(m * 4);
  const scratch = arena.output(ROW_GROUP * (k * 4 + MAXIMUM_BYTES));
  if (cell === 2) {
    arena.kernels.layerNormQuantize({
      x: at!,
      stride: stride * 4,
      m,
      k,
      gamma: g!,
      beta: b!,
      eps: EPS,
      aMax: activationMax(k),
      out,
      scale,
      scratch,
    });
  } else {
    arena.kernels.layerNormPack({ x: at!, stride: stride * 4, m, k, gamma: g!, beta: b!, eps: EPS, out, scratch });
  }
  arena.check(`m ${m} k ${k}`);
  return { packed: arena.bytes(out, packedBytes(m, k, cell)), scale: arena.floats(scale, m) };
}

const WIDTHS = [4, 8, 12, 64, 100, 512, 768, 1024];

describeBuilds((arena) => {
  describe('layerNorm', () => {
    it.each(WIDTHS)('agrees with float64 at k = %i, rows of any stride', (k) => {
      const o = operands(k, 5);
      const expected = layerNorm(o.x, o.m, k, o.gamma, o.beta, EPS);
      expectClose(inPlace(arena, o), expected, 4e-6);
      expectClose(inPlace(arena, o, 4), expected, 4e-6);
    });

    it('leaves beta of a constant row, which has no variance', () => {
      const o = operands(64, 2);
      o.x.fill(2.5);
      expectSameBits(inPlace(arena, o).slice(64), o.beta);
    });

    it('subtracts the mean before it squares: a small signal on a large offset survives', () => {
      const k = 64;
      const o = { m: 1, k, x: new Float32Array(k), gamma: new Float32Array(k).fill(1), beta: new Float32Array(k) };
      for (let i = 0; i < k; i++) o.x[i] = 4096 + (i % 2 === 0 ? 0.5 : -0.5);
      const expected = layerNorm(o.x, 1, k, o.gamma, o.beta, EPS);
      expect(expected[0]).toBeCloseTo(1, 4);
      expectClose(inPlace(arena, o), expected, 1e-6);
    });

    it('scales by eps where the variance is smaller', () => {
      const k = 8;
      const o = { m: 1, k, x: new Float32Array(k), gamma: new Float32Array(k).fill(1), beta: new Float32Array(k) };
      o.x.fill(1e-6);
      o.x[0] = -7e-6;
      expectClose(inPlace(arena, o), layerNorm(o.x, 1, k, o.gamma, o.beta, EPS), 1e-9);
    });

    it('gives a row the same bits alone and among others', () => {
      const o = operands(100, 7);
      const all = inPlace(arena, o);
      for (let r = 0; r < 7; r++) {
        const alone = inPlace(arena, { ...o, m: 1, x: o.x.slice(r * 100, (r + 1) * 100) });
        expectSameBits(alone, all.slice(r * 100, (r + 1) * 100), `row ${r}`);
      }
    });
  });

  describe.each([1, 2, 3, 4, 5, 8, 9])('fused, of %i rows', (m) => {
    it('layerNormQuantize is layerNorm, then quantizeRows, to the bit', () => {
      for (const k of WIDTHS) {
        const o = operands(k, m);
        const rows = inPlace(arena, o);
        arena.reset();
        const out = arena.output(packedBytes(m, k, 2));
        const scale = arena.output(m * 4);
        arena.kernels.quantizeRows({
          x: arena.input(rows),
          stride: k * 4,
          m,
          k,
          aMax: activationMax(k),
          out,
          scale,
          maxima: 0,
        });
        const unfused = { packed: arena.bytes(out, packedBytes(m, k, 2)), scale: arena.floats(scale, m) };
        for (const gap of [0, 8]) {
          const one = fused(arena, o, 2, gap);
          expectSameBits(one.packed, unfused.packed, `k ${k}`);
          expectSameBits(one.scale, unfused.scale, `k ${k}`);
        }
      }
    });

    it('layerNormPack is layerNorm, then packRows, to the bit', () => {
      for (const k of WIDTHS) {
        const o = operands(k, m);
        const expected = packFloats(inPlace(arena, o), m, k);
        for (const gap of [0, 8]) {
          expectSameBits(new Float32Array(fused(arena, o, 4, gap).packed.buffer), expected, `k ${k}`);
        }
      }
    });
  });
});
