/** Comparing embeddings: the cosine of two, and the nearest of many. */

import { asCosine } from './cosine.ts';
import { show } from './json.ts';
import { checkOptions, isFloat32Array, kindOf } from './options.ts';
import { Ranking } from './ranking.ts';
import { yieldIfDue } from './scheduler.ts';

/** One of the nearest vectors. */
export interface Neighbor {
  /** Its position among the vectors, from 0. */
  readonly index: number;
  /** Cosine with the query, -1 to 1. */
  readonly similarity: number;
}

export interface NearestOptions {
  /** Stops the search. */
  readonly signal?: AbortSignal | undefined;
}

/** Vectors that are in the ranking's memory at once: some megabytes. */
const BLOCK = 4096;

/**
 * The cosine of two vectors, a . b / (|a| |b|), -1 to 1; 0 if one of them is zero. They may have any length (norm), and
 * sums are f64 in the order of the numbers: the same bits in every runtime.
 * @param a embedding: `Float32Array`, or any array of numbers
 * @throws TypeError for what is not an array of numbers; RangeError for different dimensions or a number that is not finite
 * @example
 * const [cat, dog] = await clip.encodeText(['a cat', 'a dog']);
 * similarity(cat, dog); // 0.34…
 */
export function similarity(a: ArrayLike<number>, b: ArrayLike<number>): number {
  checkNumbers('similarity: a', a);
  checkNumbers('similarity: b', b);
  if (a.length === 0) throw new TypeError('similarity: a has no numbers');
  if (a.length !== b.length) {
    throw new RangeError(`similarity: expected vectors of the same dimension, got ${a.length} and ${b.length} numbers`);
  }
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  if (!Number.isFinite(aa) || !Number.isFinite(bb)) {
    throw new RangeError('similarity: a vector holds a number that is not finite, or too large to be squared');
  }
  if (aa === 0 || bb === 0) return 0;
  return asCosine(ab / (Math.sqrt(aa) * Math.sqrt(bb)));
}

/**
 * The k vectors with the largest cosines to the query, best first; equal ones by their index. Vectors may have any length
 * (norm). Computed in f32 by the kernel that ranks labels: the same bits in every runtime. The queries are copied at the
 * call; the vectors are not, and must not change before the promise resolves.
 * @param query an embedding of d numbers (`Float32Array`, or any array of numbers, which are rounded to f32), or a list of
 *   embeddings: then the result has a list for each
 * @param vectors a list of such embeddings, or all of them in one array of n * d numbers
 * @param k how many to return; fewer only if there are fewer vectors
 * @throws TypeError for other types; RangeError for a k that is not a positive integer, for other dimensions than the
 *   query's, or a number that is not finite; ClipError UNSUPPORTED without WebAssembly SIMD; the signal's reason
 * @example
 * const vectors = await clip.encodeText(['a cat', 'a dog', 'a rocket']);
 * const query = await clip.encodeImage(await readFile('examples/cat.png'));
 * const [best] = await nearest(query, vectors, 1);
 * best; // { index: 0, similarity: 0.3… }
 */
export function nearest(
  query: ArrayLike<number>,
  vectors: readonly ArrayLike<number>[] | ArrayLike<number>,
  k: number,
  options?: NearestOptions,
): Promise<Neighbor[]>;
export function nearest(
  queries: readonly ArrayLike<number>[],
  vectors: readonly ArrayLike<number>[] | ArrayLike<number>,
  k: number,
  options?: NearestOptions,
): Promise<Neighbor[][]>;
export function nearest(
  query: ArrayLike<number> | readonly ArrayLike<number>[],
  vectors: readonly ArrayLike<number>[] | ArrayLike<number>,
  k: number,
  options?: NearestOptions,
): Promise<Neighbor[] | Neighbor[][]>;
export async function nearest(
  query: ArrayLike<number> | readonly ArrayLike<number>[],
  vectors: readonly ArrayLike<number>[] | ArrayLike<number>,
  k: number,
  options: NearestOptions = {},
): Promise<Neighbor[] | Neighbor[][]> {
  checkOptions('nearest', options, { signal: 'signal' });
  const { signal } = options;
  if (!Number.isInteger(k) || k < 1) throw new RangeError(`nearest: k must be a positive integer, got ${show(k)}`);
  const list = Array.isArray(query) && typeof query[0] !== 'number';
  const queries = Array.from(list ? query : [query], (one: unknown, i) =>
    toFloat32(list ? `nearest: query ${i}` : 'nearest: the query', one).slice(),
  );
  if (queries.length === 0) return [];
  const d = queries[0]!.length;
  if (d === 0) throw new RangeError('nearest: the query is empty');
  for (const [i, one] of queries.entries()) checkVector(list ? `query ${i}` : 'the query', one, d);
  const { count, row } = rowsOf(vectors, d);
  const best = queries.map(() => new Best(k));
  if (count > 0) {
    const size = Math.min(count, BLOCK);
    const ranking = await Ranking.create(size, d);
    for (let first = 0; first < count; first += size) {
      const n = Math.min(size, count - first);
      await yieldIfDue(signal);
      for (let i = 0; i < n; i++) {
        const vector = row(first + i);
        checkVector(`vector ${first + i}`, vector, d);
        ranking.setRow(i, vector, true);
      }
      for (const [q, one] of queries.entries()) {
        await yieldIfDue(signal);
        for (const [i, similarity] of ranking.similarities(one, n).entries()) best[q]!.add(first + i, similarity);
      }
    }
  }
  const results = best.map((one) =>
    one.list().map(({ index, similarity }) => ({ index, similarity: asCosine(similarity) })),
  );
  return list ? results : results[0]!;
}

