import { describe, expect, it } from 'vitest';
import { CONSTANTS_BYTES } from '../../src/engine/contract.ts';
import type { Arena } from './arena.ts';
import { describeBuilds } from './builds.ts';
import { expectClose, expectSameBits } from './compare.ts';
import { Random } from './random.ts';
import { attend } from './references/attention.ts';

/** Largest error, where values are below 1. */
const RELATIVE = 1e-6;

interface Problem {
  heads: number;
  headDim: number;
  /** Rows of q, and of k and v. */
  rows: number;
  keys: number;
  lists: number[][];
  q: Float32Array;
  k: Float32Array;
  v: Float32Array;
}

function problem(heads: number, headDim: number, keys: number, lists: number[][], size = 1): Problem {
  const random = new Random(headDim * 1000 + keys);
  const rows = lists.length;
  const some = (n: number) => random.floats(heads * n * headDim, size);
  return { heads, headDim, rows, keys, lists, q: some(rows), k: some(keys), v: some(keys) };
}

/** Runs the kernel with `gap` unused floats between slabs and output rows; [rows][heads * headDim]. */
function run(arena: Arena, { heads, headDim, rows, keys, lists, q, k, v }: Problem, gap = 0): Float32Array {
  arena.reset();
  const spread = (values: Float32Array, n: number) => {
    const slab = n * headDim;
    const out = new Float32Array(heads * (slab + gap)).fill(Number.NaN);
    for (let h = 0; h < heads; h++) out.set(values.subarray(h * slab, (h + 1) * slab), h * (slab + gap));
    return arena.input(out);
  };
  const [qAt, kAt, vAt] = [spread(q, rows), spread(k, keys), spread(v, keys)];
  // One array for several rows is one list for them, which the kernel can tell by its start.
  const entries: number[] = [];
  const known = new Map<number[], number>();
  const starts = lists.map((list) => {
    if (!known.has(list)) known.set(list, entries.push(...list) - list.length);
    return known.get(list)!;
  });
  const ints = (values: number[]) => arena.input(Int32Array.from(values));
  const [s, l, e] = [ints(starts), ints(lists.map((list) => list.length)), ints(entries)];
  const width = heads * headDim;
  const out = arena.output((rows * (width + gap) - gap) * 4);
  const scratch = arena.output(CONSTANTS_BYTES + Math.ceil(Math.max(...lists.map((list) => list.length)) / 4) * 32);
  const slabs = [(rows * headDim + gap) * 4, (keys * headDim + gap) * 4] as const;
  const scale = 1 / Math.sqrt(headDim);
  arena.kernels.attention({
    q: qAt,
    k: kAt,
    v: vAt,
    heads,
    qSlab: slabs[0],
    kvSlab: slabs[1],
    out,
    ldo: (width + gap) * 4,
    rows,
    headDim,
    starts: s,
    lengths: l,
    lists: e,
    scale,
    scratch,
  });
  const all = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++) all.set(arena.floats(out + r * (width + gap) * 4, width), r * width);
  if (gap === 0) arena.check();
  return all;
}

function reference({ heads, headDim, rows, keys, lists, q, k, v }: Problem): number[] {
  const out: number[] = [];
  for (let r = 0; r < rows; r++) {
    for (let h = 0; h < heads; h++) {
      const row = (values: Float32Array, n: number, i: number) =>
        values.subarray((h * n + i) * headDim, (h * n + i + 1) * headDim);
      const scale = Math.fround(1 / Math.sqrt(headDim));
      out.push(
        ...attend(
          row(q, rows, r),
          (i) => row(k, keys, i),
          (i) => row(v, keys, i),
          lists[r]!,
          scale,
        ),
      );
    }
  }
  return out;
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);
const full = (rows: number, keys: number) => Array<number[]>(rows).fill(upTo(keys));
const causal = (rows: number) => Array.from({ length: rows }, (_, r) => upTo(r + 1));

describeBuilds((arena) => {
  describe('attention', () => {
    it.each([8, 16, 64, 80, 104])('agrees with float64 where a head is %i wide', (headDim) => {
      for (const keys of [1, 2, 3, 4, 5, 6, 7, 8, 9, 50]) {
        const p = problem(2, headDim, keys, full(3, keys), 3);
        expectClose(run(arena, p), reference(p), 3 * RELATIVE, `${keys} keys`);
      }
    });

    it('agrees with float64 over many keys', () => {
      for (const keys of [77, 257]) {
        const p = problem(1, 64, keys, full(2, keys));
        expectClose(run(arena, p), reference(p), RELATIVE, `${keys} keys`);
      }
    });

    it('sees only what the list says: causal, tree, any order of memory', () => {
      const causalProblem = problem(2, 16, 9, causal(9));
      expectClose(run(arena, causalProblem), reference(causalProblem), RELATIVE);
      const tree = problem(2, 16, 6, [[0], [0, 1], [0, 1, 2], [0, 1, 3], [0, 4], [0, 4, 5]]);
      expectClose(run(arena, tree), reference(tree), RELATIVE);
    });

    it('gives a row the same bits alone and among others, wherever its keys stand', () => {
      const p = problem(2, 64, 9, causal(9));
      const all = run(arena, p);
      const pick = (values: Float32Array, n: number, order: number[]) => {
        const out = new Float32Array(2 * order.length * 64);
        for (let h = 0; h < 2; h++) {
          order.forEach((from, to) => {
            out.set(values.subarray((h * n + from) * 64, (h * n + from + 1) * 64), (h * order.length + to) * 64);
          });
        }
        return out;
      };
      const backwards = [8, 7, 6, 5, 4, 3, 2, 1, 0];
      for (let r = 0; r < 9; r++) {
        const alone = run(arena, {
          ...p,
          rows: 1,
          q: pick(p.q, 9, [r]),
          k: pick(p.k, 9, backwards),
          v: pick(p.v, 9, backwards),
          lists: [upTo(r + 1).map((i) => 8 - i)],
        });
        expectSameBits(alone, all.slice(r * 128, (r + 1) * 128), `row ${r}`);
      }
    });

    it('gives rows that share a list the bits of rows with lists of their own', () => {
      for (const headDim of [8, 16, 64, 80, 104]) {
        for (const keys of [1, 4, 7, 50]) {
          const shared = problem(2, headDim, keys, full(5, keys), 2);
          const apart = { ...shared, lists: shared.lists.map((list) => [...list]) };
          expectSameBits(run(arena, shared), run(arena, apart), `${headDim} wide, ${keys} keys`);
        }
      }
    });

    it('keeps slabs and output rows that stand apart', () => {
      const p = problem(3, 8, 5, full(4, 5));
      expectSameBits(run(arena, p, 12), run(arena, p));
    });

    it('does not overflow on large scores, and then takes the largest key', () => {
      const p = problem(1, 8, 5, full(1, 5));
      p.q.fill(100);
      p.k.fill(1);
      p.k.fill(50, 3 * 8, 4 * 8);
      const out = run(arena, p);
      expectClose(out, p.v.subarray(3 * 8, 4 * 8), 1e-6);
      expect(out.every(Number.isFinite)).toBe(true);
    });
  });
});
