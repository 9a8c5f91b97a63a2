/**
 * Photo indexes against NumPy: the ten photos in 100 seeded variants each (10 in the short form, `EDGECLIP_SOAK_MINUTES` below 1, as in
 * CI), embedded by `edgeclip embed --format npy` and scanned by NumPy, and indexed by `edgeclip index`. `EDGECLIP_PYTHON` has NumPy.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { loadClip, preprocess } from '../../src/index.ts';
import { openPhotos } from '../../src/search/index.ts';
import { projectPath } from '../cli/command.ts';
import { Random } from '../kernels/random.ts';
import { SIDE, variant } from './variants.ts';

const VARIANTS = Number(process.env.EDGECLIP_SOAK_MINUTES ?? 10) < 1 ? 10 : 100;
const K = 20;
/** How far NumPy's f32 products are from ours: sums of 384 in another order, each off by some units of 2^-24. */
const ROUNDING = 1e-6;

const work = mkdtempSync(join(tmpdir(), 'edgeclip-search-soak-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const random = new Random(Number(process.env.EDGECLIP_SOAK_SEED ?? 1));

const WORDS = [
  'a cat',
  'a cup of coffee',
  'a rocket',
  'grass',
  'a wall of bricks',
  'a man with a camera',
  'stars',
  'money',
];

it(`finds what a NumPy scan finds among ${10 * VARIANTS} photos`, async () => {
  using clip = await loadClip();
  const folder = join(projectPath, 'test/golden/photos');
  mkdirSync(join(work, 'photos'));
  for (const name of readdirSync(folder).filter((file) => /\.(png|jpg)$/.test(file))) {
    const { data } = await preprocess(readFileSync(join(folder, name)), { ...clip.preprocess, size: SIDE });
    for (let i = 0; i < VARIANTS; i++) writeFileSync(join(work, `photos/${name}-${i}.png`), variant(data, random));
  }
  const edgeclip = (...args: string[]) =>
    execFileSync(process.execPath, [join(projectPath, 'dist/cli/main.js'), ...args], { cwd: work, encoding: 'utf8' });
  edgeclip('embed', 'photos', '--format', 'npy', '--output', 'photos.npy', '--index', 'photos.jsonl');
  edgeclip('embed', ...WORDS.flatMap((words) => ['--text', words]), '--format', 'npy', '--output', 'words.npy');
  edgeclip('index', 'photos', '--to', 'photos.db');
  const rows = readFileSync(join(work, 'photos.jsonl'), 'utf8').trim().split('\n');
  const files = rows.map((row) => resolve(work, JSON.parse(row).file));
  expect(files).toHaveLength(10 * VARIANTS);

  const python = process.env.EDGECLIP_PYTHON ?? 'python3';
  const scan = (queries: string): { order: number[][]; scores: number[][] } => {
    const args = [join(projectPath, 'test/oracle/search.py'), 'photos.npy', queries, String(K)];
    return JSON.parse(execFileSync(python, args, { cwd: work, encoding: 'utf8', maxBuffer: 2 ** 30 }));
  };
  const store = await openPhotos(join(work, 'photos.db'), { readOnly: true });
  let [same, places] = [0, 0];
  const compare = (found: readonly string[], order: readonly number[], scores: readonly number[]) => {
    expect(found).toHaveLength(Math.min(K, files.length));
    for (const [i, path] of found.entries()) {
      const row = files.indexOf(path);
      if (row === order[i]) same++;
      // Two products that NumPy itself cannot tell apart may change places.
      else expect(Math.abs(scores[row]! - scores[order[i]!]!)).toBeLessThan(ROUNDING);
      places++;
    }
  };
  const words = scan('words.npy');
  for (const [i, text] of WORDS.entries()) {
    const lines = edgeclip('search', text, '--in', 'photos.db', '--top', String(K), '--json').trim().split('\n');
    const found = lines.map((line) => JSON.parse(line).file);
    compare(found, words.order[i]!, words.scores[i]!);
  }
  const photos = scan('photos.npy');
  for (const { id, path } of await store.photos()) {
    const found = await store.search((await store.vector(id))!, K);
    const row = files.indexOf(path);
    compare(
      found.map((one) => one.path),
      photos.order[row]!,
      photos.scores[row]!,
    );
  }
  await store.close();
  console.log(`${same} of ${places} places are NumPy's own; the others differ by less than ${ROUNDING}`);
  expect(same / places).toBeGreaterThan(0.99);
});