/** The k largest so far, of vectors that come in the order of their index. */
class Best {
  readonly #k: number;
  #found: Neighbor[] = [];
  /** What does not exceed it is not among the best. */
  #least = Number.NEGATIVE_INFINITY;

  constructor(k: number) {
    this.#k = k;
  }

  add(index: number, similarity: number): void {
    if (similarity <= this.#least) return;
    this.#found.push({ index, similarity });
    if (this.#found.length >= 2 * this.#k + 64) this.#cut();
  }

  list(): Neighbor[] {
    this.#cut();
    return this.#found;
  }

  #cut(): void {
    this.#found.sort((a, b) => b.similarity - a.similarity || a.index - b.index);
    this.#found.length = Math.min(this.#k, this.#found.length);
    if (this.#found.length === this.#k) this.#least = this.#found[this.#k - 1]!.similarity;
  }
}

/** Vectors of d numbers by their index. */
function rowsOf(vectors: unknown, d: number): { count: number; row: (i: number) => Float32Array } {
  if (isNumbers(vectors)) {
    const all = toFloat32('nearest: vectors', vectors);
    if (all.length % d !== 0) {
      throw new RangeError(`nearest: ${all.length} numbers are not whole vectors of ${d}, the query's dimension`);
    }
    return { count: all.length / d, row: (i) => all.subarray(i * d, (i + 1) * d) };
  }
  if (!Array.isArray(vectors)) {
    const isIterable = typeof vectors === 'object' && vectors !== null && Symbol.iterator in vectors;
    const advice = isIterable ? ': pass a list of it, [...vectors]' : '';
    throw new TypeError(
      `nearest: vectors must be an array of Float32Array, or one Float32Array, got ${kindOf(vectors)}${advice}`,
    );
  }
  const list: readonly unknown[] = vectors.slice();
  return { count: list.length, row: (i) => toFloat32(`nearest: vector ${i}`, list[i]) };
}

function checkVector(name: string, vector: Float32Array, d: number): void {
  if (vector.length !== d) throw new RangeError(`nearest: ${name} has ${vector.length} numbers, expected ${d}`);
  if (!vector.every(Number.isFinite)) throw new RangeError(`nearest: ${name} holds a number that is not finite in f32`);
}

/** The numbers as f32: itself if they are. @throws TypeError if it is not an array of numbers */
function toFloat32(name: string, vector: unknown): Float32Array {
  checkNumbers(name, vector);
  return isFloat32Array(vector) ? vector : Float32Array.from(vector);
}

/** @throws TypeError if it is not an array of numbers, with what to do */
function checkNumbers(name: string, vector: unknown): asserts vector is ArrayLike<number> {
  if (isNumbers(vector) && (!Array.isArray(vector) || vector.every((item) => typeof item === 'number'))) return;
  const isList = Array.isArray(vector) && typeof vector[0] === 'object';
  if (Array.isArray(vector) && vector.length === 0) throw new TypeError(`${name} has no numbers`);
  const got = isList ? 'a list of vectors: pass one vector, or use nearest for several' : kindOf(vector);
  throw new TypeError(`${name} must be a Float32Array or an array of numbers, got ${got}`);
}

/** An array that begins with a number, or a typed array of numbers. */
function isNumbers(value: unknown): value is ArrayLike<number> {
  if (Array.isArray(value)) return typeof value[0] === 'number';
  return ArrayBuffer.isView(value) && !/^\[object (DataView|Big)/.test(Object.prototype.toString.call(value));
}
