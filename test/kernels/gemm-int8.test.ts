import { describe, expect, it } from 'vitest';
import { Mode } from '../../src/engine/calls.ts';
import { ACTIVATION_GELU, ACTIVATION_QUICK_GELU, CONSTANTS_BYTES } from '../../src/engine/contract.ts';
import { describeBuilds } from './builds.ts';
import { expectSameBits } from './compare.ts';
import { int8Weights, randomInt8Weights, runInt8, SWEEP, untouched } from './gemm-operands.ts';
import { Random } from './random.ts';
import {
  addTo,
  clampTo0,
  clampTo6,
  dense,
  dequantize,
  type Geometry,
  integerSums,
  place,
  toFixed,
} from './references/gemm.ts';

const floats = (bytes: Uint8Array<ArrayBuffer>) => new Float32Array(bytes.buffer);

/** Operands and exact sums for the largest m of the sweep; a smaller m takes the first rows. */
const cases = SWEEP.k.map((k) => {
  const random = new Random(k);
  const m = Math.max(...SWEEP.m);
  const a = random.int16(m * k, 8191);
  const aScale = random.between(m, 1e-5, 1e-3);
  const columns = SWEEP.n.map((n) => {
    const weights = randomInt8Weights(random, n, k);
    return { n, weights, bias: random.floats(n), sums: integerSums(a, weights.integers, m, n, k) };
  });
  return { k, a, aScale, columns };
});

