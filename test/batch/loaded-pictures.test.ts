/** What of a batch's pictures an index gets where their files are on this machine: what `edgeclip index` would have made of them. */
import { linkSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LoadedPictures } from '../../src/batch/loaded-pictures.ts';
import type { StoredRow } from '../../src/batch/part-reader.ts';
import type { PlanHead } from '../../src/batch/plan.ts';
import { openPhotos, type PhotoStore } from '../../src/search/index.ts';
import { wasRead } from '../../src/search/photo-store.ts';

let top: string;
let store: PhotoStore;
beforeEach(async () => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'edgeclip-loaded-')));
  const model = { name: 'm', precision: 'int8' } as const;
  store = await openPhotos(join(top, 'i.db'), { create: { model, dimension: 2, pictures: { orient: false, scaled: false } } }); // biome-ignore format: one line
});
afterEach(async () => {
  await store.close();
  rmSync(top, { recursive: true });
});

const put = (name: string, content = name) => {
  mkdirSync(dirname(join(top, name)), { recursive: true });
  writeFileSync(join(top, name), content);
};
const picture = (key: string, sha256 = key): StoredRow => ({ key, sha256, embedding: new Float32Array([1, 2]) });

/** Loads rows, each list together, and gives the counts that are not 0. */
async function load(lists: readonly (readonly StoredRow[])[], head: Partial<PlanHead> = {}, includeGone = false) {
  const plan = { head: { kind: 'files', input: join(top, 'in'), base: top, ...head } as PlanHead, files: [], shards: 1, earlier: [] }; // biome-ignore format: one line
  const pictures = new LoadedPictures(plan, await store.photos(), { includeGone });
  for (const rows of lists) await pictures.store(rows, store);
  return Object.fromEntries(Object.entries(pictures.counts).filter(([, n]) => n > 0));
}
const paths = async () => (await store.photos()).map(({ path }) => path.slice(top.length + 1)).sort();

describe.each([
  ['together', (rows: StoredRow[]) => [rows]],
  ['one after the other', (rows: StoredRow[]) => rows.map((row) => [row])],
])('rows that come %s', (_, lists) => {
  it('a file with several paths is one photo: at its own path, of hard links at the first', async () => {
    for (const name of ['in/b.png', 'in/cat.png', 'in/copy.png']) put(name, 'same');
    linkSync(join(top, 'in/b.png'), join(top, 'in/c.png'));
    symlinkSync('cat.png', join(top, 'in/a link.png')); // comes before its target
    symlinkSync('cat.png', join(top, 'in/z link.png'));
    const names = ['a link.png', 'b.png', 'c.png', 'cat.png', 'copy.png', 'z link.png'];
    const rows = names.map((name) => picture(name, 'same'));
    expect(await load(lists(rows))).toMatchObject({ added: 3 }); // the link moves to its target that comes later, or is left out
    expect(await paths()).toEqual(['in/b.png', 'in/cat.png', 'in/copy.png']);
    const before = await store.photos();
    expect(await load(lists(rows))).toEqual({ unchanged: 3, linked: 3 });
    expect(await store.photos()).toEqual(before);
  });

  it('a hard link of a photo that the index has stays that photo', async () => {
    put('in/b.png');
    linkSync(join(top, 'in/b.png'), join(top, 'in/a.png'));
    await load([[picture('b.png', 'b')]]);
    expect(await load(lists([picture('a.png', 'b'), picture('b.png', 'b')]))).toEqual({ unchanged: 1, linked: 1 });
    expect(await paths()).toEqual(['in/b.png']);
  });

  it('a photo that has become a link to another one is gone', async () => {
    put('in/a.png');
    put('in/b.png');
    await load([[picture('a.png', 'a'), picture('b.png', 'b')]]);
    rmSync(join(top, 'in/a.png'));
    linkSync(join(top, 'in/b.png'), join(top, 'in/a.png'));
    expect(await load(lists([picture('a.png', 'b'), picture('b.png', 'b')]))).toEqual({ unchanged: 1, linked: 1 });
    expect(await paths()).toEqual(['in/b.png']);
  });
});

describe('pictures whose files are not there', () => {
  const error = { key: 'bad.png', error: 'IMAGE_FORMAT: no picture' };

  it('are left out where their folder has others, or was removed from one that has', async () => {
    put('in/left.png');
    const rows = [picture('left.png'), picture('gone.png'), picture('removed/gone.png'), error];
    expect(await load([rows])).toEqual({ added: 1, gone: 3 });
    expect([await paths(), await store.failures()]).toEqual([['in/left.png'], []]);
    expect(await load([rows], {}, true)).toEqual({ unchanged: 1, added: 2, failed: 1 });
  });

  it('leave the index if it has them from before', async () => {
    for (const name of ['in/left.png', 'in/bad.png', 'in/gone.png']) put(name);
    const rows = [picture('left.png'), picture('gone.png'), error];
    expect(await load([rows])).toEqual({ added: 2, failed: 1 });
    for (const name of ['in/bad.png', 'in/gone.png']) rmSync(join(top, name));
    expect((await store.photos()).some(wasRead)).toBe(false);
    expect(await load([rows], {}, true)).toEqual({ unchanged: 2, failed: 1 });
    expect(await load([rows])).toEqual({ unchanged: 1, gone: 2 });
    expect([await paths(), await store.failures()]).toEqual([['in/left.png'], []]);
  });

  it('are loaded where their folder is not on this machine, or is empty, as its disk may not be mounted', async () => {
    put('in/left.png');
    put('in/unmounted/.hidden');
    expect(await load([[picture('unmounted/a.png')]])).toEqual({ added: 1 });
    expect(await load([[picture('a.png')]], { input: join(top, 'elsewhere/photos') })).toEqual({ added: 1 });
    expect(await load([[picture('a.png')]], { input: 's3://bucket/photos' })).toEqual({ added: 1 });
  });

  it('in a list are judged by their own folder, and what never was there stays an error', async () => {
    put('in/left.png');
    const list = { kind: 'list', input: join(top, 'list.txt') } as const;
    const rows = [picture('in/gone.png'), picture('other/a.png'), picture('https://a.example/a.png')];
    expect(await load([[...rows, { ...error, key: 'in/bad.png' }]], list)).toEqual({ added: 2, gone: 1, failed: 1 });
    expect(await paths()).toContain('other/a.png');
  });

  it('in a tar file are there as long as it is', async () => {
    put('in/a.tar');
    put('in/b.jpg');
    const rows = [picture('a.tar/1.png'), picture('gone.tar/1.png'), picture('b.jpg/1.png')];
    expect(await load([rows], { kind: 'tars' })).toEqual({ added: 1, gone: 2 });
    expect(await paths()).toEqual(['in/a.tar/1.png']);
  });
});

it('an error about reaching a file leaves the photo that the index has; one about the picture does not', async () => {
  const list = { kind: 'list', input: join(top, 'list.txt') } as const;
  const [a, b] = ['https://a.example/a.png', 'https://a.example/b.png'];
  await load([[picture(a), picture(b)]], list);
  const rows = [
    { key: a, error: 'no server answers there [IO]' },
    { key: b, error: 'the PNG ends early [IMAGE_TRUNCATED]' },
  ];
  expect(await load([rows], list)).toEqual({ failed: 2 });
  expect((await store.photos()).map(({ path }) => path)).toEqual([a]);
  expect((await store.failures()).map(({ path }) => path)).toEqual([b]);
});
