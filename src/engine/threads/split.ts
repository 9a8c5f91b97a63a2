/**
 * The kernels on all threads of a pool. Every part writes its own columns, rows, heads or lines with the very arithmetic
 * of the whole, so no result depends on how many parts there are.
 */
import { type Kernels, MAXIMUM_BYTES, Mode, type Pointer, ROW_BLOCK, ROW_GROUP } from '../kernels.ts';
import { partsFor, type ThreadedKernel } from './pool.ts';

/** Where parts of calls go: to a pool that runs them, or into a program that is written down. */
export interface PartRunner {
  /** Threads that there will be. */
  readonly threads: number;
  /** Calls in one part. */
  readonly own: Kernels;
  /** One call, given the arguments of each part (at most `partsFor(threads)`). */
  run(kernel: ThreadedKernel, parts: readonly (readonly number[])[]): void;
}

/** A part of a GEMM, but for the last, has at least so many multiplications: four microseconds, of which taking it is half of one. */
const LEAST_PRODUCTS = 150_000;
/** A part of what only goes through rows, but for the last, has at least so many values. */
const LEAST_VALUES = 2048;

/** Where a part begins, and how much it has. */
type Range = readonly [from: number, length: number];

/** Bytes of the row maxima of one part: at most ROW_BLOCK rows. */
const MAXIMA_BYTES = ROW_BLOCK * MAXIMUM_BYTES;

/** The pointer to a row's or column's number, where there are any. */
const offset = (vector: Pointer, i: number): Pointer => (vector === 0 ? 0 : vector + i * 4);

/**
 * Cuts [0, n) for so many threads into ranges whose bounds are multiples of `step`: each takes a share of what is left, so
 * they get shorter, and whoever comes last makes the others wait for a short one (guided self-scheduling, Polychronopoulos
 * and Kuck 1987, with half of their share, for threads that are held up).
 */
export function ranges(n: number, threads: number, step: number): Range[] {
  const most = partsFor(threads);
  const cut: Range[] = [];
  for (let from = 0; from < n; ) {
    const left = Math.ceil((n - from) / step);
    const steps = Math.max(Math.ceil(left / (2 * threads)), Math.ceil(left / (most - cut.length)));
    const length = Math.min(n - from, steps * step);
    cut.push([from, length]);
    from += length;
  }
  return cut;
}

/** Rows of a GEMM may be cut between groups, and between lines of a padded image: a group's size is a prime. */
function rowStep(width: number, gap: number): number {
  if (gap === 0) return ROW_GROUP;
  return width % ROW_GROUP === 0 ? width : width * ROW_GROUP;
}

/** Where a GEMM's result stands: see gemmInt8 in assembly. */
interface Geometry {
  readonly ldc: number;
  readonly width: number;
  readonly gap: number;
  readonly slab: number;
  readonly slabStride: number;
}

/** A part of a GEMM: which rows and columns, the columns of its slabs, and its first byte from C's. */
interface GemmPart {
  readonly rows: Range;
  readonly columns: Range;
  readonly slab: number;
  readonly out: number;
}

/** The least multiple of `step` that is no less than `least`. */
const atLeast = (least: number, step: number) => Math.max(1, Math.ceil(least / step)) * step;

/** So many query rows, or steps of a product's rows, a thread are enough to cut there. */
const ENOUGH = 4;
/** Query rows that attention takes together. */
const ATTENDED_ROWS = 2;

/** Columns that two levels of Strassen's halves take together (assembly/strassen.ts). */
const HALVED_COLUMNS = 32;

/**
 * Cuts C[m, n] = A[m, k] B[k, n], of `cell` bytes a value, for so many threads: by rows where that moves less memory (many
 * pixels, few channels) and there are enough, else by columns, whole slabs at a time where there are several. `together`:
 * columns that should not be parted, and rows that must not be; 0 for none.
 */
