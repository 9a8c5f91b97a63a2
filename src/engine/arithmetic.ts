/** The graph's operations in either precision: pack rows, normalize and pack, multiply, attend. One object serves a whole model. */

import { TileAutotuner } from './autotuning.ts';
import { type Kernels, Mode } from './calls.ts';
import {
  CONSTANTS_BYTES,
  GEMM_KEPT_BYTES_PER_K,
  GEMM_SCRATCH_BYTES,
  HALVED_GROUPS,
  HALVED_K,
  HALVED_K_STEP,
  MAXIMUM_BYTES,
  QUARTERED_GROUPS,
  ROW_GROUP,
  STRASSEN_PRODUCTS,
} from './contract.ts';
import type { Pointer } from './kernels.ts';
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
  /** Left operands of Strassen's products (assembly/strassen.ts); 0: rows are multiplied as they are. */
  readonly halves: Pointer;
}

/** m packed rows of k values; `scale` 0 means that the scale is folded into the weights. */
export interface PackedRows extends RowBuffer {
  readonly m: number;
}

/** Where and how `linear` writes: row stride in bytes, columns in slabs (one for each head), what to do with the sums. */
export interface Output {
  /** Bytes from row to row; default n * 4, a dense matrix. */
  stride?: number;
  /** Columns in a slab and bytes from slab to slab; default one slab of all columns. */
  slab?: { columns: number; stride: number };
  /** Rows in a line of an image and the padding bytes after each line; default none. */
  line?: { width: number; gap: number };
  /** Sum of `Mode` flags; default none. */
  mode?: number;
  /** Where each row's largest magnitude goes, for `pack`: MAXIMUM_BYTES a row, at most ROW_BLOCK rows (int8 only). */
  maxima?: Pointer;
}

/** Which keys a query row sees: entries[starts[r] .. starts[r] + lengths[r]), all i32. */
export interface KeyLists {
  readonly starts: Pointer;
  readonly lengths: Pointer;
  readonly entries: Pointer;
}

/** Operands of attention: one slab for each head, `qSlab` and `kvSlab` bytes apart. */
export interface Attention {
  /** f32 [heads][rows, headDim]. */
  readonly q: Pointer;
  /** f32 [heads][keys, headDim]. */
  readonly k: Pointer;
  readonly v: Pointer;
  readonly heads: number;
  readonly headDim: number;
  readonly qSlab: number;
  readonly kvSlab: number;
  /** f32 [rows, heads * headDim]. */
  readonly out: Pointer;
  readonly rows: number;
  readonly lists: KeyLists;
  /** Of the scores; default headDim^-0.5. */
  readonly scale?: number;
}

/** An image for 3x3 convolutions: f32, with a border of one pixel of zeros; `across` windows a line. */
export interface BorderedImage {
  readonly at: Pointer;
  readonly lineBytes: number;
  readonly channels: number;
  readonly across: number;
}

/** Whether Strassen's products may be used for m rows of k values (engine/contract.ts). */
const isHalved = (m: number, k: number) => m >= HALVED_GROUPS * ROW_GROUP && k >= HALVED_K && k % HALVED_K_STEP === 0;

/** @internal */
export class Arithmetic {
  readonly kernels: Kernels;
  readonly precision: Precision;
  /** The first thread's scratch. */
  readonly scratch: Pointer;
  /** Chooses the tile variant that `linear` uses. */
  readonly autotuner: TileAutotuner;

  constructor(kernels: Kernels, precision: Precision, scratch: Pointer, autotuner = new TileAutotuner()) {
    this.kernels = kernels;
    this.precision = precision;
    this.scratch = scratch;
    this.autotuner = autotuner;
  }

  /** Bytes of scratch one thread needs, for rows and windows of at most `width` values and `keys` attention scores. */
  static scratchBytes(width: number, keys: number): number {
    return Math.max(
      GEMM_SCRATCH_BYTES + GEMM_KEPT_BYTES_PER_K * roundUp(width, 4),
      ROW_GROUP * (width * 4 + MAXIMUM_BYTES),
      CONSTANTS_BYTES + 2 * roundUp(keys, 4) * 4,
    );
  }

  /** Reserves room for m packed rows of k values, for each m and k; one of them at a time. */
  static reserveRows(
    plan: MemoryPlan,
    name: string,
    precision: Precision,
    shapes: readonly (readonly [m: number, k: number])[],
  ): RowBuffer {
    const int8 = precision === 'int8';
    const most = (bytes: (m: number, k: number) => number) => Math.max(...shapes.map(([m, k]) => bytes(m, k)));
    const data = (m: number, k: number) => roundUp(m, ROW_GROUP) * roundUp(k, 4) * (int8 ? 2 : 4);
    // One level makes seven quarters of the rows, two make 49 sixteenths.
    const growth = (m: number) => (STRASSEN_PRODUCTS / 4) ** (m < QUARTERED_GROUPS * ROW_GROUP ? 1 : 2);
    const halves = int8 ? most((m, k) => (isHalved(m, k) ? data(m, k) * growth(m) : 0)) : 0;
    return {
      data: plan.reserve(name, most(data)),
      scale: int8
        ? plan.reserve(
            name,
            most((m) => m * 4),
          )
        : 0,
      halves: halves > 0 ? plan.reserve(name, halves) : 0,
    };
  }

