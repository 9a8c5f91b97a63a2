/** The graph's verbs in either precision: pack rows, normalise and pack, multiply. One object serves a whole model. */

import { TileTrial } from './autotuning.ts';
import type { Kernels, Pointer } from './kernels.ts';
import { GEMM_SCRATCH_BYTES, MAXIMUM_BYTES, Mode, ROW_GROUP, TABLE_BYTES } from './kernels.ts';
import type { MemoryPlan } from './memory.ts';
import { activationMax, roundUp } from './numerics.ts';

/** `int8`: int8 weights, i16 activations, exact integer sums. `f32`: multiply, then add, in order. */
export type Precision = 'int8' | 'f32';

/** A linear map's weights in kernel order: n outputs (padded to 8), k inputs. `scale` and `sum` only in int8. */
export interface Linear {
  readonly n: number;
  readonly k: number;
  readonly panels: Pointer;
  readonly scale: Pointer;
  readonly sum: Pointer;
  /** 0: no bias. */
  readonly bias: Pointer;
}

/** A LayerNorm's gamma and beta, f32[width]. */
export interface Norm {
  readonly weight: Pointer;
  readonly bias: Pointer;
}

/** Room for packed rows and their scales (assembly/packed-rows.ts). */
export interface RowBuffer {
  readonly data: Pointer;
  readonly scale: Pointer;
  /** What Strassen's products take instead of the rows (assembly/strassen.ts); 0: rows are multiplied as they are. */
  readonly halves: Pointer;
}

/** Fewer rows, or shorter ones, are never halved, nor are lengths that are no multiple of `step` (assembly/strassen.ts). */
const LEAST_HALVED = { m: 5 * ROW_GROUP, k: 256, step: 16 };
/** Rows from which on there are two levels. */
const LEAST_QUARTERED = 20 * ROW_GROUP;
/** The products of a level. */
const PRODUCTS = 7;

/** m packed rows of k values; `scale` 0 means that the scale is folded into the weights. */
export interface PackedRows extends RowBuffer {
  readonly m: number;
}

/** Where and how `linear` writes: row stride in bytes, columns in slabs (a slab a head), what to do with the sums. */
export interface Output {
  /** Bytes from row to row; default n * 4, a dense matrix. */
  stride?: number;
  /** Columns a slab and bytes from slab to slab; default one slab of all columns. */
  slab?: { columns: number; stride: number };
  /** Rows a line of an image and the padding bytes after each line; default none. */
  line?: { width: number; gap: number };
  /** Sum of `Mode` flags; default none. */
  mode?: number;
  /** Where each row's largest magnitude goes, for `pack`: MAXIMUM_BYTES a row, at most ROW_BLOCK rows (int8 only). */
  maxima?: Pointer;
}

export class Arithmetic {
  readonly kernels: Kernels;
  readonly precision: Precision;
  /** The first thread's scratch. */
  readonly scratch: Pointer;
  /** Which form of the tile `linear` takes. */
  readonly trial: TileTrial;

  constructor(kernels: Kernels, precision: Precision, scratch: Pointer, trial = new TileTrial()) {
    this.kernels = kernels;
    this.precision = precision;
    this.scratch = scratch;
    this.trial = trial;
  }

  /** Bytes of scratch one thread needs, for rows and windows of at most `width` values and `keys` attention scores. */
  static scratchBytes(width: number, keys: number): number {
    return Math.max(
      GEMM_SCRATCH_BYTES + 24 * roundUp(width, 4),
      ROW_GROUP * (width * 4 + MAXIMUM_BYTES),
      TABLE_BYTES + 2 * roundUp(keys, 4) * 4,
    );
  }

  /** Reserves room for m packed rows of k values. */
  static reserveRows(plan: MemoryPlan, name: string, precision: Precision, m: number, k: number): RowBuffer {
    const int8 = precision === 'int8';
    const bytes = roundUp(m, ROW_GROUP) * roundUp(k, 4) * (int8 ? 2 : 4);
    // One level makes seven quarters of the rows, two make 49 sixteenths.
    const halves = bytes * (m < LEAST_QUARTERED ? 7 / 4 : 49 / 16);
    const worth = int8 && m >= LEAST_HALVED.m && k >= LEAST_HALVED.k && k % LEAST_HALVED.step === 0;
    return {
      data: plan.reserve(name, bytes),
      scale: int8 ? plan.reserve(name, m * 4) : 0,
      halves: worth ? plan.reserve(name, halves) : 0,
    };
  }