function cutGemm(
  threads: number,
  m: number,
  n: number,
  k: number,
  cell: number,
  geometry: Geometry,
  together = 0,
): GemmPart[] {
  const { ldc, width, gap, slab, slabStride } = geometry;
  const step = rowStep(width, gap);
  if (m > n && together === 0 && m >= ENOUGH * step * threads) {
    return ranges(m, threads, atLeast(LEAST_PRODUCTS / (n * k), step)).map((rows) => {
      const out = rows[0] * ldc + Math.floor(rows[0] / width) * gap;
      return { rows, columns: [0, n], slab, out };
    });
  }
  if (slabStride !== 0) {
    return ranges(n, threads, atLeast(LEAST_PRODUCTS / (m * k), slab)).map((columns) => {
      return { rows: [0, m], columns, slab, out: (columns[0] / slab) * slabStride };
    });
  }
  return ranges(n, threads, atLeast(LEAST_PRODUCTS / (m * k), Math.max(8, together))).map((columns) => ({
    rows: [0, m],
    columns,
    slab: columns[1],
    out: columns[0] * cell,
  }));
}

export function threadedKernels(runner: PartRunner): Kernels {
  const { own, threads } = runner;
  /** Rows in whole groups. */
  const groups = (m: number, k: number) => ranges(m, threads, atLeast(LEAST_VALUES / k, ROW_GROUP));

  return {
    ...own,

    // biome-ignore format: operands, then the result
    gemmInt8(
      a, aScale, aHalves, b, bScale, bSum, bias, m, n, k,
      c, ldc, width, gap, slab, slabStride, mode, scratch, maxima,
    ) {
      const together = aHalves === 0 ? 0 : HALVED_COLUMNS;
      const cut = cutGemm(threads, m, n, k, mode & Mode.fixed ? 2 : 4, { ldc, width, gap, slab, slabStride }, together);
      const calls = cut.map(({ rows, columns, slab, out }, i) => {
        // Parts of the same rows have maxima of their own, to be joined; parts of other rows write theirs in place.
        const at = rows[1] === m ? i * MAXIMA_BYTES : rows[0] * MAXIMUM_BYTES;
        return [
          a + rows[0] * k * 2, offset(aScale, rows[0]), aHalves,
          b + columns[0] * k, offset(bScale, columns[0]), offset(bSum, columns[0]), offset(bias, columns[0]),
          rows[1], columns[1], k, c + out, ldc, width, gap, slab, slabStride, mode, scratch, maxima === 0 ? 0 : maxima + at,
        ]; // biome-ignore format: operands, then the result
      });
      runner.run('gemmInt8', calls);
      if (maxima !== 0 && calls.length > 1 && cut[0]!.rows[1] === m) own.joinMaxima(maxima, m, calls.length, MAXIMA_BYTES);
    },

    gemmF32(a, b, bias, m, n, k, c, ldc, width, gap, slab, slabStride, mode, scratch) {
      const calls = cutGemm(threads, m, n, k, 4, { ldc, width, gap, slab, slabStride }).map(({ rows, columns, slab, out }) => [
        a + rows[0] * k * 4, b + columns[0] * k * 4, offset(bias, columns[0]),
        rows[1], columns[1], k, c + out, ldc, width, gap, slab, slabStride, mode, scratch,
      ]); // biome-ignore format: operands, then the result
      runner.run('gemmF32', calls);
    },

    quantizeRows(x, stride, m, k, aMax, out, scale, maxima) {
      const calls = groups(m, k).map(([from, rows]) => {
        const ownMaxima = maxima === 0 ? 0 : maxima + from * MAXIMUM_BYTES;
        return [x + from * stride, stride, rows, k, aMax, out + from * k * 2, scale + from * 4, ownMaxima];
      });
      runner.run('quantizeRows', calls);
    },

    strassenRows(a, m, k, first, products, out) {
      const calls = ranges(products, threads, 1).map(([from, n]) => [a, m, k, first + from, n, out]);
      runner.run('strassenRows', calls);
    },

    packRows(x, stride, m, k, out) {
      const calls = groups(m, k).map(([from, rows]) => [x + from * stride, stride, rows, k, out + from * k * 4]);
      runner.run('packRows', calls);
    },

    layerNorm(x, stride, m, k, gamma, beta, eps) {
      const calls = groups(m, k).map(([from, rows]) => [x + from * stride, stride, rows, k, gamma, beta, eps]);
      runner.run('layerNorm', calls);
    },

    layerNormQuantize(x, stride, m, k, gamma, beta, eps, aMax, out, scale, scratch) {
      const calls = groups(m, k).map(([from, rows]) => [
        x + from * stride, stride, rows, k, gamma, beta, eps, aMax,
        out + from * k * 2, scale + from * 4, scratch,
      ]); // biome-ignore format: operands, then the result
      runner.run('layerNormQuantize', calls);
    },

    layerNormPack(x, stride, m, k, gamma, beta, eps, out, scratch) {
      const calls = groups(m, k).map(([from, rows]) => [
        x + from * stride, stride, rows, k, gamma, beta, eps, out + from * k * 4, scratch,
      ]); // biome-ignore format: operands, then the result
      runner.run('layerNormPack', calls);
    },

    attention(q, k, v, heads, qSlab, kvSlab, out, ldo, rows, headDim, starts, lengths, lists, scale, scratch) {
      if (rows < ENOUGH * threads) {
        const calls = ranges(heads, threads, 1).map(([from, n]) => [
          q + from * qSlab, k + from * kvSlab, v + from * kvSlab, n, qSlab, kvSlab, out + from * headDim * 4, ldo,
          rows, headDim, starts, lengths, lists, scale, scratch,
        ]); // biome-ignore format: operands, then the result
        runner.run('attention', calls);
      } else {
        const calls = ranges(rows, threads, ATTENDED_ROWS).map(([from, n]) => [
          q + from * headDim * 4, k, v, heads, qSlab, kvSlab, out + from * ldo, ldo,
          n, headDim, starts + from * 4, lengths + from * 4, lists, scale, scratch,
        ]); // biome-ignore format: operands, then the result
        runner.run('attention', calls);
      }
    },

    gatherInt8(image, lineBytes, window, stride, across, firstLine, lines, kPadded, first, m, out, scratch) {
      const calls = ranges(lines, threads, 1).map(([from, n]) => [
        image, lineBytes, window, stride, across, firstLine + from, n, kPadded, first + from * across, m, out, scratch,
      ]); // biome-ignore format: operands, then the result
      runner.run('gatherInt8', calls);
    },

    gatherF32(image, lineBytes, window, stride, across, firstLine, lines, first, m, out, scratch) {
      const calls = ranges(lines, threads, 1).map(([from, n]) => [
        image, lineBytes, window, stride, across, firstLine + from, n, first + from * across, m, out, scratch,
      ]); // biome-ignore format: operands, then the result
      runner.run('gatherF32', calls);
    },

    depthwiseInt8(input, lineBytes, kernel, stride, weights, scale, bias, channels, across, lines, first, m, out) {
      const calls = ranges(lines, threads, 1).map(([from, n]) => [
        input + from * stride * lineBytes, lineBytes, kernel, stride, weights, scale, bias,
        channels, across, n, first + from * across, m, out,
      ]); // biome-ignore format: operands, then the result
      runner.run('depthwiseInt8', calls);
    },

    depthwiseF32(input, lineBytes, kernel, stride, weights, bias, channels, across, lines, first, m, out) {
      const calls = ranges(lines, threads, 1).map(([from, n]) => [
        input + from * stride * lineBytes, lineBytes, kernel, stride, weights, bias,
        channels, across, n, first + from * across, m, out,
      ]); // biome-ignore format: operands, then the result
      runner.run('depthwiseF32', calls);
    },
  };
}
