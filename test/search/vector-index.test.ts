import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Records } from '../../src/search/records.ts';
import { VectorIndex } from '../../src/search/vector-index.ts';
import { nearest } from '../../src/similarity.ts';
import { xxh32 } from '../../src/weights/checksum.ts';
import { bytesSource, type Source } from '../../src/weights/source.ts';
import { Random } from '../kernels/random.ts';

const MODEL = { name: 'a/model', revision: 'main', precision: 'int8', fingerprint: '0123abcd' } as const;

async function indexOf(vectors: readonly Float32Array[]): Promise<VectorIndex> {
  const index = await VectorIndex.create({ dimension: vectors[0]!.length, model: MODEL });
  for (const [i, vector] of vectors.entries()) index.add(i, vector);
  return index;
}

/** A plain f32 scan. */
const scan = async (query: Float32Array, vectors: readonly Float32Array[], k: number) =>
  (await nearest(query, vectors, k)).map(({ index, similarity }) => ({ id: index, similarity }));

const randomVectors = (random: Random, n: number, d: number) => Array.from({ length: n }, () => random.floats(d));

describe('search', () => {
  it.each([
    ['of dimensions that fill no register', 30, 1, 9000],
    ['of 384 dimensions', 384, 20, 9000],
    ['fewer than are asked for', 17, 50, 7],
  ])('gives the answers and the bits of a plain f32 scan: random vectors %s', async (_, d, k, n) => {
    const random = new Random(d);
    const vectors = randomVectors(random, n, d);
    const index = await indexOf(vectors);
    for (const query of randomVectors(random, 3, d)) {
      expect(await index.search(query, k)).toEqual(await scan(query, vectors, k));
    }
  });

  it('gives them for 10,000 vectors that are nearly the same', async () => {
    const random = new Random(1);
    const [center, query] = randomVectors(random, 2, 64);
    // Differences of some units in the last place of f32, far below what int8 copies can tell apart.
    const vectors = Array.from({ length: 10_000 }, () => center!.map((x) => x + random.integer(-4, 4) * 2 ** -24));
    const index = await indexOf(vectors);
    const found = await index.search(query!, 25);
    expect(found).toEqual(await scan(query!, vectors, 25));
    expect(new Set(found.map(({ id }) => id)).size).toBe(25);
    expect(found.map(({ id }) => id)).not.toEqual(Array.from({ length: 25 }, (_, i) => i));
  });

  it('gives equal cosines in the order in which the vectors were added', async () => {
    const random = new Random(2);
    const [vector, other] = randomVectors(random, 2, 24);
    const index = await VectorIndex.create({ dimension: 24 });
    const names = Array.from({ length: 400 }, (_, i) => `${(i * 77) % 400}`);
    for (const name of names) index.add(name, vector!);
    expect((await index.search(vector!, 150)).map(({ id }) => id)).toEqual(names.slice(0, 150));
    index.remove(names[3]!);
    index.add('other', other!);
    index.add(names[5]!, vector!); // is now the last
    index.add('new', vector!);
    const order = [...names.filter((_, i) => i !== 3 && i !== 5), names[5], 'new'];
    expect((await index.search(vector!, 401)).map(({ id }) => id)).toEqual([...order, 'other']);
    expect(index.ids()).toEqual([...order.slice(0, -2), 'other', names[5], 'new']);
    expect([index.size, index.has(names[3]!), index.has('other')]).toEqual([401, false, true]);
  });

  it('finds what the filter allows', async () => {
    const random = new Random(3);
    const vectors = randomVectors(random, 500, 40);
    const index = await indexOf(vectors);
    const [query] = randomVectors(random, 1, 40);
    const every = await index.search(query!, 500);
    const found = await index.search(query!, 10, { filter: (id) => (id as number) % 7 === 0 });
    expect(found).toEqual(every.filter(({ id }) => (id as number) % 7 === 0).slice(0, 10));
  });

  it('gives no cosine above 1, as rounding would for some vectors and themselves', async () => {
    const vectors = randomVectors(new Random(5), 100, 384);
    const index = await indexOf(vectors);
    for (const vector of vectors) {
      const [[found], [near]] = await Promise.all([index.search(vector, 1), nearest(vector, vectors, 1)]);
      expect(found!.similarity).toBe(near!.similarity);
      expect(found!.similarity).toBeLessThanOrEqual(1);
      expect(
        (
          await index.search(
            vector.map((x) => -x),
            100,
          )
        ).at(-1)!.similarity,
      ).toBeGreaterThanOrEqual(-1);
    }
  });

  it('gives 0 for vectors and queries that are zero', async () => {
    const index = await VectorIndex.create({ dimension: 3 });
    index.add('zero', [0, 0, 0]);
    index.add('x', [2, 0, 0]);
    expect(await index.search([5, 0, 0], 9)).toEqual([
      { id: 'x', similarity: 1 },
      { id: 'zero', similarity: 0 },
    ]);
    expect((await index.search([0, 0, 0], 9)).map(({ similarity }) => similarity)).toEqual([0, 0]);
  });

  it('runs beside other searches and changes', async () => {
    const random = new Random(4);
    const vectors = randomVectors(random, 20_000, 32);
    const index = await indexOf(vectors);
    const queries = randomVectors(random, 8, 32);
    const searches = queries.map((query) => index.search(query, 5));
    for (let i = 0; i < 100; i++) {
      index.remove(`none ${i}`);
      index.add(
        `late ${i}`,
        queries[0]!.map((x) => -x),
      ); // the last of all for one query
    }
    const answers = await Promise.all(searches);
    for (const [i, query] of queries.entries()) {
      const early = answers[i]!.filter(({ id }) => typeof id === 'number');
      expect(early).toEqual((await scan(query, vectors, 5)).slice(0, early.length));
    }
  });

  it.each<[string, (index: VectorIndex) => unknown, new () => Error, RegExp]>([
    ['another dimension', (index) => index.add(1, [1, 2]), RangeError, /expected a vector of 3 numbers, got 2/],
    ['not a number', (index) => index.add(1, [1, Number.NaN, 0]), RangeError, /not finite/],
    ['a string as a vector', (index) => index.add(1, 'abc' as never), TypeError, /must be a Float32Array/],
    ['an id that is neither', (index) => index.add(0.5, [1, 2, 3]), TypeError, /text or a whole number, got 0.5/],
    ['no k', (index) => index.search([1, 2, 3], 0), RangeError, /k must be a positive integer/],
    ['an option', (index) => index.search([1, 2, 3], 1, { topK: 3 } as object), TypeError, /unknown option "topK"/],
  ])('refuses %s', async (_, call, type, message) => {
    const index = await VectorIndex.create({ dimension: 3 });
    const result = (async () => call(index))();
    await expect(result).rejects.toThrow(type);
    await expect(result).rejects.toThrow(message);
    expect(index.size).toBe(0);
  });
});

