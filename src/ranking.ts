/** Cosines of one vector with many by the ranking kernels, and softmax over them: the same bits in every runtime. */

import type { Kernels } from './engine/calls.ts';
import { compiledKernels } from './engine/compiled.ts';
import { CONSTANTS_BYTES } from './engine/contract.ts';
import { instantiateKernels, type Pointer } from './engine/kernels.ts';
import { MemoryPlan } from './engine/memory.ts';
import { roundUp } from './engine/numerics.ts';

/** Where things are in a ranking's memory; `table`: the constants of softmax. */
interface Places {
  readonly rows: Pointer;
  readonly query: Pointer;
  readonly similarities: Pointer;
  readonly scores: Pointer;
  readonly table: Pointer;
}

/** A matrix of vectors in a wasm memory of its own, of its exact size. */
export class Ranking {
  readonly #kernels: Kernels;
  readonly #floats: Float32Array;
  readonly #places: Places;
  readonly #n: number;
  readonly #d: number;

  private constructor(kernels: Kernels, floats: Float32Array, places: Places, n: number, d: number) {
    this.#kernels = kernels;
    this.#floats = floats;
    this.#places = places;
    this.#n = n;
    this.#d = d;
  }

  /**
   * Room for n rows of `width` numbers, all zero; rows are padded with zeros to a multiple of 4.
   * @throws ClipError UNSUPPORTED where the runtime lacks WebAssembly SIMD or the memory
   */
  static async create(n: number, width: number): Promise<Ranking> {
    const d = roundUp(width, 4);
    const plan = new MemoryPlan();
    const places = {
      rows: plan.reserve('rows', n * d * 4),
      query: plan.reserve('query', d * 4),
      similarities: plan.reserve('similarities', n * 4),
      scores: plan.reserve('scores', roundUp(n, 4) * 4),
      table: plan.reserve('constants', CONSTANTS_BYTES),
    };
    const module = await compiledKernels('simd');
    const memory = plan.allocate();
    return new Ranking(instantiateKernels(module, memory), new Float32Array(memory.buffer), places, n, d);
  }

  /** Puts a vector into row i, divided by its length if `normalize`. */
  setRow(i: number, vector: Float32Array, normalize = false): void {
    const at = this.#places.rows + i * this.#d * 4;
    this.#floats.set(vector, at / 4);
    if (normalize) this.#kernels.l2Normalize({ x: at, n: this.#d });
  }

  /** Cosines of a query of any length with the first n rows, which are of length 1; 0 if the query is zero: f32[n]. */
  similarities(query: Float32Array, n = this.#n): Float32Array {
    const { rows, query: at, similarities } = this.#places;
    this.#floats.set(query, at / 4);
    this.#kernels.l2Normalize({ x: at, n: this.#d });
    this.#kernels.dotRows({ rows, n, d: this.#d, q: at, out: similarities });
    return this.#floats.slice(similarities / 4, similarities / 4 + n);
  }

  /** softmax(scale * x) over all rows: f32[rows]. */
  softmax(similarities: Float32Array, scale: number): Float32Array {
    const { scores, table } = this.#places;
    this.#floats.set(similarities, scores / 4);
    this.#kernels.softmax({ x: scores, n: this.#n, scale, table });
    return this.#floats.slice(scores / 4, scores / 4 + this.#n);
  }
}