  /** The rows that stand in a buffer; of int8 rows, with what Strassen's products need. */
  packed(rows: RowBuffer, m: number, k: number): PackedRows {
    if (rows.halves !== 0 && m >= LEAST_HALVED.m) this.kernels.strassenRows(rows.data, m, k, 0, PRODUCTS, rows.halves);
    return { ...rows, m };
  }

  /** Packs m dense rows of k f32 at x; k a multiple of 4. `maxima`: what `linear` left there, or 0. */
  pack(x: Pointer, m: number, k: number, into: RowBuffer, maxima: Pointer = 0): PackedRows {
    if (this.precision === 'int8') {
      this.kernels.quantizeRows(x, k * 4, m, k, activationMax(k), into.data, into.scale, maxima);
    } else {
      this.kernels.packRows(x, k * 4, m, k, into.data);
    }
    return this.packed(into, m, k);
  }

  /** LayerNorm of m rows of k f32 at x, packed; x itself stays. */
  norm(x: Pointer, m: number, k: number, norm: Norm, eps: number, into: RowBuffer): PackedRows {
    const { weight, bias } = norm;
    if (this.precision === 'int8') {
      const aMax = activationMax(k);
      this.kernels.layerNormQuantize(x, k * 4, m, k, weight, bias, eps, aMax, into.data, into.scale, this.scratch);
    } else {
      this.kernels.layerNormPack(x, k * 4, m, k, weight, bias, eps, into.data, this.scratch);
    }
    return this.packed(into, m, k);
  }

  /** c = activation(a w + bias), or c += that (`Mode.add`). */
  linear(a: PackedRows, w: Linear, c: Pointer, output: Output = {}): void {
    const { stride = w.n * 4, mode = Mode.none, maxima = 0 } = output;
    const { columns, stride: slabStride } = output.slab ?? { columns: w.n, stride: 0 };
    const { width, gap } = output.line ?? { width: a.m, gap: 0 };
    const { kernels, scratch } = this;
    const { panels, scale, sum, bias, n } = w;
    this.trial.run(a.m, n, w.k, (form) => {
      if (this.precision === 'int8') {
        const k = roundUp(w.k, 4);
        kernels.gemmInt8(
          a.data, a.scale, a.halves, panels, scale, sum, bias, a.m, n, k, c, stride, width, gap, columns, slabStride, mode | form, scratch, maxima,
        ); // biome-ignore format: one line of operands, one of the result
      } else {
        kernels.gemmF32(
          a.data, panels, bias, a.m, n, w.k, c, stride, width, gap, columns, slabStride, mode | form, scratch,
        ); // biome-ignore format: as above
      }
    });
  }

  /** Columns [from, from + n) of a linear map; both multiples of 8. */
  columns(w: Linear, from: number, n: number): Linear {
    const cell = this.precision === 'int8' ? roundUp(w.k, 4) : w.k * 4;
    const at = (p: Pointer) => (p === 0 ? 0 : p + from * 4);
    return { n, k: w.k, panels: w.panels + from * cell, scale: at(w.scale), sum: at(w.sum), bias: at(w.bias) };
  }

  /** Attention of `rows` query rows over the lists of keys they see; see assembly/attention.ts. */
  attention(
    q: Pointer,
    k: Pointer,
    v: Pointer,
    heads: number,
    headDim: number,
    slabs: { q: number; kv: number },
    out: Pointer,
    rows: number,
    lists: KeyLists,
  ): void {
    const { starts, lengths, entries } = lists;
    this.kernels.attention(
      q,
      k,
      v,
      heads,
      slabs.q,
      slabs.kv,
      out,
      heads * headDim * 4,
      rows,
      headDim,
      starts,
      lengths,
      entries,
      1 / Math.sqrt(headDim),
      this.scratch,
    );
  }
}

/** Which keys a query row sees: entries[starts[r] .. starts[r] + lengths[r]), all i32. */
export interface KeyLists {
  readonly starts: Pointer;
  readonly lengths: Pointer;
  readonly entries: Pointer;
}
