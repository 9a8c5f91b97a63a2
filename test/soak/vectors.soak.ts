/**
 * The memory of a million vectors of 512 numbers that stay on disk, in the file of a `VectorIndex` and in a photo index, and their answers
 * against a plain f32 scan. The short form (`EDGECLIP_SOAK_MINUTES` below 1) has 50,000.
 */
import { spawnSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { openPhotos } from '../../src/search/index.ts';
import { writeIndex } from '../../src/search/index-file.ts';
import { nearest } from '../../src/similarity.ts';
import { projectPath } from '../cli/command.ts';
import { Random } from '../kernels/random.ts';

const COUNT = Number(process.env.EDGECLIP_SOAK_MINUTES ?? 10) < 1 ? 50_000 : 1_000_000;
const D = 512;
const K = 20;
/** 700 MB for a million: 130 of the process, and 570 bytes for each vector, of which 528 are its int8 copy. */
const MOST = 130e6 + 570 * COUNT;

const work = mkdtempSync(join(tmpdir(), 'edgeclip-vectors-soak-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const random = new Random(1);
const SOME = 4096;
const some = Array.from({ length: SOME }, () => random.floats(D));
/** Vector i of length 1: a sum of two, no two of which are the same. */
function write(i: number, target: Float32Array): void {
  const [a, b] = [some[i % SOME]!, some[(i * 7 + 3) % (SOME - 3)]!]; // 4096 and 4093 have no common divisor
  let squares = 0;
  for (let j = 0; j < D; j++) {
    const x = a[j]! + 0.7 * b[j]!;
    target[j] = x;
    squares += x * x;
  }
  const factor = 1 / Math.sqrt(squares);
  for (let j = 0; j < D; j++) target[j]! *= factor;
}
function block(first: number, n: number): Float32Array<ArrayBuffer> {
  const vectors = new Float32Array(n * D);
  for (let i = 0; i < n; i++) write(first + i, vectors.subarray(i * D, (i + 1) * D));
  return vectors;
}
const queries = Array.from({ length: 3 }, () => random.floats(D));

/** The answers of a plain scan, block after block. */
async function scan(): Promise<[number, number][][]> {
  const best: [number, number][][] = queries.map(() => []);
  for (let first = 0; first < COUNT; first += 10_000) {
    const vectors = block(first, Math.min(10_000, COUNT - first));
    for (const [q, query] of queries.entries()) {
      const found = await nearest(query, vectors, K);
      const all = [...best[q]!, ...found.map(({ index, similarity }): [number, number] => [first + index, similarity])];
      best[q] = all.sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, K);
    }
  }
  return best;
}

/** Opens in a process of its own, searches, and tells its peak of resident memory, in bytes. */
function searchElsewhere(open: string): { peak: number; found: [number, number][][]; ms: number } {
  const program = `
    import { openPhotos, VectorIndex } from ${JSON.stringify(new URL('../../dist/search.js', import.meta.url).href)};
    const index = ${open};
    const found = [];
    let ms = 0;
    for (const query of ${JSON.stringify(queries.map((query) => [...query]))}) {
      const start = performance.now();
      found.push((await index.search(query, ${K})).map(({ id, similarity }) => [id, similarity]));
      ms = performance.now() - start;
    }
    console.log(JSON.stringify({ peak: process.resourceUsage().maxRSS * 1024, found, ms }));`;
  const args = ['--input-type=module', '--eval', program];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: projectPath, encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

describe(`${COUNT.toLocaleString('en')} vectors`, async () => {
  const expected = await scan();
  const check = (what: string, { peak, found, ms }: ReturnType<typeof searchElsewhere>) => {
    console.log(
      `${what}: peak ${(peak / 1e6).toFixed(0)} MB of ${(MOST / 1e6).toFixed(0)}, the last search ${ms.toFixed(0)} ms`,
    );
    expect(found).toEqual(expected);
    expect(peak).toBeLessThan(MOST);
  };

  it('in a file of vectors', async () => {
    const ids = Array.from({ length: COUNT }, (_, i) => i);
    const path = join(work, 'a.vectors');
    const read = async (first: number, n: number) => block(first, n);
    await pipeline(Readable.from(writeIndex({ ids, dimension: D, model: undefined, read })), createWriteStream(path));
    check('file of vectors', searchElsewhere(`await VectorIndex.load(${JSON.stringify(path)}, { onDisk: true })`));
    rmSync(path);
  });

  it('in a photo index', async () => {
    const path = join(work, 'a.db');
    const model = { name: 'a/model', precision: 'int8' } as const;
    const store = await openPhotos(path, {
      create: { model, dimension: D, pictures: { orient: false, scaled: false } },
    });
    for (let first = 0; first < COUNT; first += 1000) {
      const vectors = block(first, 1000);
      const add = Array.from({ length: 1000 }, (_, i) => {
        const vector = vectors.subarray(i * D, (i + 1) * D);
        return { path: `/photos/${first + i}.jpg`, size: 1, mtime: 1, hash: `${first + i}`, vector };
      });
      await store.change({ add });
    }
    await store.close();
    const result = searchElsewhere(`await openPhotos(${JSON.stringify(path)}, { readOnly: true })`);
    const found = result.found.map((list) => list.map(([id, similarity]): [number, number] => [id - 1, similarity]));
    check('photo index', { ...result, found });
  });
});
