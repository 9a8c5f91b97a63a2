import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type NewPhoto, type NewPhotoStore, openPhotos, type PhotoStore } from '../../src/search/index.ts';
import { openSqlite } from '../../src/search/sqlite.ts';
import { migrate } from '../../src/search/sqlite-schema.ts';
import { nearest } from '../../src/similarity.ts';
import { Random } from '../kernels/random.ts';

const folder = mkdtempSync(join(tmpdir(), 'edgeclip-sqlite-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MODEL = { name: 'a/model', precision: 'int8', fingerprint: '0123abcd' } as const;
const D = 24;
const create: NewPhotoStore = { model: MODEL, dimension: D, pictures: { orient: false, scaled: false } };

const random = new Random(5);
let made = 0;
const newFile = () => join(folder, `${made++}.db`);
const photo = (name: string, vector = random.floats(D)): NewPhoto => {
  return {
    path: `/photos/${name}`,
    size: name.length,
    mtime: 1_700_000_000_123,
    hash: `${name.charCodeAt(0)}`.padEnd(64, '0'),
    vector,
  };
};
const names = async (store: PhotoStore) => (await store.photos()).map(({ path }) => path.slice('/photos/'.length));

it('keeps photos, their vectors and failures', async () => {
  const file = newFile();
  const store = await openPhotos(file, { create });
  const added = ['b', 'a', 'c \udce9'].map((name) => photo(name));
  await store.change({ add: added, fail: [{ path: '/photos/bad', size: 3, mtime: 4, error: 'is damaged' }] });
  await store.close();
  expect(readdirSync(folder).filter((name) => name.startsWith('0.'))).toEqual(['0.db']); // no journal beside it

  const reader = await openPhotos(file, { readOnly: true });
  expect([reader.model, reader.dimension, reader.pictures]).toEqual([MODEL, D, create.pictures]);
  const photos = await reader.photos();
  expect(photos).toEqual(added.map(({ vector, ...rest }, i) => ({ id: i + 1, ...rest })));
  expect(await reader.photo(2)).toEqual(photos[1]);
  expect([await reader.count(), await reader.photo(4), await reader.vector(4)]).toEqual([3, undefined, undefined]);
  expect(await reader.failures()).toEqual([{ path: '/photos/bad', size: 3, mtime: 4, error: 'is damaged' }]);
  const [best] = await reader.search(added[2]!.vector, 1);
  expect(best).toEqual({ ...photos[2], similarity: expect.closeTo(1, 6) });
  await expect(reader.change({ remove: [1] })).rejects.toMatchObject({ code: 'IO' });
  await reader.close();
});

it('searches as a plain f32 scan does, and sees what others write', async () => {
  const file = newFile();
  const writer = await openPhotos(file, { create });
  const reader = await openPhotos(file, { readOnly: true });
  const vectors = Array.from({ length: 1300 }, () => random.floats(D));
  await writer.change({ add: vectors.map((vector, i) => photo(`${i}`, vector)) });
  const query = random.floats(D);
  const plain = await nearest(query, vectors, 20);
  const found = await reader.search(query, 20);
  expect(found.map(({ id, similarity }) => [id - 1, similarity])).toEqual(
    plain.map(({ index, similarity }) => [index, similarity]),
  );
  await writer.change({ remove: [found[0]!.id], add: [photo('new', query)] });
  for (const store of [reader, writer]) {
    const again = await store.search(query, 20);
    expect(again.map(({ path }) => path)).toEqual(['/photos/new', ...found.slice(1).map(({ path }) => path)]);
    expect(await store.search(query, 3, { filter: (id) => id <= 1300 })).toEqual(found.slice(1, 4));
  }
  await Promise.all([reader.close(), writer.close()]);
});

it('moves photos, replaces them, and forgets failures', async () => {
  const store = await openPhotos(newFile(), { create });
  await store.change({ add: ['a', 'b', 'c'].map((name) => photo(name)) });
  const [a, b] = await store.photos();
  await store.change({ move: [{ ...a!, path: '/photos/moved', mtime: 9 }] });
  expect(await store.photo(a!.id)).toEqual({ ...a, path: '/photos/moved', mtime: 9 });
  await store.change({ move: [{ ...b!, path: '/photos/moved' }] }); // over another one
  expect(await names(store)).toEqual(['moved', 'c']);
  await store.change({ add: [photo('c')], fail: [{ path: '/photos/moved', size: 0, mtime: 0, error: 'gone bad' }] });
  expect((await store.photos()).map(({ id }) => id)).toEqual([4]); // other content is another photo
  expect(await store.failures()).toHaveLength(1);
  await store.change({ add: [photo('moved')], forget: ['/photos/none'] });
  expect(await store.failures()).toEqual([]);
  await store.close();
});

describe('refuses', () => {
  const model = { ...MODEL, fingerprint: 'ffffffff' };
  it.each<[string, () => Promise<unknown>, string, RegExp]>([
    ['a file that is not there', () => openPhotos(newFile()), 'IO', /edgeclip index PHOTOS --to/],
    ['a folder that is not there', () => openPhotos(join(folder, 'no/a.db'), { create }), 'IO', /no such folder/],
    ['a folder', () => openPhotos(folder, { create }), 'IO', /not a file/],
    [
      'another model',
      async () => openPhotos(await known(), { create: { ...create, model } }),
      'INDEX_MODEL',
      /0123abcd/,
    ],
    [
      'other options for pictures',
      async () => openPhotos(await known(), { create: { ...create, pictures: { orient: true, scaled: false } } }),
      'INDEX_MODEL',
      /no options for pictures, .* --orient/,
    ],
    ['a picture', async () => openPhotos(written('\x89PNG'.repeat(400)), { create }), 'INDEX_FORMAT', /not an index/],
    ['an empty file', async () => openPhotos(written('')), 'INDEX_FORMAT', /is empty/],
    ["another program's database", async () => openPhotos(foreign(), { create }), 'INDEX_FORMAT', /another program/],
    ['a file without a table', async () => openPhotos(await without('about')), 'INDEX_FORMAT', /no such table/],
    [
      'photos without a table',
      async () => (await openPhotos(await without('photos'))).photos(),
      'INDEX_FORMAT',
      /damaged: no such table/,
    ],
    [
      'to write without a table',
      async () => (await openPhotos(await without('failures'))).change({ forget: ['/a'] }),
      'INDEX_FORMAT',
      /damaged: no such table/,
    ],
    ['a later version', async () => openPhotos(await later()), 'INDEX_FORMAT', /version 99/],
  ])('%s', async (_, open, code, message) => {
    const error = await open().then(
      () => undefined,
      (error) => error,
    );
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  async function known() {
    const file = newFile();
    await (await openPhotos(file, { create })).close();
    return file;
  }
  function written(content: string) {
    const file = newFile();
    writeFileSync(file, content, 'latin1');
    return file;
  }
  function foreign() {
    const file = newFile();
    const database = openSqlite(file);
    database.exec('CREATE TABLE songs (title TEXT)');
    database.close();
    return file;
  }
  async function without(table: string) {
    const file = await known();
    const database = openSqlite(file);
    database.exec(`DROP TABLE ${table}`);
    database.close();
    return file;
  }
  async function later() {
    const file = await known();
    const database = openSqlite(file);
    database.exec('PRAGMA user_version = 99');
    database.close();
    return file;
  }
});

it('makes no tables twice when two processes start at once', async () => {
  const file = newFile();
  const [a, b] = await Promise.all([openPhotos(file, { create }), openPhotos(file, { create })]);
  await a.change({ add: [photo('a')] });
  await b.change({ add: [photo('b')] });
  expect(await names(a)).toEqual(['a', 'b']);
  await Promise.all([a.close(), b.close()]);
  const database = openSqlite(file);
  migrate(database, file, undefined); // is at the present version
  database.close();
});

it('leaves a good file when its writer is killed, with all that was written', async () => {
  const file = newFile();
  await (await openPhotos(file, { create })).close();
  const program = join(folder, 'writer.mjs');
  writeFileSync(
    program,
    `import { openPhotos } from ${JSON.stringify(new URL('../../dist/search.js', import.meta.url).href)};
     const store = await openPhotos(${JSON.stringify(file)}, { create: ${JSON.stringify(create)} });
     const first = (await store.count()) / 2;
     for (let i = first; ; i++) {
       const vector = Float32Array.from({ length: ${D} }, (_, j) => Math.sin(i + j));
       const at = (name) => ({ path: '/photos/' + name, size: i, mtime: i, hash: 'h', vector });
       await store.change({ add: [at(2 * i), at(2 * i + 1)] });
       process.stdout.write(i + '\\n');
     }`,
  );
  for (let round = 0; round < 3; round++) {
    let last = -1;
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk) => {
        last = Number(`${chunk}`.trim().split('\n').at(-1));
        if (last % 10 > random.integer(0, 9)) child.kill('SIGKILL');
      });
      child.on('exit', () => resolve());
    });
    if (round === 1) {
      // A copy of the file and its journal, as of this moment.
      for (const end of ['', '-wal']) if (existsSync(file + end)) copyFileSync(file + end, `${file}.copy${end}`);
    }
    const store = await openPhotos(file, { readOnly: true });
    const paths = await names(store);
    expect(paths.length).toBeGreaterThanOrEqual(2 * (last + 1));
    expect(paths).toEqual(Array.from({ length: paths.length }, (_, i) => `${i}`));
    expect(paths.length % 2).toBe(0); // all of a change or nothing
    expect((await store.search(random.floats(D), 5)).length).toBe(5);
    await store.close();
    const database = openSqlite(file);
    expect(database.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    database.close();
  }
  const copy = await openPhotos(`${file}.copy`, { readOnly: true });
  expect(await copy.count()).toBeGreaterThan(0);
  await copy.close();
});
