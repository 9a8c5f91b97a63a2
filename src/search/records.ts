/**
 * Int8 copies of unit vectors in a wasm memory that grows, and the two passes of a search over them: upper bounds of all
 * products with a query, and exact products of a few (docs/numerics.md, "Search").
 */
import type { Pointer } from '../engine/kernels.ts';
import { roundUp } from '../engine/numerics.ts';
import { ClipError } from '../errors.ts';
import { CODE_GROUP, CODE_MAX, QUERY_NUMBERS, RECORD_ERROR, RECORD_TAIL_BYTES } from './contract.ts';
import { type SearchKernels, searchKernels } from './kernels.ts';

const PAGE_BYTES = 65_536;
const MAX_PAGES = 65_536;
/** Records of one kernel call: a few megabytes, less than a millisecond. */
const BLOCK = 8192;
/** Vectors whose exact products are computed at once. */
export const EXACT_ROWS = 256;

/** A query as the kernels take it. */
export interface Query {
  /** Of length 1, padded with zeros: f32. */
  readonly vector: Float32Array;
  readonly codes: Int16Array;
  /** Scale, error and length: f64[3]. */
  readonly numbers: Float64Array;
}

interface Places {
  readonly query: Pointer;
  readonly codes: Pointer;
  readonly numbers: Pointer;
  readonly bounds: Pointer;
  readonly rows: Pointer;
  readonly products: Pointer;
  readonly records: Pointer;
}

export class Records {
  /** Numbers of a vector with its padding. */
  readonly #n: number;
  /** Codes of a record. */
  readonly #d: number;
  readonly #bytes: number;
  readonly #memory: WebAssembly.Memory;
  readonly #kernels: SearchKernels;
  readonly #places: Places;
  #floats: Float32Array;
  #count = 0;

  private constructor(dimension: number, places: Places, memory: WebAssembly.Memory, kernels: SearchKernels) {
    this.#n = roundUp(dimension, 4);
    this.#d = roundUp(dimension, CODE_GROUP);
    this.#bytes = this.#d + RECORD_TAIL_BYTES;
    this.#memory = memory;
    this.#kernels = kernels;
    this.#places = places;
    this.#floats = new Float32Array(memory.buffer);
  }

  /** @throws ClipError UNSUPPORTED where the runtime lacks WebAssembly SIMD or the memory */
  static async create(dimension: number): Promise<Records> {
    const [n, d] = [roundUp(dimension, 4), roundUp(dimension, CODE_GROUP)];
    let top = 64;
    const reserve = (bytes: number) => {
      const at = top;
      top = roundUp(top + bytes, 64);
      return at;
    };
    const places = {
      query: reserve(n * 4),
      codes: reserve(d * 2),
      numbers: reserve(QUERY_NUMBERS * 8),
      bounds: reserve(BLOCK * 4),
      rows: reserve(EXACT_ROWS * n * 4),
      products: reserve(EXACT_ROWS * 4),
      records: top,
    };
    const memory = new WebAssembly.Memory({ initial: Math.ceil(top / PAGE_BYTES), maximum: MAX_PAGES });
    return new Records(dimension, places, memory, await searchKernels(memory));
  }

  /** How many there are, those that were dropped included. */
  get count(): number {
    return this.#count;
  }

  /** The vector divided by its length; a zero vector stays zero. */
  normalized(vector: Float32Array): Float32Array {
    const at = this.#put(vector);
    this.#kernels.l2Normalize(at, this.#n);
    return this.#floats.slice(at / 4, at / 4 + vector.length);
  }

