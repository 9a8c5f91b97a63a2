import { describe, expect, it } from 'vitest';
import { Mode } from '../../src/engine/calls.ts';
import { ACTIVATION_GELU, ACTIVATION_QUICK_GELU, CONSTANTS_BYTES } from '../../src/engine/contract.ts';
import { describeBuilds } from './builds.ts';
import { expectSameBits } from './compare.ts';
import { runF32, SWEEP, untouched } from './gemm-operands.ts';
import { Random } from './random.ts';
import { addBias, addTo, clampTo0, clampTo6, floatSums, type Geometry, place } from './references/gemm.ts';

const floats = (bytes: Uint8Array<ArrayBuffer>) => new Float32Array(bytes.buffer);

const cases = SWEEP.k.map((k) => {
  const random = new Random(k);
  const m = Math.max(...SWEEP.m);
  const a = random.floats(m * k);
  const columns = SWEEP.n.map((n) => {
    const b = random.floats(n * k);
    const bias = random.floats(n);
    return { n, b, bias, expected: addBias(floatSums(a, b, m, n, k), n, bias) };
  });
  return { k, a, columns };
});

describeBuilds((arena) => {
  describe('gemmF32', () => {
    it.each(cases)('multiplies, then adds, k ascending, at k = $k', ({ k, a, columns }) => {
      for (const { n, b, bias, expected } of columns) {
        for (const m of SWEEP.m) {
          for (const mode of [Mode.none, Mode.splat]) {
            const call = { m, n, k, a: a.subarray(0, m * k), b, bias, mode, region: untouched(m * n * 4) };
            expectSameBits(
              floats(runF32(arena, call)),
              expected.subarray(0, m * n),
              `m ${m} n ${n} k ${k} mode ${mode}`,
            );
          }
        }
      }
    });

    it('never fuses: rounds a product before it is added', () => {
      // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24 rounds to 1 + 2^-11, and minus that nothing is left; a fused step leaves 2^-24
      const a = Float32Array.from([-(1 + 2 ** -11), 1 + 2 ** -12]);
      const b = Float32Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? 1 : 1 + 2 ** -12));
      const region = runF32(arena, { m: 1, n: 8, k: 2, a, b, region: untouched(32) });
      expect([...floats(region)]).toEqual(Array(8).fill(0));
    });

    it('never reassociates: small terms after a large one are lost one by one', () => {
      const a = Float32Array.from([2 ** 24, ...Array(7).fill(1)]);
      const region = runF32(arena, { m: 1, n: 8, k: 8, a, b: new Float32Array(64).fill(1), region: untouched(32) });
      expect([...floats(region)]).toEqual(Array(8).fill(2 ** 24));
    });
  });

  describe('gemmF32, what follows the sums', () => {
    const random = new Random(4);
    const [m, n, k] = [131, 48, 27];
    const a = random.floats(m * k, 2);
    const b = random.floats(n * k, 2);
    const bias = random.floats(n, 2);
    const sums = floatSums(a, b, m, n, k);
    const plain = addBias(sums, n, bias);
    const run = (mode: number, region: Uint8Array, geometry?: Geometry) =>
      runF32(arena, { m, n, k, a, b, bias, mode, region, ...(geometry ? { geometry } : {}) });

    it('takes a bias of 0 as none', () => {
      expectSameBits(floats(runF32(arena, { m, n, k, a, b, region: untouched(m * n * 4) })), sums);
    });

    it('adds to what stands in C, and clamps before that', () => {
      const there = random.floats(m * n, 10);
      const add = (mode: number) => floats(run(mode + Mode.add, new Uint8Array(there.slice().buffer)));
      expectSameBits(add(Mode.none), addTo(plain, there));
      expectSameBits(add(Mode.relu6), addTo(clampTo6(plain), there));
      expectSameBits(floats(run(Mode.relu6, untouched(m * n * 4))), clampTo6(plain));
      expect(plain.some((v) => v < 0) && plain.some((v) => v > 6)).toBe(true);
    });

    it('clamps to 0 and more, after adding', () => {
      const there = random.floats(m * n, 10);
      expectSameBits(floats(run(Mode.relu, untouched(m * n * 4))), clampTo0(plain));
      const added = floats(run(Mode.relu + Mode.add, new Uint8Array(there.slice().buffer)));
      expectSameBits(added, clampTo0(addTo(plain, there)));
      expect(addTo(plain, there).some((v, i) => v < 0 && plain[i]! > 0)).toBe(true);
    });

    it.each([
      { name: 'GELU', mode: Mode.gelu, kind: ACTIVATION_GELU },
      { name: 'QuickGELU', mode: Mode.quickGelu, kind: ACTIVATION_QUICK_GELU },
    ])('applies $name as mapFunction does', ({ mode, kind }) => {
      const applied = floats(run(mode, untouched(m * n * 4)));
      arena.reset();
      const at = arena.inPlace(plain);
      arena.kernels.mapFunction({ x: at, n: m * n, kind, table: arena.output(CONSTANTS_BYTES + m * n * 4) });
      expectSameBits(applied, arena.floats(at, m * n));
    });

    it.each([
      { name: 'slabs of 8', ldc: 32, width: m, gap: 0, slab: 8, slabStride: m * 32 + 64 },
      { name: 'slabs of 24', ldc: 96, width: m, gap: 0, slab: 24, slabStride: m * 96 },
      { name: 'lines of 10, rows apart', ldc: n * 4 + 16, width: 10, gap: 160, slab: n, slabStride: 0 },
      { name: 'lines of 64', ldc: n * 4, width: 64, gap: 48, slab: n, slabStride: 0 },
    ])('writes C in $name and nothing between', ({ name: _, ...geometry }) => {
      const bytes = 60_000;
      expectSameBits(run(Mode.none, untouched(bytes), geometry), place(plain, n, geometry, untouched(bytes)));
    });
  });
});
