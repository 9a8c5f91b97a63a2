/** The f32 vectors of an index: in memory, or where a reader finds them. */

import { show } from '../json.ts';
import { isFloat32Array, kindOf } from '../options.ts';

/** What names a vector in an index. */
export type VectorId = string | number;

/** @throws TypeError for another kind of id */
export function checkId(id: unknown): asserts id is VectorId {
  if (typeof id === 'string' || Number.isSafeInteger(id)) return;
  throw new TypeError(
    `add: an id must be text or a whole number, got ${typeof id === 'number' ? show(id) : kindOf(id)}`,
  );
}

/** @throws TypeError, RangeError for what is not a vector of finite numbers of this dimension */
export function checkVector(call: string, vector: unknown, dimension: number): Float32Array {
  const isList = Array.isArray(vector) && vector.every((item) => typeof item === 'number');
  if (!isList && (!ArrayBuffer.isView(vector) || !('length' in vector) || typeof vector[0 as never] === 'bigint')) {
    throw new TypeError(`${call}: a vector must be a Float32Array or an array of numbers, got ${kindOf(vector)}`);
  }
  const numbers = isFloat32Array(vector) ? vector : Float32Array.from(vector as ArrayLike<number>);
  if (numbers.length !== dimension) {
    throw new RangeError(`${call}: expected a vector of ${dimension} numbers, got ${numbers.length}`);
  }
  if (!numbers.every(Number.isFinite))
    throw new RangeError(`${call}: a vector holds a number that is not finite in f32`);
  return numbers;
}

/** A vector that a reader is asked for. */
export interface VectorPlace {
  readonly id: VectorId;
  /** Its position among the vectors that the index was loaded with, from 0. */
  readonly position: number;
}

/** Reads f32 vectors of length 1 from where they lie: a file, a database. */
export interface VectorReader {
  /**
   * Writes the vectors one after the other. One that is no longer there is written as NaN: the search leaves it out.
   * @param target f32[places.length * dimension]
   */
  readInto(places: readonly VectorPlace[], target: Float32Array): Promise<void> | void;
  close?(): Promise<void> | void;
}

/** Vectors in one piece of memory: half a megabyte at 512 numbers. */
const PIECE = 256;

/** Vectors in memory, in pieces, so that growing copies nothing. */
export class MemoryVectors {
  readonly #dimension: number;
  readonly #pieces: Float32Array[] = [];

  constructor(dimension: number) {
    this.#dimension = dimension;
  }

  set(i: number, vector: Float32Array): void {
    this.#pieces[Math.floor(i / PIECE)] ??= new Float32Array(PIECE * this.#dimension);
    this.get(i).set(vector);
  }

  /** A view. */
  get(i: number): Float32Array {
    const at = (i % PIECE) * this.#dimension;
    return this.#pieces[Math.floor(i / PIECE)]!.subarray(at, at + this.#dimension);
  }
}
