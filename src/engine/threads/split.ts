/**
 * Kernel calls cut into parts for several threads. Each part writes its own columns, rows, heads or lines with the very
 * arithmetic of the whole call, so no result depends on the number of parts.
 */
import { type Call, type Kernels, Mode } from '../calls.ts';
import { MAXIMUM_BYTES, PANEL_COLUMNS, QUARTERED_COLUMNS, ROW_BLOCK, ROW_GROUP } from '../contract.ts';
import type { Pointer } from '../kernels.ts';
import { partsFor } from './control.ts';
import type { ThreadedKernel } from './steps.ts';

/** Where parts of calls go: to a pool that runs them, or into a program that is recorded. */
export interface PartRunner {
  /** Threads that there will be. */
  readonly threads: number;
  /** Calls in one part. */
  readonly own: Kernels;
  /** One call, given its parts (at most `partsFor(threads)`). */
  run<K extends ThreadedKernel>(kernel: K, parts: readonly Call<K>[]): void;
}

/** Least multiplications in a part of a GEMM but the last: four microseconds, of which taking the part is half of one. */
const LEAST_PRODUCTS = 150_000;
/** Least values in a part of what only passes over rows, but the last. */
const LEAST_VALUES = 2048;

/** Where a part begins, and how much it has. */
type Range = readonly [from: number, length: number];

/** Bytes of the row maxima of one part: at most ROW_BLOCK rows. */
const MAXIMA_BYTES = ROW_BLOCK * MAXIMUM_BYTES;

/** The pointer to a row's or column's number in a vector that may be absent. */
const element = (vector: Pointer, i: number): Pointer => (vector === 0 ? 0 : vector + i * 4);

/**
 * Cuts [0, n) for `threads` threads into ranges whose bounds are multiples of `step`: each takes a share of what is left, so
 * they get shorter, and the last thread makes the others wait for a short one only (guided self-scheduling, Polychronopoulos
 * and Kuck 1987, with half of their share, for threads that are delayed).
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

/** A GEMM may be cut between groups of rows, and in a padded image between lines: ROW_GROUP is a prime. */
function rowStep(width: number, gap: number): number {
  if (gap === 0) return ROW_GROUP;
  return width % ROW_GROUP === 0 ? width : width * ROW_GROUP;
}

/** A part of a GEMM: which rows and columns, the columns of its slabs, and its first byte from C's. */
interface GemmPart {
  readonly rows: Range;
  readonly columns: Range;
  readonly slab: number;
  readonly offset: number;
}

/** The least multiple of `step` that is at least `least`. */
const atLeast = (least: number, step: number) => Math.max(1, Math.ceil(least / step)) * step;

/** This many query rows, or steps of a product's rows, for each thread are enough to cut there. */
const ENOUGH = 4;
/** Query rows that attention takes together. */
const ATTENDED_ROWS = 2;

/** What a GEMM's cut depends on; either precision. */
type GemmShape = Pick<Call<'gemmF32'>, 'm' | 'n' | 'k' | 'ldc' | 'width' | 'gap' | 'slab' | 'slabStride'>;

/**
 * Cuts C[m, n] = A[m, k] B[k, n], of `cell` bytes a value: by rows where that moves less memory (many pixels, few channels)
 * and there are enough, else by columns, whole slabs at a time where there are several. `halved`: Strassen's halves are
 * used, whose columns should stay together in fours and whose rows must.
 */
function cutGemm(threads: number, shape: GemmShape, cell: number, halved: boolean): GemmPart[] {
  const { m, n, k, ldc, width, gap, slab, slabStride } = shape;
  const step = rowStep(width, gap);
  if (m > n && !halved && m >= ENOUGH * step * threads) {
    return ranges(m, threads, atLeast(LEAST_PRODUCTS / (n * k), step)).map((rows) => {
      const offset = rows[0] * ldc + Math.floor(rows[0] / width) * gap;
      return { rows, columns: [0, n], slab, offset };
    });
  }
  const unit = slabStride !== 0 ? slab : halved ? QUARTERED_COLUMNS : PANEL_COLUMNS;
  return ranges(n, threads, atLeast(LEAST_PRODUCTS / (m * k), unit)).map((columns) => {
    if (slabStride !== 0) return { rows: [0, m], columns, slab, offset: (columns[0] / slab) * slabStride };
    return { rows: [0, m], columns, slab: columns[1], offset: columns[0] * cell };
  });
}

/** Where packed rows of k values go from a row on, and their scales. */
const int8Rows = ({ out, scale }: { out: Pointer; scale: Pointer }, k: number, row: number) => ({
  out: out + row * k * 2,
  scale: scale + row * 4,
});
const f32Rows = ({ out }: { out: Pointer }, k: number, row: number) => ({ out: out + row * k * 4 });

