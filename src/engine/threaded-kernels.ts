/**
 * The kernels on all threads of a pool. Every part writes its own columns, rows, heads or lines with the very arithmetic
 * of the whole, so no result depends on how many parts there are.
 */
import { type Kernels, MAXIMUM_BYTES, Mode, type Pointer, ROW_BLOCK, ROW_GROUP } from './kernels.ts';
import { partsFor, type ThreadPool } from './threads.ts';

/** Fewer multiplications than this are done sooner than a second thread wakes. */
const WORTH_SPLITTING = 100_000;

/** Where a part begins, and how much it has. */
type Range = readonly [from: number, length: number];

/** Bytes of the row maxima of one part: at most ROW_BLOCK rows. */
const MAXIMA_BYTES = ROW_BLOCK * MAXIMUM_BYTES;

/** The maxima of m rows over the columns of all parts, into the first part's. */
function joinMaxima(floats: Float32Array, maxima: Pointer, m: number, parts: number): void {
  const first = maxima / 4;
  for (let part = 1; part < parts; part++) {
    const own = first + (part * MAXIMA_BYTES) / 4;
    for (let i = 0; i < m * 4; i++) floats[first + i] = Math.max(floats[first + i]!, floats[own + i]!);
  }
}

/** The pointer to a row's or column's number, where there are any. */
const offset = (vector: Pointer, i: number): Pointer => (vector === 0 ? 0 : vector + i * 4);

/** Cuts [0, n) into at most `parts` ranges whose bounds are multiples of `step`, as even as can be. */
export function ranges(n: number, parts: number, step: number): Range[] {
  const steps = Math.ceil(n / step);
  const count = Math.min(parts, steps);
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor((steps * i) / count) * step;
    return [from, Math.min(n, Math.floor((steps * (i + 1)) / count) * step) - from];
  });
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

/** Columns that two levels of Strassen's halves take together (assembly/strassen.ts). */
const HALVED_COLUMNS = 32;

/**
 * Cuts C[m, n], of `cell` bytes a value, into at most `count` parts: by rows where that moves less memory (many pixels, few
 * channels) and gives so many, else by columns, whole slabs at a time where there are several. `together`: columns that
 * should not be parted, and rows that must not be; 0 for none.
 */
function cutGemm(count: number, m: number, n: number, cell: number, geometry: Geometry, together = 0): GemmPart[] {
  const { ldc, width, gap, slab, slabStride } = geometry;
  const step = rowStep(width, gap);
  if (m > n && together === 0 && m >= step * count) {
    return ranges(m, count, step).map((rows) => {
      const out = rows[0] * ldc + Math.floor(rows[0] / width) * gap;
      return { rows, columns: [0, n], slab, out };
    });
  }
  if (slabStride !== 0) {
    return ranges(n, count, slab).map((columns) => {
      return { rows: [0, m], columns, slab, out: (columns[0] / slab) * slabStride };
    });
  }
  return ranges(n, count, Math.max(8, together)).map((columns) => ({
    rows: [0, m],
    columns,
    slab: columns[1],
    out: columns[0] * cell,
  }));
}

