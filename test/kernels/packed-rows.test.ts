import { describe, expect, it } from 'vitest';
import { activationMax } from '../../src/engine/numerics.ts';
import type { Arena } from './arena.ts';
import { describeBuilds } from './builds.ts';
import { expectSameBits } from './compare.ts';
import { Random } from './random.ts';
import { packedBytes, packFloats, packInt16, quantize, unpackInt16 } from './references/packed-rows.ts';

/** Rows that stand `stride` values apart; between them is NaN, which must not be read. */
function apart(rows: Float32Array, m: number, k: number, stride: number): Float32Array {
  const out = new Float32Array(m * stride).fill(Number.NaN);
  for (let r = 0; r < m; r++) out.set(rows.subarray(r * k, (r + 1) * k), r * stride);
  return out;
}

function runQuantize(arena: Arena, rows: Float32Array, m: number, k: number, aMax: number, stride = k) {
  arena.reset();
  const x = arena.input(apart(rows, m, k, stride));
  const out = arena.output(packedBytes(m, k, 2));
  const scale = arena.output(m * 4);
  arena.kernels.quantizeRows({ x, stride: stride * 4, m, k, aMax, out, scale, maxima: 0 });
  arena.check(`m ${m} k ${k}`);
  return { packed: arena.bytes(out, packedBytes(m, k, 2)), scale: arena.floats(scale, m) };
}

const ROWS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

describe('the layout reference', () => {
  it('gives the example of assembly/packed-rows.ts', () => {
    // r0 k0 k1, r1 k0 k1, then k2 k3 of each
    const pairs = new Int16Array(packInt16([1, 2, 3, 4, 5, 6, 7, 8], 2, 4, 'simd').buffer);
    expect([...pairs]).toEqual([1, 2, 5, 6, 3, 4, 7, 8]);
    // 8191 = 128 * 63 + 127, -8191 = 128 * -64 + 1, -1 = 128 * -1 + 127
    expect([...packInt16([8191, -8191, -1, 0], 1, 4, 'relaxed')]).toEqual([127, 0, 63, 64, 127, 1, 127, 0]);
  });
});

