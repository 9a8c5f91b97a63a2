import { describe, expect, it } from 'vitest';
import { type Neighbor, nearest, similarity } from '../../src/similarity.ts';
import { rejection } from './checkpoint.ts';
import { random } from './token-ids.ts';

const next = random(7);
/** A vector of numbers from -1 to 1 with twenty bits. */
const vector = (d: number, scale = 1) =>
  Float32Array.from({ length: d }, () => (scale * (next(2 ** 20) - 2 ** 19)) / 2 ** 19);

/** The definition, in f64. */
function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return ab / Math.sqrt(aa * bb);
}

describe('similarity', () => {
  it('is the cosine, whatever the lengths of the vectors', () => {
    expect(similarity([1, 0], [0, 5])).toBe(0);
    expect(similarity([2, 0], [5, 0])).toBe(1);
    expect(similarity([1, 1], [-3, -3])).toBe(-1);
    expect(similarity([3, 4], [4, 3])).toBe(24 / 25);
    expect(similarity(new Float32Array([1, 0]), [1, 1])).toBeCloseTo(Math.SQRT1_2, 15);
    expect(similarity([0, 0], [1, 2])).toBe(0);
    for (let i = 0; i < 100; i++) {
      const [a, b] = [vector(384, 0.1), vector(384, 40)];
      expect(similarity(a, b)).toBeCloseTo(cosine(a, b), 14);
      expect(similarity(a, b)).toBe(similarity(b, a));
      expect(similarity(a, a)).toBeLessThanOrEqual(1);
      expect(similarity(a, a)).toBeGreaterThan(1 - 1e-15);
    }
  });

  it.each<[string, unknown, unknown, new () => Error, RegExp]>([
    ['different dimensions', [1, 2], [1, 2, 3], RangeError, /2 and 3/],
    ['numbers that are not finite', [1, Number.NaN], [1, 2], RangeError, /not finite/],
    ['nothing', undefined, [1], TypeError, /a must be a Float32Array.*undefined/],
    ['a string', [1], 'cat', TypeError, /b must be .* a string \("cat"\)/],
    ['empty vectors', [], [], TypeError, /no numbers/],
    ['a list of vectors', [[1]], [[1]], TypeError, /a list of vectors: pass one vector, or use nearest/],
  ])('refuses %s', (_, a, b, type, message) => {
    expect(() => similarity(a as number[], b as number[])).toThrow(type);
    expect(() => similarity(a as number[], b as number[])).toThrow(message);
  });
});