export function threadedKernels(pool: ThreadPool): Kernels {
  const { own } = pool;
  const count = partsFor(pool.count);
  /** Rows in whole groups. */
  const groups = (m: number) => ranges(m, count, ROW_GROUP);

  return {
    ...own,

    // biome-ignore format: operands, then the result
    gemmInt8(
      a, aScale, aHalves, b, bScale, bSum, bias, m, n, k,
      c, ldc, width, gap, slab, slabStride, mode, scratch, maxima,
    ) {
      if (m * n * k < WORTH_SPLITTING) {
        own.gemmInt8(a, aScale, aHalves, b, bScale, bSum, bias, m, n, k, c, ldc, width, gap, slab, slabStride, mode, scratch, maxima); // biome-ignore format: as it came
        return;
      }
      const together = aHalves === 0 ? 0 : HALVED_COLUMNS;
      const cut = cutGemm(count, m, n, mode & Mode.fixed ? 2 : 4, { ldc, width, gap, slab, slabStride }, together);
      const parts = cut.map(({ rows, columns, slab, out }, i) => {
        // Parts of the same rows have maxima of their own, to be joined; parts of other rows write theirs in place.
        const at = rows[1] === m ? i * MAXIMA_BYTES : rows[0] * MAXIMUM_BYTES;
        return [
          a + rows[0] * k * 2, offset(aScale, rows[0]), aHalves,
          b + columns[0] * k, offset(bScale, columns[0]), offset(bSum, columns[0]), offset(bias, columns[0]),
          rows[1], columns[1], k, c + out, ldc, width, gap, slab, slabStride, mode, scratch, maxima === 0 ? 0 : maxima + at,
        ]; // biome-ignore format: operands, then the result
      });
      pool.run('gemmInt8', parts);
      if (maxima !== 0 && cut[0]!.rows[1] === m) joinMaxima(pool.floats, maxima, m, parts.length);
    },

    gemmF32(a, b, bias, m, n, k, c, ldc, width, gap, slab, slabStride, mode, scratch) {
      if (m * n * k < WORTH_SPLITTING) {
        own.gemmF32(a, b, bias, m, n, k, c, ldc, width, gap, slab, slabStride, mode, scratch);
        return;
      }
      const parts = cutGemm(count, m, n, 4, { ldc, width, gap, slab, slabStride }).map(({ rows, columns, slab, out }) => [
        a + rows[0] * k * 4, b + columns[0] * k * 4, offset(bias, columns[0]),
        rows[1], columns[1], k, c + out, ldc, width, gap, slab, slabStride, mode, scratch,
      ]); // biome-ignore format: operands, then the result
      pool.run('gemmF32', parts);
    },

    quantizeRows(x, stride, m, k, aMax, out, scale, maxima) {
      const parts = groups(m).map(([from, rows]) => {
        const ownMaxima = maxima === 0 ? 0 : maxima + from * MAXIMUM_BYTES;
        return [x + from * stride, stride, rows, k, aMax, out + from * k * 2, scale + from * 4, ownMaxima];
      });
      pool.run('quantizeRows', parts);
    },

    strassenRows(a, m, k, first, products, out) {
      const parts = ranges(products, count, 1).map(([from, n]) => [a, m, k, first + from, n, out]);
      pool.run('strassenRows', parts);
    },

    packRows(x, stride, m, k, out) {
      const parts = groups(m).map(([from, rows]) => [x + from * stride, stride, rows, k, out + from * k * 4]);
      pool.run('packRows', parts);
    },

    layerNorm(x, stride, m, k, gamma, beta, eps) {
      const parts = groups(m).map(([from, rows]) => [x + from * stride, stride, rows, k, gamma, beta, eps]);
      pool.run('layerNorm', parts);
    },

    layerNormQuantize(x, stride, m, k, gamma, beta, eps, aMax, out, scale, scratch) {
      const parts = groups(m).map(([from, rows]) => [
        x + from * stride, stride, rows, k, gamma, beta, eps, aMax,
        out + from * k * 2, scale + from * 4, scratch,
      ]); // biome-ignore format: operands, then the result
      pool.run('layerNormQuantize', parts);
    },

    layerNormPack(x, stride, m, k, gamma, beta, eps, out, scratch) {
      const parts = groups(m).map(([from, rows]) => [
        x + from * stride, stride, rows, k, gamma, beta, eps, out + from * k * 4, scratch,
      ]); // biome-ignore format: operands, then the result
      pool.run('layerNormPack', parts);
    },

    attention(q, k, v, heads, qSlab, kvSlab, out, ldo, rows, headDim, starts, lengths, lists, scale, scratch) {
      if (rows < count) {
        const parts = ranges(heads, count, 1).map(([from, n]) => [
          q + from * qSlab, k + from * kvSlab, v + from * kvSlab, n, qSlab, kvSlab, out + from * headDim * 4, ldo,
          rows, headDim, starts, lengths, lists, scale, scratch,
        ]); // biome-ignore format: operands, then the result
        pool.run('attention', parts);
      } else {
        const parts = ranges(rows, count, 1).map(([from, n]) => [
          q + from * headDim * 4, k, v, heads, qSlab, kvSlab, out + from * ldo, ldo,
          n, headDim, starts + from * 4, lengths + from * 4, lists, scale, scratch,
        ]); // biome-ignore format: operands, then the result
        pool.run('attention', parts);
      }
    },

    gatherInt8(image, lineBytes, window, stride, across, firstLine, lines, kPadded, first, m, out, scratch) {
      const parts = ranges(lines, count, 1).map(([from, n]) => [
        image, lineBytes, window, stride, across, firstLine + from, n, kPadded, first + from * across, m, out, scratch,
      ]); // biome-ignore format: operands, then the result
      pool.run('gatherInt8', parts);
    },

    gatherF32(image, lineBytes, window, stride, across, firstLine, lines, first, m, out, scratch) {
      const parts = ranges(lines, count, 1).map(([from, n]) => [
        image, lineBytes, window, stride, across, firstLine + from, n, first + from * across, m, out, scratch,
      ]); // biome-ignore format: operands, then the result
      pool.run('gatherF32', parts);
    },

    depthwiseInt8(input, lineBytes, kernel, stride, weights, scale, bias, channels, across, lines, first, m, out) {
      const parts = ranges(lines, count, 1).map(([from, n]) => [
        input + from * stride * lineBytes, lineBytes, kernel, stride, weights, scale, bias,
        channels, across, n, first + from * across, m, out,
      ]); // biome-ignore format: operands, then the result
      pool.run('depthwiseInt8', parts);
    },

    depthwiseF32(input, lineBytes, kernel, stride, weights, bias, channels, across, lines, first, m, out) {
      const parts = ranges(lines, count, 1).map(([from, n]) => [
        input + from * stride * lineBytes, lineBytes, kernel, stride, weights, bias,
        channels, across, n, first + from * across, m, out,
      ]); // biome-ignore format: operands, then the result
      pool.run('depthwiseF32', parts);
    },
  };
}
