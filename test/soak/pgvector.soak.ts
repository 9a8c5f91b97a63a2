/**
 * pgvector under a photo index: how long COPY, the HNSW index, a plain scan and our exact search take for 100,000 vectors of 512 numbers,
 * and what HNSW misses with so many candidates. The vectors are random in a space of 64 dimensions. Prints its figures; that exact answers
 * are exact, and approximate ones have exact similarities, is asserted. The short form (`EDGECLIP_SOAK_MINUTES` below 1) has 2,000.
 */
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { median } from '../../bench/median.js';
import { openPhotos, type PhotoStore } from '../../src/search/index.ts';
import { nearest } from '../../src/similarity.ts';
import { Random } from '../kernels/random.ts';
import { PostgresServer } from '../postgres/server.ts';
import { minutes } from './duration.ts';

const COUNT = minutes < 1 ? 2000 : 100_000;
const QUERIES = minutes < 1 ? 10 : 50;
const D = 512;
const SPACE = 64;
const K = 20;

const random = new Random(5);
const directions = Array.from({ length: SPACE }, () => random.floats(D));
/** Of length 1, as they are stored. */
function vectorInSpace(): Float32Array {
  const vector = new Float32Array(D);
  for (const direction of directions) {
    const x = random.next() + random.next() + random.next() - 1.5;
    for (let j = 0; j < D; j++) vector[j]! += x * direction[j]!;
  }
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return vector.map((x) => x / length);
}

const vectors = new Float32Array(COUNT * D);
const queries = Array.from({ length: QUERIES }, vectorInSpace);
let server: PostgresServer;
let client: Client;
let store: PhotoStore;

beforeAll(async () => {
  for (let i = 0; i < COUNT; i++) vectors.set(vectorInSpace(), i * D);
  server = await PostgresServer.start();
  const model = { name: 'a/model', precision: 'int8' } as const;
  store = await openPhotos(server.address(), {
    create: { model, dimension: D, pictures: { orient: false, scaled: false } },
  });
  client = new Client(server.address());
  await client.connect();
});
afterAll(async () => {
  await client?.end();
  await store?.close();
  await server?.remove();
});

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now();
  await work();
  return (performance.now() - since) / 1000;
}

/** The ids that each query finds, from 0, and the median of the times in ms. */
async function measure(find: (query: Float32Array) => Promise<number[]>) {
  const times: number[] = [];
  const found: number[][] = [];
  for (const query of queries) {
    const time = await seconds(async () => found.push(await find(query)));
    times.push(1000 * time);
  }
  return { found, ms: median(times) };
}

it(`${COUNT.toLocaleString('en')} vectors`, async () => {
  const [{ definition }] = (
    await client.query("SELECT pg_get_indexdef('edgeclip.vectors_hnsw'::regclass) AS definition")
  ).rows;
  await client.query('DROP INDEX edgeclip.vectors_hnsw');
  const copy = await seconds(async () => {
    for (let first = 0; first < COUNT; first += 1000) {
      const add = Array.from({ length: 1000 }, (_, i) => ({
        path: `/photos/${first + i}.jpg`,
        size: 1,
        mtime: 1,
        hash: `${first + i}`,
        vector: vectors.subarray((first + i) * D, (first + i + 1) * D),
      }));
      await store.change({ add });
    }
  });
  const build = await seconds(() => client.query(definition));
  await client.query('ANALYZE edgeclip.vectors');
  console.log(`COPY ${copy.toFixed(1)} s, HNSW built in ${build.toFixed(1)} s`);

  const expected = (await nearest(queries, vectors, K)).map((list) => list.map(({ index }) => index));
  const recall = (found: readonly number[][]) => {
    const right = found.flatMap((ids, q) => ids.filter((id) => expected[q]!.includes(id)));
    return right.length / (K * QUERIES);
  };
  const say = (what: string, { found, ms }: Awaited<ReturnType<typeof measure>>) =>
    console.log(`${what}: ${ms.toFixed(1)} ms, recall ${recall(found).toFixed(4)}`);
  const sql = (order: string, limit: number) => (query: Float32Array) =>
    client
      .query(`SELECT id FROM edgeclip.vectors ORDER BY ${order} LIMIT ${limit}`, [`[${query.join()}]`])
      .then(({ rows }) => rows.map(({ id }) => Number(id) - 1));

  say("pgvector's plain scan", await measure(sql('vector <#> $1::vector', K)));
  for (const candidates of [100, 200, 400, 1000]) {
    await client.query(`SET hnsw.ef_search = ${candidates}`);
    const near = await measure(sql(`(vector::halfvec(${D})) <#> $1::halfvec(${D})`, candidates));
    say(`HNSW, ${candidates} candidates`, near);
  }
  for (const approximate of [false, true]) {
    const cosines = new Map<string, number>();
    const own = await measure(async (query) => {
      const list = await store.search(query, K, { approximate });
      for (const { id, similarity } of list) cosines.set(`${queries.indexOf(query)} ${id - 1}`, similarity);
      return list.map(({ id }) => id - 1);
    });
    say(approximate ? 'ours, approximate' : 'ours, exact', own);
    if (!approximate) expect(own.found).toEqual(expected);
    else expect(recall(own.found)).toBeGreaterThan(0.9);
    for (const [q, query] of queries.entries()) {
      for (const { index, similarity } of await nearest(query, vectors, K)) {
        const cosine = cosines.get(`${q} ${index}`);
        if (cosine !== undefined) expect(cosine).toBeCloseTo(similarity, 6);
      }
    }
  }
});
