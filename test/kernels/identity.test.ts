/** Every kernel that works in f32 gives the same bits in every build: what the twins in float64 cannot see. */
import { describe, expect, it } from 'vitest';
import { type Pointer, TABLE_BYTES } from '../../src/engine/kernels.ts';
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
    arena.kernels.mapFunction(at, x.length, kind, arena.output(TABLE_BYTES + x.byteLength));
    return arena.floats(at, x.length);
  },
});

const cases: Case[] = [
  mapped('exp', 0, 88),
  mapped('erf', 1, 5),
  mapped('GELU', 2, 8),
  mapped('QuickGELU', 3, 40),
  {
    name: 'layerNorm',
    run(arena) {
      const random = new Random(5);
      const at = arena.inPlace(random.floats(9 * 100, 3));
      arena.kernels.layerNorm(at, 400, 9, 100, arena.input(random.floats(100)), arena.input(random.floats(100)), 1e-5);
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
      arena.kernels.layerNormQuantize(x!, 400, 9, 100, gamma!, beta!, 1e-5, aMax, out, scale, arena.output(2080));
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
      arena.kernels.attention(
        q!, k!, v!, heads, slab, slab, out, heads * headDim * 4, rows, headDim,
        arena.input(new Int32Array(rows)), arena.input(lengths), entries, 1 / Math.sqrt(headDim), arena.output(TABLE_BYTES + 128),
      ); // biome-ignore format: operands in a line
      return arena.floats(out, heads * rows * headDim);
    },
  },
  {
    name: 'softmax',
    run(arena) {
      const at = arena.inPlace(new Random(8).floats(1000));
      arena.kernels.softmax(at, 997, 100, arena.output(TABLE_BYTES));
      return arena.floats(at, 997);
    },
  },
  {
    name: 'l2Normalize',
    run(arena) {
      const at = arena.inPlace(new Random(9).floats(385, 9));
      arena.kernels.l2Normalize(at, 385);
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