describe('nearest', () => {
  // More than one block of 4096, and a dimension that is not a multiple of 4.
  const d = 30;
  const vectors = Array.from({ length: 9000 }, (_, i) => vector(d, 1 + (i % 7)));
  const queries = Array.from({ length: 3 }, () => vector(d));
  const flat = Float32Array.from(vectors.flatMap((one) => [...one]));

  it('gives what sorting all cosines gives', async () => {
    for (const query of queries) {
      const expected = vectors
        .map((one, index) => ({ index, similarity: cosine(query, one) }))
        .sort((a, b) => b.similarity - a.similarity);
      for (const k of [1, 10, 2000]) {
        const found = await nearest(query, vectors, k);
        expect(found).toHaveLength(k);
        expect(new Set(found.map(({ index }) => index)).size).toBe(k);
        for (const [i, { index, similarity }] of found.entries()) {
          expect(similarity).toBeCloseTo(expected[i]!.similarity, 5);
          expect(similarity).toBeCloseTo(cosine(query, vectors[index]!), 6);
        }
        expect(found.every(({ similarity }, i) => i === 0 || similarity <= found[i - 1]!.similarity)).toBe(true);
      }
    }
  });

  it('is the same for one query or many, a list or one array, any k, and blocks of any size', async () => {
    const many = await nearest(queries, vectors, 50);
    expect(many).toHaveLength(3);
    expect(await nearest(queries, flat, 50)).toEqual(many);
    for (const [i, query] of queries.entries()) {
      expect(await nearest(query, vectors, 50)).toEqual(many[i]);
      expect(await nearest(query, flat, 7)).toEqual(many[i]!.slice(0, 7));
      const doubled = query.map((value) => value * 2);
      expect(await nearest(doubled, vectors, 50)).toEqual(many[i]);
    }
    const [{ index, similarity }] = many[0] as [Neighbor];
    expect(await nearest(queries[0]!, [vectors[index]!], 5)).toEqual([{ index: 0, similarity }]);
  });

  it('orders equal ones by their index, wherever the blocks end', async () => {
    const one = new Float32Array([1, 2, 3]);
    const same = Array.from({ length: 5000 }, (_, i) => (i % 2 === 0 ? one : one.map((value) => -value)));
    const found = await nearest(one, same, 2400);
    expect(found.map(({ index }) => index)).toEqual(Array.from({ length: 2400 }, (_, i) => 2 * i));
  });

  it('takes what there is: few vectors, none, zeros', async () => {
    expect(
      await nearest(
        [1].map((v) => new Float32Array([v])),
        [],
        3,
      ),
    ).toEqual([[]]);
    expect(await nearest(new Float32Array(2).fill(1), new Float32Array(0), 3)).toEqual([]);
    expect(await nearest([], vectors, 3)).toEqual([]);
    const zero = new Float32Array(2);
    expect(await nearest(new Float32Array([1, 0]), [zero, new Float32Array([-1, 0])], 9)).toEqual([
      { index: 0, similarity: 0 },
      { index: 1, similarity: -1 },
    ]);
    expect(await nearest(zero, [new Float32Array([1, 0])], 1)).toEqual([{ index: 0, similarity: 0 }]);
  });

  const good = new Float32Array([1, 2]);
  it('takes any arrays of numbers, as similarity does', async () => {
    const [query, a, b] = [vector(5), vector(5), vector(5)];
    const expected = await nearest(query, [a, b], 2);
    const doubles = Float64Array.from(query);
    expect(await nearest([...query], [[...a], [...b]], 2)).toEqual(expected);
    expect(await nearest(doubles, [...a, ...b], 2)).toEqual(expected);
    expect(await nearest([[...query], doubles], Float64Array.of(...a, ...b), 2)).toEqual([expected, expected]);
  });

  it.each<[string, unknown, unknown, unknown, new () => Error, RegExp]>([
    ['k of 0', good, [good], 0, RangeError, /k must be a positive integer, got 0/],
    ['no k', good, [good], undefined, RangeError, /k must be/],
    ['options as k', good, [good], { k: 1 }, RangeError, /k must be a positive integer, got {"k":1}/],
    ['text as k', good, [good], '1', RangeError, /k must be a positive integer, got "1"/],
    ['a query of texts', ['1', '2'], [good], 1, TypeError, /query 0 must be a Float32Array or .*, got a string/],
    ['a query with a text in it', [1, '2'], [good], 1, TypeError, /the query must be .*, got an array/],
    ['a query of text', 'cat', [good], 1, TypeError, /the query must be a Float32Array or .*, got a string/],
    ['a query of big integers', new BigInt64Array(2), [good], 1, TypeError, /got a BigInt64Array/],
    ['an empty query', new Float32Array(0), [good], 1, RangeError, /query is empty/],
    [
      'queries of two dimensions',
      [good, new Float32Array(3)],
      [good],
      1,
      RangeError,
      /query 1 has 3 numbers, expected 2/,
    ],
    ['another dimension', good, [good, new Float32Array(3)], 1, RangeError, /vector 1 has 3 numbers, expected 2/],
    ['a part of a vector', good, new Float32Array(5), 1, RangeError, /5 numbers are not whole vectors of 2/],
    ['a set of vectors', good, new Set([good]), 1, TypeError, /got a Set: pass a list of it, \[\.\.\.vectors\]/],
    ['vectors of another type', good, [good, new DataView(new ArrayBuffer(8))], 1, TypeError, /vector 1 .* a DataView/],
    ['what is infinite in f32', good, [[1, 1e39]], 1, RangeError, /vector 0 .*not finite in f32/],
    ['no vectors', good, undefined, 1, TypeError, /vectors must be/],
    ['NaN in a vector', good, [good, new Float32Array([1, Number.NaN])], 1, RangeError, /vector 1 .*not finite/],
    ['NaN in the query', new Float32Array([1, Number.NaN]), [good], 1, RangeError, /the query .*not finite/],
  ])('refuses %s', async (_, query, vectors, k, type, message) => {
    const error = await rejection(nearest(query as Float32Array, vectors as Float32Array[], k as number));
    expect(error).toBeInstanceOf(type);
    expect(error.message).toMatch(message);
  });
});