  /** Makes record i of a vector of length 1: one that is there, or the next. @throws ClipError UNSUPPORTED without memory */
  set(i: number, vector: Float32Array): void {
    if (i === this.#count) this.#reserve(i + 1);
    this.#kernels.quantizeVector(this.#put(vector), this.#n, this.#d, this.#record(i));
    this.#count = Math.max(this.#count, i + 1);
  }

  /** From now on, no query finds record i. */
  drop(i: number): void {
    this.#floats[(this.#record(i) + this.#d + RECORD_ERROR) / 4] = Number.NEGATIVE_INFINITY;
  }

  /** @param vector of length 1 */
  query(vector: Float32Array): Query {
    const { codes, numbers } = this.#places;
    // The sum of d products of i8 and i16 stays in i32.
    const most = Math.min(32_767, Math.floor((2 ** 31 - 1) / (CODE_MAX * this.#d)));
    const at = this.#put(vector);
    this.#kernels.quantizeQuery(at, this.#n, this.#d, most, codes, numbers);
    const { buffer } = this.#memory;
    return {
      vector: this.#floats.slice(at / 4, at / 4 + this.#n),
      codes: new Int16Array(buffer, codes, this.#d).slice(),
      numbers: new Float64Array(buffer, numbers, QUERY_NUMBERS).slice(),
    };
  }

  /** The numbers of records that `bounds` computes at once, from `first` on. */
  blockAt(first: number, count: number): number {
    return Math.min(BLOCK, count - first);
  }

  /** What no f32 product of the query with vectors first to first + n exceeds: f32[n] to `out` at `first`. */
  bounds(query: Query, first: number, n: number, out: Float32Array): void {
    const { codes, numbers, bounds } = this.#places;
    const { buffer } = this.#memory;
    // Another search may have been here since.
    new Int16Array(buffer, codes, this.#d).set(query.codes);
    new Float64Array(buffer, numbers, QUERY_NUMBERS).set(query.numbers);
    this.#kernels.upperBounds(this.#record(first), n, this.#d, codes, numbers, rounding(this.#n), bounds);
    out.set(this.#floats.subarray(bounds / 4, bounds / 4 + n), first);
  }

  /** Products of the query with n vectors, at most EXACT_ROWS: f32, in the order of additions that `nearest` has. */
  products(query: Query, vectors: Float32Array, dimension: number, n: number): Float32Array {
    const { query: at, rows, products } = this.#places;
    const floats = this.#floats;
    if (dimension === this.#n) floats.set(vectors.subarray(0, n * dimension), rows / 4);
    else {
      floats.fill(0, rows / 4, rows / 4 + n * this.#n);
      for (let i = 0; i < n; i++) {
        floats.set(vectors.subarray(i * dimension, (i + 1) * dimension), rows / 4 + i * this.#n);
      }
    }
    floats.set(query.vector, at / 4);
    this.#kernels.dotRows(rows, n, this.#n, at, products);
    return floats.slice(products / 4, products / 4 + n);
  }

  #record(i: number): Pointer {
    return this.#places.records + i * this.#bytes;
  }

  /** Puts a vector where one query or vector is worked on. */
  #put(vector: Float32Array): Pointer {
    const at = this.#places.query;
    this.#floats.fill(0, at / 4, at / 4 + this.#n);
    this.#floats.set(vector, at / 4);
    return at;
  }

  /** Grows by an eighth, so that adding stays linear. */
  #reserve(count: number): void {
    const pages = Math.ceil(this.#record(count) / PAGE_BYTES);
    const have = this.#memory.buffer.byteLength / PAGE_BYTES;
    if (pages <= have) return;
    const wanted = Math.min(MAX_PAGES, Math.max(pages, have + Math.ceil(have / 8)));
    try {
      if (pages > MAX_PAGES) throw new RangeError('WebAssembly addresses 4 GiB');
      this.#memory.grow(wanted - have);
    } catch (cause) {
      throw new ClipError('UNSUPPORTED', `this runtime cannot hold ${count} vectors: ${(cause as Error).message}`, {
        cause,
      });
    }
    this.#floats = new Float32Array(this.#memory.buffer);
  }
}

/**
 * The rounding of an f32 product of two vectors of length 1 (at most 1 + 2^-23 each), in four lanes of n / 4 products and two
 * more additions: at most m u / (1 - m u) with m = n / 4 + 2 and u = 2^-24 (Higham, Accuracy and Stability of Numerical
 * Algorithms, theorem 3.1 and lemma 3.1). 2^-21 covers what is left: the lengths beyond 1, f64 in the kernel, its result as f32.
 */
function rounding(n: number): number {
  const mu = (n / 4 + 2) * 2 ** -24;
  return mu / (1 - mu) + 2 ** -21;
}