  /** The rows in a buffer; for int8 rows, with the operands of Strassen's products where they pay. */
  packed(rows: RowBuffer, m: number, k: number): PackedRows {
    if (rows.halves === 0 || !isHalved(m, k)) return { ...rows, halves: 0, m };
    this.kernels.strassenRows({ a: rows.data, m, k, first: 0, count: STRASSEN_PRODUCTS, out: rows.halves });
    return { ...rows, m };
  }

  /** Packs m dense rows of k f32 at x; k a multiple of 4. `maxima`: what `linear` left there, or 0. */
  pack(x: Pointer, m: number, k: number, into: RowBuffer, maxima: Pointer = 0): PackedRows {
    const { data, scale } = into;
    const stride = k * 4;
    if (this.precision === 'int8') {
      this.kernels.quantizeRows({ x, stride, m, k, aMax: activationMax(k), out: data, scale, maxima });
    } else {
      this.kernels.packRows({ x, stride, m, k, out: data });
    }
    return this.packed(into, m, k);
  }

  /** Windows [first, first + m) of an image, packed: rows of 9 * channels values, as [y][x][channel]. */
  windows(image: BorderedImage, first: number, m: number, into: RowBuffer): PackedRows {
    const { at, lineBytes, channels, across } = image;
    const { data: out, scale } = into;
    const k = 9 * channels;
    const call = { image: at, lineBytes, channels, across, first, m, aMax: activationMax(k), out, scale };
    if (this.precision === 'int8') this.kernels.windowsInt8(call);
    else this.kernels.windowsF32(call);
    return this.packed(into, m, k);
  }

  /** LayerNorm of m rows of k f32 at x, packed; x itself stays. */
  norm(x: Pointer, m: number, k: number, norm: Norm, eps: number, into: RowBuffer): PackedRows {
    const { kernels, scratch } = this;
    const { data: out, scale } = into;
    const { weight: gamma, bias: beta } = norm;
    const stride = k * 4;
    // Written out: spreading an object costs as much as a small kernel.
    if (this.precision === 'int8') {
      kernels.layerNormQuantize({ x, stride, m, k, gamma, beta, eps, aMax: activationMax(k), out, scale, scratch });
    } else {
      kernels.layerNormPack({ x, stride, m, k, gamma, beta, eps, out, scratch });
    }
    return this.packed(into, m, k);
  }

  /** c = activation(a w + bias), or c += that (`Mode.add`). */
  linear(a: PackedRows, w: Linear, c: Pointer, output: Output = {}): void {
    const { kernels, scratch } = this;
    const { m } = a;
    const { n, bias } = w;
    const { stride: ldc = n * 4, mode = Mode.none, maxima = 0 } = output;
    const { columns: slab, stride: slabStride } = output.slab ?? { columns: n, stride: 0 };
    const { width, gap } = output.line ?? { width: m, gap: 0 };
    this.autotuner.run(m, n, w.k, (variant) => {
      const call = {
        a: a.data,
        aScale: a.scale,
        aHalves: a.halves,
        b: w.panels,
        bScale: w.scale,
        bSum: w.sum,
        bias,
        m,
        n,
        k: this.precision === 'int8' ? roundUp(w.k, 4) : w.k,
        c,
        ldc,
        width,
        gap,
        slab,
        slabStride,
        mode: mode | variant,
        scratch,
        maxima,
      };
      if (this.precision === 'int8') kernels.gemmInt8(call);
      else kernels.gemmF32(call);
    });
  }

  /** Columns [from, from + n) of a linear map; both multiples of 8. */
  columns(w: Linear, from: number, n: number): Linear {
    const cell = this.precision === 'int8' ? roundUp(w.k, 4) : w.k * 4;
    const at = (p: Pointer) => (p === 0 ? 0 : p + from * 4);
    return { n, k: w.k, panels: w.panels + from * cell, scale: at(w.scale), sum: at(w.sum), bias: at(w.bias) };
  }

  /** Scaled dot-product attention of `rows` query rows over the keys that their lists name (assembly/attention.ts). */
  attention(call: Attention): void {
    const { q, k, v, heads, headDim, qSlab, kvSlab, out, rows, lists, scale = 1 / Math.sqrt(headDim) } = call;
    this.kernels.attention({
      q,
      k,
      v,
      heads,
      qSlab,
      kvSlab,
      out,
      ldo: heads * headDim * 4,
      rows,
      headDim,
      starts: lists.starts,
      lengths: lists.lengths,
      lists: lists.entries,
      scale,
      scratch: this.scratch,
    });
  }
}
