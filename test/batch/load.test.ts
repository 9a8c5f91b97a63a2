/** `edgeclip batch load`: parts become an index, in SQLite and in PostgreSQL, that search reads. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Clip, loadClip, similarity } from '../../src/index.ts';
import { openPhotos } from '../../src/search/index.ts';
import { edgeclip, jsonLines, workFolder } from '../cli/command.ts';
import { PostgresServer } from '../postgres/server.ts';
import { writePictures } from './pictures.ts';

const COUNT = 110;
const work = workFolder({});
const at = (name: string) => join(work.path, name);
const run = async (...args: string[]) => {
  const { code, stdout, stderr } = await edgeclip(args, { cwd: work.path });
  expect(code, stderr).toBe(0);
  return stdout;
};

let clip: Clip;
let server: PostgresServer;
const expected = new Map<string, Float32Array>();
beforeAll(async () => {
  [clip, server] = await Promise.all([loadClip({ towers: ['image'] }), PostgresServer.start()]);
  writePictures(at('photos'), COUNT);
  const names = readdirSync(at('photos'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.png'),
  );
  const pictures = names.map((name) => new Uint8Array(readFileSync(at(join('photos', name)))));
  for await (const { index, embedding } of clip.encodeImages(pictures)) {
    if (embedding) expected.set(at(join('photos', names[index]!)), embedding);
  }
  for (const [output, ...options] of [['whole'], ['half', '--half'], ['retrieval', '--layout', 'clip-retrieval']]) {
    await run('batch', 'plan', 'photos', '--output', output!, '--shard-size', '40', ...options);
  }
  await run('batch', 'work', '--output', 'whole');
});
afterAll(async () => {
  clip.dispose();
  await server.remove();
  work.remove();
});

const stored = async (to: string) => {
  const store = await openPhotos(to, { readOnly: true });
  const photos = await store.photos();
  const vectors = await Promise.all(photos.map(({ id }) => store.vector(id)));
  const result = { photos, vectors, failures: await store.failures(), pictures: store.pictures };
  await store.close();
  return result;
};

describe.each([
  ['SQLite', () => at('photos.db')],
  ['PostgreSQL', () => server.address('postgres', 'loaded')],
])('%s', (_, place) => {
  it('gets every picture of the parts, once, however often they are loaded', async () => {
    expect(await run('batch', 'load', '--output', 'whole', '--to', place())).toMatch(
      /: 109 photos \(109 new, 1 failed\)\n$/,
    );
    const first = await stored(place());
    expect(new Set(first.photos.map(({ path }) => path))).toEqual(new Set(expected.keys()));
    for (const [i, vector] of first.vectors.entries()) {
      expect(similarity(vector!, expected.get(first.photos[i]!.path)!)).toBeGreaterThan(0.999999);
    }
    expect(first.failures.map(({ path }) => path)).toEqual([at('photos/9/000099.png')]);
    expect(first.failures[0]!.error).toContain('IMAGE_TRUNCATED');
    expect(first.pictures).toEqual({ orient: false, scaled: false });

    expect(await run('batch', 'load', '--output', 'whole', '--to', place())).toMatch(
      /: 109 photos \(109 known before, 1 failed\)\n$/,
    );
    expect((await stored(place())).photos).toEqual(first.photos);
  });

  it('is found by search, and is one index with what edgeclip index adds', async () => {
    const [path] = expected.keys();
    const found = jsonLines<{ file: string; similarity: number }>(
      await run('search', '--image', path!, '--in', place(), '--top', '1', '--json'),
    );
    expect(found).toEqual([{ file: path, similarity: expect.closeTo(1, 5) }]);
    writePictures(at('more'), 3);
    expect(await run('index', 'more', '--to', place())).toMatch(/: 112 photos \(3 new\)\n$/);
  });

  it('refuses parts of other options', async () => {
    await run('batch', 'plan', 'photos', '--output', 'oriented');
    await run('batch', 'work', '--output', 'oriented', '--orient');
    const { code, stderr } = await edgeclip(['batch', 'load', '--output', 'oriented', '--to', place()], {
      cwd: work.path,
    });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/orient/)]);
  });
});

it('gives PostgreSQL its HNSW index when the parts are in, also if an earlier run was stopped', async () => {
  const to = server.address('postgres', 'hnsw');
  const indexes = () => server.query("SELECT indexdef FROM pg_indexes WHERE schemaname = 'edgeclip_hnsw' AND indexname = 'vectors_hnsw'"); // biome-ignore format: one line
  const store = await openPhotos(to, { create: { model: clip, dimension: clip.config.embedDim, pictures: { orient: false, scaled: false } } }); // biome-ignore format: one line
  const [made] = await indexes();
  expect(made!.indexdef).toContain('USING hnsw');
  const stopped = store.bulk(async () => {
    expect(await indexes()).toEqual([]);
    const [vector] = expected.values();
    await store.change({ add: [{ path: '/a', size: 0, mtime: 0, hash: 'a', vector: vector! }] });
    throw new Error('stopped');
  });
  await expect(stopped).rejects.toThrow('stopped');
  await store.close();
  expect(await indexes()).toEqual([]);
  await run('batch', 'load', '--output', 'whole', '--to', to);
  expect(await indexes()).toEqual([made]);
  const [path] = expected.keys();
  expect(await run('search', '--image', path!, '--in', to, '--top', '2', '--approximate')).toContain(path);
});

it('takes half precision, and lists, whose paths begin where the list was planned', async () => {
  await run('batch', 'work', '--output', 'half');
  await run('batch', 'load', '--output', 'half', '--to', 'half.db');
  const { photos, vectors } = await stored(at('half.db'));
  expect(photos).toHaveLength(COUNT - 1);
  for (const [i, vector] of vectors.entries()) {
    expect(similarity(vector!, expected.get(photos[i]!.path)!)).toBeGreaterThan(0.99999);
  }
  writeFileSync(at('list.txt'), 'photos/0/000000.png\nphotos/none.png\n');
  await run('batch', 'plan', 'list.txt', '--list', '--output', 'listed');
  await run('batch', 'work', '--output', 'listed');
  await run('batch', 'load', '--output', 'listed', '--to', 'listed.db');
  const listed = await stored(at('listed.db'));
  expect(listed.photos.map(({ path }) => path)).toEqual([at('photos/0/000000.png')]);
  expect(listed.failures.map(({ path }) => path)).toEqual([at('photos/none.png')]);
});

it('takes the last of two members of one name in a tar file, however often it is loaded', async () => {
  mkdirSync(at('twice'));
  const photos = readdirSync(at('photos/0')).slice(0, 2);
  const tar = (how: string, ...args: string[]) => execFileSync('tar', [how, at('twice/t.tar'), '-C', at('photos/0'), ...args]); // biome-ignore format: one line
  tar('-cf', ...photos);
  mkdirSync(at('one'));
  copyFileSync(at(`photos/0/${photos[1]}`), at(`one/${photos[0]}`));
  execFileSync('tar', ['-rf', at('twice/t.tar'), '-C', at('one'), `./${photos[0]}`]);
  await run('batch', 'plan', 'twice', '--tars', '--output', 'twice-out');
  await run('batch', 'work', '--output', 'twice-out');
  const load = () => run('batch', 'load', '--output', 'twice-out', '--to', 'twice.db');
  expect(await load()).toMatch(/: 2 photos \(2 new\)\n$/);
  const { photos: first, vectors } = await stored(at('twice.db'));
  expect(vectors[0]).toEqual(vectors[1]);
  expect(await load()).toMatch(/: 2 photos \(2 known before\)\n$/);
  expect((await stored(at('twice.db'))).photos).toEqual(first);
});

it('edgeclip index of the same folder embeds nothing again but what has changed', async () => {
  cpSync(at('photos'), at('indexed'), { recursive: true });
  await run('batch', 'plan', 'indexed', '--output', 'indexed-half', '--half');
  await run('batch', 'work', '--output', 'indexed-half');
  await run('batch', 'load', '--output', 'indexed-half', '--to', 'indexed.db');
  const loaded = await stored(at('indexed.db'));
  const [changed, renamed] = loaded.photos.map(({ path }) => path);
  copyFileSync(new URL('../golden/photos/cat.png', import.meta.url), changed!);
  renameSync(renamed!, `${renamed}.renamed.png`);
  const { stdout } = await edgeclip(['index', 'indexed', '--to', 'indexed.db'], { cwd: work.path });
  expect(stdout).toBe('indexed.db: 109 photos (1 new, 1 moved, 1 failed)\n');
  const after = await stored(at('indexed.db'));
  // In half precision: a photo that was embedded again has other numbers.
  const vectors = new Map(after.photos.map(({ path }, i) => [path, after.vectors[i]]));
  for (const [i, { path }] of loaded.photos.entries()) {
    const now = path === renamed ? `${renamed}.renamed.png` : path;
    if (path !== changed) expect(vectors.get(now), path).toEqual(loaded.vectors[i]);
  }
  expect(after.photos.every(({ size, mtime }) => size > 0 && mtime > 0)).toBe(true);
  // What was renamed is not there where the batch read it.
  const again = (...options: string[]) =>
    edgeclip(['batch', 'load', '--output', 'indexed-half', '--to', 'indexed.db', ...options], { cwd: work.path });
  const { stdout: loadedAgain, stderr } = await again();
  expect(loadedAgain).toMatch(/: 109 photos \(108 known before, 1 failed\)/);
  expect(stderr).toContain('note: 1 picture left out, as its file was removed: --include-gone loads it, too');
  expect((await again('--include-gone')).stdout).toMatch(/: 110 photos \(1 new, 108 known before, 1 failed\)/);
});

it('agrees with edgeclip index on links, of hard links and symbolic ones', async () => {
  writePictures(at('linked'), 3);
  const [a, b] = readdirSync(at('linked'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.png')).sort(); // biome-ignore format: one line
  linkSync(at(join('linked', a!)), at('linked/0.png'));
  symlinkSync(b!, at('linked/1.png'));
  symlinkSync('.', at('linked/loop'));
  await run('batch', 'plan', 'linked', '--output', 'linked-out');
  await run('batch', 'work', '--output', 'linked-out');
  expect(await run('batch', 'load', '--output', 'linked-out', '--to', 'linked.db')).toMatch(
    /: 3 photos \(3 new, 2 links\)/,
  );
  const loaded = await stored(at('linked.db'));
  expect(await run('index', 'linked', '--to', 'linked.db')).toMatch(/: 3 photos \(nothing new, \d+ links\)/);
  const paths = ({ photos }: typeof loaded) => photos.map(({ id, path }) => [id, path]);
  expect(paths(await stored(at('linked.db')))).toEqual(paths(loaded));
});

it('keeps a photo whose file was bad when the batch read it and is mended since', async () => {
  writePictures(at('mended'), 1);
  writeFileSync(at('mended/bad.png'), 'no');
  await run('batch', 'plan', 'mended', '--output', 'mended-out');
  await run('batch', 'work', '--output', 'mended-out');
  const load = () => run('batch', 'load', '--output', 'mended-out', '--to', 'mended.db');
  expect(await load()).toContain('1 photo (1 new, 1 failed)');
  copyFileSync(new URL('../golden/photos/cat.png', import.meta.url), at('mended/bad.png'));
  await run('index', 'mended', '--to', 'mended.db');
  const indexed = await stored(at('mended.db'));
  expect(await load()).toContain('2 photos (2 known before)');
  expect(await stored(at('mended.db'))).toEqual(indexed);
  expect([indexed.photos.length, indexed.failures]).toEqual([2, []]);
  // What is not as index has read it is the batch's.
  writeFileSync(at('mended/bad.png'), 'no');
  expect(await load()).toContain('1 photo (1 known before, 1 failed)');
});

it('says why nothing can be loaded, and what is damaged', async () => {
  const load = (...args: string[]) => edgeclip(['batch', 'load', ...args], { cwd: work.path });
  expect((await load('--output', 'retrieval', '--to', 'none.db')).stderr).toContain('layout clip-retrieval');
  await run('batch', 'plan', 'photos', '--output', 'empty');
  expect((await load('--output', 'empty', '--to', 'none.db')).stderr).toContain(
    'has no parts yet: edgeclip batch work',
  );
  expect(existsSync(at('none.db'))).toBe(false);
  truncateSync(at('whole/part-00001.parquet'), 20_000);
  const { code, stderr } = await load('--output', 'whole', '--to', 'damaged.db');
  expect([code, stderr]).toEqual([1, expect.stringMatching(/part-00001\.parquet is damaged/)]);
  expect((await stored(at('damaged.db'))).photos).toHaveLength(40); // the first part's
});