describeBuilds((arena, { layout }) => {
  describe('quantizeRows', () => {
    it.each([4, 8, 28, 100, 768, 3072])('packs rows 1 to 9 of k = %i, of any stride', (k) => {
      const random = new Random(k);
      const rows = random.floats(9 * k, 3);
      for (const m of ROWS) {
        for (const stride of [k, k + 4]) {
          const { packed, scale } = runQuantize(arena, rows, m, k, activationMax(k), stride);
          const expected = quantize(rows, m, k, activationMax(k));
          expectSameBits(packed, packInt16(expected.values, m, k, layout), `m ${m} k ${k}`);
          expectSameBits(scale, expected.scale, `m ${m} k ${k}`);
        }
      }
    });

    it.each([1.1e-30, 1e-20, 0.1, 1, 3, 1e4, 1e30, 3e38])(
      'maps the extreme value to exactly aMax where it is %f, whatever its sign and place',
      (size) => {
        const random = new Random(5);
        for (const k of [4, 12, 2068, 3072]) {
          const aMax = activationMax(k);
          for (const m of [1, 4, 7]) {
            const rows = random.floats(m * k, size * 0.9);
            const places = Array.from({ length: m }, (_, r) => r * k + random.integer(0, k - 1));
            places.forEach((at, r) => {
              rows[at] = r % 2 === 0 ? size : -size;
            });
            const { packed } = runQuantize(arena, rows, m, k, aMax);
            const values = unpackInt16(packed, m, k, layout);
            expect(places.map((at) => values[at])).toEqual(places.map((_, r) => (r % 2 === 0 ? aMax : -aMax)));
            expect(values.every((v) => Math.abs(v) <= aMax)).toBe(true);
          }
        }
      },
    );

    it.each([1e-45, 1e-38, 1e-35, 9e-31])('takes a row as zeros if nothing in it is larger than %f', (size) => {
      const rows = new Random(5).floats(5 * 12, 1).map((v) => v * size);
      const { packed, scale } = runQuantize(arena, rows, 5, 12, activationMax(12));
      expect(unpackInt16(packed, 5, 12, layout).every((v) => v === 0)).toBe(true);
      expect([...scale]).toEqual([0, 0, 0, 0, 0]);
    });

    it('takes the maxima that it is given', () => {
      const [m, k] = [6, 12];
      const rows = new Random(8).floats(m * k, 5);
      const found = runQuantize(arena, rows, m, k, activationMax(k));
      arena.reset();
      const maxima = Float32Array.from({ length: m * 4 }, (_, i) => {
        const row = rows.subarray((i >> 2) * k, ((i >> 2) + 1) * k).map(Math.abs);
        return (i & 3) === (i >> 2) % 4 ? Math.max(...row) : 0; // in any of the four lanes
      });
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
        maxima: arena.input(maxima),
      });
      expectSameBits(arena.bytes(out, packedBytes(m, k, 2)), found.packed);
      expectSameBits(arena.floats(scale, m), found.scale);
    });

    it('takes maxima that parts of a call made, joined', () => {
      const [m, sets, apart] = [7, 5, 10 * 4]; // sets have room for more rows
      const parts = new Random(9).floats(sets * apart, 5).map(Math.abs);
      arena.reset();
      const maxima = arena.inPlace(parts);
      arena.kernels.joinMaxima({ maxima, m, sets, stride: apart * 4 });
      arena.check();
      const expected = parts.map((value, i) =>
        i < m * 4 ? Math.max(...Array.from({ length: sets }, (_, set) => parts[set * apart + i]!)) : value,
      );
      expectSameBits(arena.floats(maxima, parts.length), expected);
    });

    it('keeps every value within half a step', () => {
      const k = 768;
      const rows = new Random(6).floats(5 * k, 40);
      const { packed, scale } = runQuantize(arena, rows, 5, k, activationMax(k));
      const values = unpackInt16(packed, 5, k, layout);
      const worst = values.reduce((most, v, i) => {
        const step = scale[Math.floor(i / k)]!;
        return Math.max(most, Math.abs(v * step - rows[i]!) / step);
      }, 0);
      expect(worst).toBeLessThanOrEqual(0.5005); // half, and what rounding the product adds at 8191
      expect(worst).toBeGreaterThan(0.45);
    });

    it('gives a row of zeros scale 0 and zeros, beside rows that are not', () => {
      const random = new Random(7);
      for (const m of [1, 3, 4, 6]) {
        for (const zero of [0, -0]) {
          const rows = random.floats(m * 8);
          rows.fill(zero, (m - 1) * 8);
          const { packed, scale } = runQuantize(arena, rows, m, 8, 8191);
          expect(scale[m - 1]).toBe(0);
          expect([...unpackInt16(packed, m, 8, layout).slice((m - 1) * 8)]).toEqual(Array(8).fill(0));
          expectSameBits(packed, packInt16(quantize(rows, m, 8, 8191).values, m, 8, layout));
        }
      }
    });

    it('rounds to nearest, ties to even', () => {
      const rows = Float32Array.from([8, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49]);
      const { packed } = runQuantize(arena, rows, 1, 8, 8);
      expect([...unpackInt16(packed, 1, 8, layout)]).toEqual([8, 0, 2, 2, 0, -2, -2, 0]);
    });
  });

  describe('packRows', () => {
    it.each([1, 2, 3, 4].map((quads) => quads * 4))('moves rows 1 to 9 of k = %i bit by bit', (k) => {
      const rows = new Random(k).floats(9 * k);
      rows.set([-0, 1e-38, 1e30, 1e-45]);
      for (const m of ROWS) {
        for (const stride of [k, k + 8]) {
          arena.reset();
          const x = arena.input(apart(rows, m, k, stride));
          const out = arena.output(packedBytes(m, k, 4));
          arena.kernels.packRows({ x, stride: stride * 4, m, k, out });
          arena.check(`m ${m} k ${k}`);
          expectSameBits(arena.floats(out, m * k), packFloats(rows, m, k), `m ${m} k ${k}`);
        }
      }
    });
  });
});
