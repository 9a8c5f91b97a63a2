import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openPhotos } from '../../src/search/index.ts';
import { openSqlite } from '../../src/search/sqlite.ts';
import { migrate } from '../../src/search/sqlite-schema.ts';
import { create, D, names, photo, photoStoreBehaves, random } from './photo-store.ts';
import { photoWriter } from './photo-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'edgeclip-sqlite-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let made = 0;
const newFile = () => join(folder, `${made++}.db`);

photoStoreBehaves(newFile);

it('leaves one file', async () => {
  const file = newFile();
  const store = await openPhotos(file, { create });
  await store.change({ add: [photo('a')] });
  await store.close();
  expect(readdirSync(folder).filter((name) => join(folder, name).startsWith(file))).toEqual([basename(file)]);
});

describe('refuses', () => {
  it.each<[string, () => Promise<unknown>, string, RegExp]>([
    ['a folder that is not there', () => openPhotos(join(folder, 'no/a.db'), { create }), 'IO', /no such folder/],
    ['a folder', () => openPhotos(folder, { create }), 'IO', /not a file/],
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
  writeFileSync(program, photoWriter(file, D, { create }));
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