export function splitKernels(runner: PartRunner): Kernels {
  const { own, threads } = runner;
  /** Rows in whole groups. */
  const groups = (m: number, k: number) => ranges(m, threads, atLeast(LEAST_VALUES / k, ROW_GROUP));
  /** Parts of a pass over rows of x; `rest` says what else differs in the part that begins at a row. */
  const rowParts = <C extends { x: Pointer; stride: number; m: number; k: number }>(
    call: C,
    rest?: (row: number) => Partial<C>,
  ) => groups(call.m, call.k).map(([row, m]) => ({ ...call, x: call.x + row * call.stride, m, ...rest?.(row) }));
  /** Parts of a convolution by output lines: the lines before a part shift its first row. */
  const lineParts = <C extends { lines: number; across: number; firstRow: number }>(
    call: C,
    rest: (line: number) => Partial<C>,
  ) =>
    ranges(call.lines, threads, 1).map(([line, lines]) => ({
      ...call,
      lines,
      firstRow: call.firstRow + line * call.across,
      ...rest(line),
    }));

  return {
    ...own,

    gemmInt8(call) {
      const { m, k, maxima } = call;
      const cut = cutGemm(threads, call, call.mode & Mode.fixed ? 2 : 4, call.aHalves !== 0);
      const parts = cut.map(({ rows: [row, rows], columns: [column, columns], slab, offset }, i) => ({
        ...call,
        a: call.a + row * k * 2,
        aScale: element(call.aScale, row),
        b: call.b + column * k,
        bScale: element(call.bScale, column),
        bSum: element(call.bSum, column),
        bias: element(call.bias, column),
        m: rows,
        n: columns,
        c: call.c + offset,
        slab,
        // Parts of the same rows have maxima of their own, to be joined; parts of other rows write theirs in place.
        maxima: maxima === 0 ? 0 : maxima + (rows === m ? i * MAXIMA_BYTES : row * MAXIMUM_BYTES),
      }));
      runner.run('gemmInt8', parts);
      if (maxima !== 0 && parts.length > 1 && parts[0]!.m === m) {
        own.joinMaxima({ maxima, m, sets: parts.length, stride: MAXIMA_BYTES });
      }
    },

    gemmF32(call) {
      const { k } = call;
      const parts = cutGemm(threads, call, 4, false).map(
        ({ rows: [row, rows], columns: [column, columns], slab, offset }) => ({
          ...call,
          a: call.a + row * k * 4,
          b: call.b + column * k * 4,
          bias: element(call.bias, column),
          m: rows,
          n: columns,
          c: call.c + offset,
          slab,
        }),
      );
      runner.run('gemmF32', parts);
    },

    quantizeRows(call) {
      const { k, maxima } = call;
      const parts = rowParts(call, (row) => ({
        ...int8Rows(call, k, row),
        maxima: maxima === 0 ? 0 : maxima + row * MAXIMUM_BYTES,
      }));
      runner.run('quantizeRows', parts);
    },

    strassenRows(call) {
      const parts = ranges(call.count, threads, 1).map(([from, count]) => ({
        ...call,
        first: call.first + from,
        count,
      }));
      runner.run('strassenRows', parts);
    },

    packRows(call) {
      const parts = rowParts(call, (row) => f32Rows(call, call.k, row));
      runner.run('packRows', parts);
    },

    layerNorm(call) {
      runner.run('layerNorm', rowParts(call));
    },

    layerNormQuantize(call) {
      const parts = rowParts(call, (row) => int8Rows(call, call.k, row));
      runner.run('layerNormQuantize', parts);
    },

    layerNormPack(call) {
      const parts = rowParts(call, (row) => f32Rows(call, call.k, row));
      runner.run('layerNormPack', parts);
    },

    attention(call) {
      const { q, k, v, heads, qSlab, kvSlab, out, ldo, rows, headDim, starts, lengths } = call;
      const parts =
        rows < ENOUGH * threads
          ? ranges(heads, threads, 1).map(([head, n]) => ({
              ...call,
              q: q + head * qSlab,
              k: k + head * kvSlab,
              v: v + head * kvSlab,
              heads: n,
              out: out + head * headDim * 4,
            }))
          : ranges(rows, threads, ATTENDED_ROWS).map(([row, n]) => ({
              ...call,
              q: q + row * headDim * 4,
              out: out + row * ldo,
              rows: n,
              starts: starts + row * 4,
              lengths: lengths + row * 4,
            }));
      runner.run('attention', parts);
    },

    gatherInt8(call) {
      const parts = lineParts(call, (line) => ({ firstLine: call.firstLine + line }));
      runner.run('gatherInt8', parts);
    },

    gatherF32(call) {
      const parts = lineParts(call, (line) => ({ firstLine: call.firstLine + line }));
      runner.run('gatherF32', parts);
    },

    windowsInt8(call) {
      const { channels, first, m } = call;
      const k = 9 * channels;
      const parts = groups(m, k).map(([row, rows]) => ({
        ...call,
        first: first + row,
        m: rows,
        ...int8Rows(call, k, row),
      }));
      runner.run('windowsInt8', parts);
    },

    windowsF32(call) {
      const { channels, first, m } = call;
      const k = 9 * channels;
      const parts = groups(m, k).map(([row, rows]) => ({
        ...call,
        first: first + row,
        m: rows,
        ...f32Rows(call, k, row),
      }));
      runner.run('windowsF32', parts);
    },

    averagePool(call) {
      const { x, across, channels, lines, out } = call;
      const line = across * channels * 4;
      const step = atLeast(LEAST_VALUES / (4 * across * channels), 1);
      const parts = ranges(lines, threads, step).map(([from, n]) => ({
        ...call,
        x: x + from * 4 * line,
        lines: n,
        out: out + from * line,
      }));
      runner.run('averagePool', parts);
    },

    depthwiseInt8(call) {
      const { input, stride, lineBytes } = call;
      const parts = lineParts(call, (line) => ({ input: input + line * stride * lineBytes }));
      runner.run('depthwiseInt8', parts);
    },

    depthwiseF32(call) {
      const { input, stride, lineBytes } = call;
      const parts = lineParts(call, (line) => ({ input: input + line * stride * lineBytes }));
      runner.run('depthwiseF32', parts);
    },
  };
}