describeBuilds((arena, build) => {
  describe('gemmInt8', () => {
    it.each(cases)('gives the exact integer sums, scaled in f32, at k = $k', ({ k, a, aScale, columns }) => {
      for (const { n, weights, bias, sums } of columns) {
        const expected = dequantize(sums, Math.max(...SWEEP.m), n, weights.scale, aScale, bias);
        for (const m of SWEEP.m) {
          const region = runInt8(arena, build, { m, a, aScale, weights, bias, region: untouched(m * n * 4) });
          expectSameBits(floats(region), expected.subarray(0, m * n), `m ${m} n ${n} k ${k}`);
        }
      }
    });

    it.each([Mode.none, Mode.quickGelu, Mode.gelu, Mode.add, Mode.relu + Mode.add])(
      'leaves the largest magnitude of each row, mode %i',
      (mode) => {
        const random = new Random(9);
        const weights = randomInt8Weights(random, 72, 28);
        for (const m of [1, 5, 64, 65]) {
          const region = new Uint8Array(random.floats(m * 72, 3).buffer);
          let maxima = new Float32Array();
          const onMaxima = (values: Float32Array) => {
            maxima = Float32Array.from({ length: m }, (_, r) => Math.max(...values.subarray(r * 4, r * 4 + 4)));
          };
          const call = { m, a: random.int16(m * 28, 8191), weights, bias: random.floats(72), mode, region, onMaxima };
          const c = floats(runInt8(arena, build, call));
          const expected = Float32Array.from({ length: m }, (_, r) =>
            Math.max(...c.subarray(r * 72, r * 72 + 72).map(Math.abs)),
          );
          expectSameBits(maxima, expected, `m ${m}`);
        }
      },
    );

    it('has the same sums in its two forms', () => {
      const random = new Random(11);
      const weights = randomInt8Weights(random, 72, 100);
      for (const m of [1, 4, 7, 65]) {
        const call = {
          m,
          a: random.int16(m * 100, 8191),
          weights,
          bias: random.floats(72),
          region: untouched(m * 72 * 4),
        };
        expectSameBits(runInt8(arena, build, { ...call, mode: Mode.splat }), runInt8(arena, build, call), `m ${m}`);
      }
    });

    it('lets the zeros that pad the weights silence whatever pads a row', () => {
      const random = new Random(1);
      const weights = randomInt8Weights(random, 8, 5);
      const a = random.int16(7 * 5, 8191);
      const call = { m: 7, a, weights, region: untouched(7 * 8 * 4) };
      const clean = runInt8(arena, build, call);
      expectSameBits(runInt8(arena, build, { ...call, filler: -8191 }), clean);
      expectSameBits(runInt8(arena, build, { ...call, filler: 8191 }), clean);
    });

    it('gives columns that the weights lack the value of their bias: the sums are 0', () => {
      const random = new Random(2);
      const weights = randomInt8Weights(random, 5, 12);
      const bias = random.floats(8);
      const region = runInt8(arena, build, { m: 3, a: random.int16(36, 8191), weights, bias, region: untouched(96) });
      for (let row = 0; row < 3; row++) {
        expectSameBits(floats(region).slice(row * 8 + 5, row * 8 + 8), bias.slice(5), `row ${row}`);
      }
    });

    it('rounds a sum of more than 24 bits once, to the nearest f32, ties to even', () => {
      // k = 20: 19 weights of 127 and a last one of 1 reach any sum
      const weights = int8Weights(Int8Array.from([...Array(19).fill(127), 1]), 1, 20, new Float32Array(8).fill(1));
      const row = (sum: number) => {
        const steps = Math.floor(sum / 127);
        const activations = Array.from({ length: 19 }, (_, i) => Math.max(0, Math.min(8191, steps - i * 8191)));
        return [...activations, sum - steps * 127];
      };
      const sums = [1, 2, 3, 5, 6].map((over) => 2 ** 24 + over);
      const a = Int16Array.from(sums.flatMap(row));
      const region = runInt8(arena, build, { m: 5, a, weights, region: untouched(5 * 32) });
      const first = [0, 1, 2, 3, 4].map((i) => floats(region)[i * 8]! - 2 ** 24);
      expect(first).toEqual([0, 2, 4, 4, 6]);
    });
  });

  describe('gemmInt8, what follows the sums', () => {
    const random = new Random(3);
    const [m, n, k] = [131, 48, 28];
    const weights = randomInt8Weights(random, n, k);
    const a = random.int16(m * k, 8191);
    const aScale = random.between(m, 1e-5, 2e-4);
    const bias = random.floats(n, 2);
    const sums = integerSums(a, weights.integers, m, n, k);
    const plain = dequantize(sums, m, n, weights.scale, aScale, bias);
    const run = (mode: number, region: Uint8Array, geometry?: Geometry) =>
      runInt8(arena, build, { m, a, aScale, weights, bias, mode, region, ...(geometry ? { geometry } : {}) });

    it('has operands that reach both ends of ReLU6 and its inside', () => {
      expect(plain.some((v) => v < 0) && plain.some((v) => v > 0 && v < 6) && plain.some((v) => v > 6)).toBe(true);
    });

    it('takes a bias of 0 as none, and row scales of 0 as folded into the columns', () => {
      const region = runInt8(arena, build, { m, a, weights, region: untouched(m * n * 4) });
      expectSameBits(floats(region), dequantize(sums, m, n, weights.scale, undefined, undefined));
    });

    it('adds to what stands in C', () => {
      const there = random.floats(m * n, 10);
      expectSameBits(floats(run(Mode.add, new Uint8Array(there.buffer))), addTo(plain, there));
    });

    it('clamps to [0, 6], and adds after clamping', () => {
      const there = random.floats(m * n, 10);
      expectSameBits(floats(run(Mode.relu6, untouched(m * n * 4))), clampTo6(plain));
      const added = run(Mode.relu6 + Mode.add, new Uint8Array(there.buffer));
      expectSameBits(floats(added), addTo(clampTo6(plain), there));
    });

    it('clamps to 0 and more, after adding', () => {
      const there = random.floats(m * n, 10);
      expectSameBits(floats(run(Mode.relu, untouched(m * n * 4))), clampTo0(plain));
      const added = floats(run(Mode.relu + Mode.add, new Uint8Array(there.slice().buffer)));
      expectSameBits(added, clampTo0(addTo(plain, there)));
      expect(addTo(plain, there).some((v, i) => v < 0 && plain[i]! > 0)).toBe(true);
    });

    it('stores ReLU6 as i16 of fixed scale', () => {
      const region = run(Mode.relu6 + Mode.fixed, untouched(m * n * 2), dense(m, n, 2));
      const values = new Int16Array(region.buffer);
      expectSameBits(values, toFixed(clampTo6(plain)));
      expect([Math.min(...values), Math.max(...values)]).toEqual([0, 8191]);
    });

    it.each([
      { name: 'GELU', mode: Mode.gelu, kind: ACTIVATION_GELU },
      { name: 'QuickGELU', mode: Mode.quickGelu, kind: ACTIVATION_QUICK_GELU },
    ])('applies $name as mapFunction does, and adds after it', ({ mode, kind }) => {
      const there = random.floats(m * n, 10);
      const applied = floats(run(mode, untouched(m * n * 4)));
      const added = floats(run(mode + Mode.add, new Uint8Array(there.buffer)));
      arena.reset();
      const at = arena.inPlace(plain);
      arena.kernels.mapFunction({ x: at, n: m * n, kind, table: arena.output(CONSTANTS_BYTES + m * n * 4) });
      expectSameBits(applied, arena.floats(at, m * n));
      expectSameBits(added, addTo(applied, there));
    });

    // A slab a head; lines that end inside a tile, at its edge, and beyond a block of rows; rows wider than C's.
    it.each([
      { name: 'rows that stand apart', ldc: 256, width: m, gap: 0, slab: n, slabStride: 0 },
      { name: 'slabs of 8', ldc: 32, width: m, gap: 0, slab: 8, slabStride: m * 32 + 64 },
      { name: 'slabs of 24', ldc: 96, width: m, gap: 0, slab: 24, slabStride: m * 96 },
      { name: 'lines of 10', ldc: n * 4, width: 10, gap: 160, slab: n, slabStride: 0 },
      { name: 'lines of 64', ldc: n * 4, width: 64, gap: 48, slab: n, slabStride: 0 },
      { name: 'lines of 1 in slabs of 16', ldc: 64, width: 1, gap: 16, slab: 16, slabStride: m * 80 },
    ])('writes C in $name and nothing between', ({ name: _, ...geometry }) => {
      const bytes = 60_000;
      expectSameBits(run(Mode.none, untouched(bytes), geometry), place(plain, n, geometry, untouched(bytes)));
    });

    it('writes i16 in lines and nothing between', () => {
      const geometry = { ...dense(m, n, 2), width: 7, gap: 2 * n * 2 };
      const expected = place(toFixed(clampTo6(plain)), n, geometry, untouched(60_000));
      expectSameBits(run(Mode.relu6 + Mode.fixed, untouched(60_000), geometry), expected);
    });
  });
});