it.each([16, 384, 1000])('bounds of %i numbers are above the f32 products, and close', async (d) => {
  const random = new Random(d);
  const records = await Records.create(d);
  const query = records.query(records.normalized(random.floats(d)));
  // Some with one large number, for which int8 is coarse; some that f32 holds in few bits.
  const kinds = [() => random.floats(d), () => random.floats(d).fill(50, 0, 1), () => random.floats(d, 1e-40)];
  const vectors = Array.from({ length: 300 }, (_, i) => records.normalized(kinds[i % 3]!()));
  for (const [i, vector] of vectors.entries()) records.set(i, vector);
  const bounds = new Float32Array(vectors.length);
  records.bounds(query, 0, vectors.length, bounds);
  for (const [i, vector] of vectors.entries()) {
    const [product] = records.products(query, vector, d, 1);
    expect(bounds[i]).toBeGreaterThanOrEqual(product!);
    expect(bounds[i]! - product!).toBeLessThan(0.12);
    if (i % 3 === 0) expect(bounds[i]! - product!).toBeLessThan(0.02);
  }
});

describe('the file', async () => {
  const random = new Random(9);
  const vectors = randomVectors(random, 3000, 33);
  const index = await indexOf(vectors);
  const [query] = randomVectors(random, 1, 33);
  const bytes = await index.toBytes();

  it('gives the same index, in memory and on disk', async () => {
    for (const onDisk of [false, true]) {
      const loaded = await VectorIndex.load(bytes.slice(), { model: MODEL, onDisk });
      expect(loaded.model).toEqual(MODEL);
      expect(await loaded.search(query!, 30)).toEqual(await index.search(query!, 30));
      expect(Buffer.compare(await loaded.toBytes(), bytes)).toBe(0);
      loaded.remove(5);
      loaded.add('new', query!);
      const [best] = await loaded.search(query!, 1);
      expect(best!.id).toBe('new');
      expect((await loaded.search(vectors[5]!, 1))[0]!.id).not.toBe(5);
    }
  });

  it('is taken by its path, as a blob, as an object with slice, and as any bytes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'edgeclip-vectors-'));
    try {
      const path = join(folder, 'a #1 %.vectors');
      writeFileSync(path, bytes);
      const slice = (start: number, end: number) => bytes.slice(start, end);
      const expected = await index.search(query!, 5);
      const files = [path, pathToFileURL(path).href, new Blob([bytes.slice()]), { size: bytes.length, slice }, Buffer.from(bytes), bytes.slice().buffer]; // biome-ignore format: one line
      for (const file of files) {
        for (const onDisk of [false, true]) {
          const loaded = await VectorIndex.load(file, { onDisk });
          expect(await loaded.search(query!, 5)).toEqual(expected);
          await loaded.close();
        }
      }
      const disk = await VectorIndex.load(path, { onDisk: true });
      await disk.close();
      await expect(disk.search(query!, 5)).rejects.toMatchObject({ code: 'IO' }); // it was closed
      await expect(VectorIndex.load(join(folder, 'none'))).rejects.toMatchObject({ code: 'IO' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each<[unknown, RegExp]>([
    [null, /expected a path or an address, bytes, a Blob or a Source, got null$/],
    [undefined, /got undefined$/],
    [7, /got a number$/],
    [{}, /got an object$/],
    [[1, 2], /got an array$/],
    [new Response('x'), /got a Response: pass await response\.arrayBuffer\(\)$/],
    [new URL('file:///a'), /got an? URL: pass its href$/],
    ['', /the path is empty$/],
  ])('is not %s', async (file, message) => {
    const loading = VectorIndex.load(file as never);
    await expect(loading).rejects.toThrow(TypeError);
    await expect(loading).rejects.toThrow(message);
  });

  it('depends on the vectors and the order of their additions alone', async () => {
    const other = await VectorIndex.create({ dimension: 33, model: MODEL });
    other.add('gone', query!);
    for (const [i, vector] of vectors.entries()) {
      other.add(i, vector);
      if (i === 10) other.remove('gone');
    }
    expect(Buffer.compare(await other.toBytes(), bytes)).toBe(0);
  });

  it('reads only near the vectors that it needs, if they stay on disk', async () => {
    let read = 0;
    const memory = bytesSource(bytes, 'photos.vectors');
    const source: Source = {
      ...memory,
      readInto(offset, target) {
        read += target.length;
        return memory.readInto.call(this, offset, target);
      },
    };
    const loaded = await VectorIndex.load(source, { onDisk: true });
    expect(read).toBeGreaterThan(vectors.length * 33 * 4);
    read = 0;
    expect(await loaded.search(query!, 3)).toEqual(await scan(query!, vectors, 3));
    expect(read).toBeLessThan((vectors.length * 33 * 4) / 3);
    expect(read).toBeGreaterThan(0);
  });

  it('is that of an empty index, too', async () => {
    const empty = await VectorIndex.load(await (await VectorIndex.create({ dimension: 5 })).toBytes());
    expect([empty.size, empty.dimension, empty.model]).toEqual([0, 5, undefined]);
    expect(await empty.search([1, 0, 0, 0, 0], 3)).toEqual([]);
  });

  it('is refused when a bit has changed, wherever', async () => {
    for (let i = 0; i < 150; i++) {
      const damaged = bytes.slice();
      const at = i < 75 ? random.integer(0, 700) : random.integer(0, bytes.length - 1);
      damaged[at]! ^= 1 << random.integer(0, 7);
      // Blanks after the header's JSON and its length may still make sense.
      await expect(VectorIndex.load(damaged), `byte ${at}`).rejects.toMatchObject({ code: 'INDEX_FORMAT' });
    }
    for (const length of [0, 7, 100, bytes.length - 4]) {
      await expect(VectorIndex.load(bytes.slice(0, length))).rejects.toMatchObject({ code: 'INDEX_FORMAT' });
    }
  });

  it.each([
    ['another model', { ...MODEL, fingerprint: '00000000' }],
    ['another precision', { ...MODEL, precision: 'f32' as const }],
    ['another name, where no fingerprint is known', { name: 'b/model', precision: 'int8' as const }],
    ['another revision', { name: 'a/model', revision: 'v2', precision: 'int8' as const }],
  ])('is refused for %s', async (_, model) => {
    await expect(VectorIndex.load(bytes, { model })).rejects.toMatchObject({ code: 'INDEX_MODEL' });
    expect(() => index.checkModel(model)).toThrow(/"a\/model@main" in int8/);
  });

  it('is that of the same model at another place', async () => {
    const loaded = await VectorIndex.load(bytes, { model: { ...MODEL, name: './copy', revision: undefined } });
    expect(loaded.size).toBe(3000);
  });

  it('has known bytes', async () => {
    const small = await VectorIndex.create({ dimension: 4, model: MODEL });
    small.add('é', [3, 0, 4, 0]);
    small.add(7, [0, -1, 0, 0]);
    const file = await small.toBytes();
    expect([file.length, xxh32(file)]).toMatchInlineSnapshot(`
      [
        480,
        3058601888,
      ]
    `);
  });
});
