/** Every kernel that works in f32 gives the same bits in every build: what the references in float64 cannot see. */
import { describe, expect, it } from 'vitest';
import {
  ACTIVATION_GELU,
  ACTIVATION_QUICK_GELU,
  CONSTANTS_BYTES,
  FUNCTION_ERF,
  FUNCTION_POWER_OF_TWO,
} from '../../src/engine/contract.ts';
import type { Pointer } from '../../src/engine/kernels.ts';
import { activationMax } from '../../src/engine/numerics.ts';
import { Arena } from './arena.ts';
import { type Build, builds } from './builds.ts';
import { expectSameBits } from './compare.ts';
import { Random } from './random.ts';
import { packedBytes, unpackInt16 } from './references/packed-rows.ts';

const [reference, ...others] = builds;

interface Case {
  readonly name: string;
  /** Runs the kernel in an empty arena and returns what it left. */
  run(arena: Arena, build: Build): Float32Array;
}

const mapped = (name: string, kind: number, size: number): Case => ({
  name,
  run(arena) {
    const x = new Random(kind).floats(4000, size);
    const at = arena.inPlace(x);
    arena.kernels.mapFunction({ x: at, n: x.length, kind, table: arena.output(CONSTANTS_BYTES + x.byteLength) });
    return arena.floats(at, x.length);
  },
});

const cases: Case[] = [
  mapped('exp', FUNCTION_POWER_OF_TWO, 88),
  mapped('erf', FUNCTION_ERF, 5),
  mapped('GELU', ACTIVATION_GELU, 8),
  mapped('QuickGELU', ACTIVATION_QUICK_GELU, 40),
  {
    name: 'layerNorm',
    run(arena) {
      const random = new Random(5);
      const at = arena.inPlace(random.floats(9 * 100, 3));
      arena.kernels.layerNorm({
        x: at,
        stride: 400,
        m: 9,
        k: 100,
        gamma: arena.input(random.floats(100)),
        beta: arena.input(random.floats(100)),
        eps: 1e-5,
      });
      return arena.floats(at, 900);
    },
  },
  {
    name: 'layerNormQuantize',
    run(arena, { layout }) {
      const random = new Random(6);
      const [x, gamma, beta] = [900, 100, 100].map((n) => arena.input(random.floats(n, 3))) as Pointer[];
      const [out, scale] = [arena.output(packedBytes(9, 100, 2)), arena.output(36)];
      const aMax = activationMax(100);
      arena.kernels.layerNormQuantize({
        x: x!,
        stride: 400,
        m: 9,
        k: 100,
        gamma: gamma!,
        beta: beta!,
        eps: 1e-5,
        aMax,
        out,
        scale,
        scratch: arena.output(2080),
      });
      const integers = unpackInt16(arena.bytes(out, packedBytes(9, 100, 2)), 9, 100, layout);
      return Float32Array.from([...integers, ...arena.floats(scale, 9)]);
    },
  },
  {
    name: 'attention',
    run(arena) {
      const random = new Random(7);
      const [heads, rows, headDim] = [3, 13, 80];
      const [q, k, v] = [1, 2, 3].map(() => arena.input(random.floats(heads * rows * headDim, 2))) as Pointer[];
      const lengths = Int32Array.from({ length: rows }, (_, r) => r + 1);
      const entries = arena.input(Int32Array.from({ length: rows }, (_, r) => r));
      const out = arena.output(heads * rows * headDim * 4);
      const slab = rows * headDim * 4;
      arena.kernels.attention({
        q: q!,
        k: k!,
        v: v!,
        heads,
        qSlab: slab,
        kvSlab: slab,
        out,
        ldo: heads * headDim * 4,
        rows,
        headDim,
        starts: arena.input(new Int32Array(rows)),
        lengths: arena.input(lengths),
        lists: entries,
        scale: 1 / Math.sqrt(headDim),
        scratch: arena.output(CONSTANTS_BYTES + 128),
      });
      return arena.floats(out, heads * rows * headDim);
    },
  },
  {
    name: 'softmax',
    run(arena) {
      const at = arena.inPlace(new Random(8).floats(1000));
      arena.kernels.softmax({ x: at, n: 997, scale: 100, table: arena.output(CONSTANTS_BYTES) });
      return arena.floats(at, 997);
    },
  },
  {
    name: 'l2Normalize',
    run(arena) {
      const at = arena.inPlace(new Random(9).floats(385, 9));
      arena.kernels.l2Normalize({ x: at, n: 385 });
      return arena.floats(at, 385);
    },
  },
];

function result(build: Build, { name, run }: Case): Float32Array {
  const arena = new Arena(build);
  const values = run(arena, build);
  arena.check(name);
  expect(values.every(Number.isFinite)).toBe(true);
  return values;
}

for (const build of others) {
  const reason = build.problem ? `, not run: ${build.problem}` : '';
  describe.skipIf(build.problem)(
    `the ${build.name} build has the bits of the ${reference!.name} build${reason}`,
    () => {
      it.each(cases)('in $name', (kernel) => {
        expectSameBits(result(build, kernel), result(reference!, kernel));
      });
    },
  );
}
