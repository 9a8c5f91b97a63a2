/** Very many photos of one content: how often their files are looked at grows with their number, not with that of their pairs. */
import { linkSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LoadedPictures } from '../../src/batch/loaded-pictures.ts';
import type { Plan } from '../../src/batch/plan.ts';
import { fileInput } from '../../src/cli/inputs.ts';
import { PhotoUpdates } from '../../src/cli/photo-updates.ts';
import { Progress } from '../../src/cli/progress.ts';
import type { Clip } from '../../src/index.ts';
import { RealPaths } from '../../src/real-paths.ts';
import { openPhotos, type PhotoStore } from '../../src/search/index.ts';
import { KnownPhotos } from '../../src/search/known-photos.ts';

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  return { ...fs, statSync: vi.fn(fs.statSync) };
});

const COUNT = 150;
/** All that is asked of one file; comparing pairs asks more than a hundred times of each. */
const STATS_EACH = 25;

let top: string;
let store: PhotoStore;
beforeEach(async () => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'edgeclip-known-')));
  mkdirSync(join(top, 'in'));
  const model = { name: 'm', precision: 'int8' } as const;
  const create = { model, dimension: 2, pictures: { orient: false, scaled: false } };
  store = await openPhotos(join(top, 'i.db'), { create });
});
afterEach(async () => {
  await store.close();
  rmSync(top, { recursive: true });
});

const names = Array.from({ length: COUNT }, (_, i) => `${i}.png`);
const put = (name: string) => writeFileSync(join(top, 'in', name), 'placeholder');

/** How often files were looked at. */
async function stats(run: () => Promise<void>): Promise<number> {
  vi.mocked(statSync).mockClear();
  await run();
  return vi.mocked(statSync).mock.calls.length;
}

it.each([['in'], ['s3://bucket/photos']])('when a batch of %s is loaded, and loaded again', async (input) => {
  if (input === 'in') for (const name of names) put(name);
  const head = { kind: 'files', input: input === 'in' ? join(top, 'in') : input, base: top };
  const plan = { head, files: [], shards: 1, earlier: [] } as unknown as Plan;
  const rows = names.map((key) => ({ key, sha256: 'same', embedding: new Float32Array([1, 2]) }));
  for (const counts of [{ added: COUNT }, { unchanged: COUNT }]) {
    const pictures = new LoadedPictures(plan, await store.photos(), { includeGone: false });
    const load = async () => {
      for (const row of rows) await pictures.store([row], store);
    };
    expect(await stats(load)).toBeLessThan(STATS_EACH * COUNT);
    expect(pictures.counts).toMatchObject(counts);
  }
});

it('when files are indexed whose content is known, at their old paths and at new ones', async () => {
  for (const name of names) put(name);
  const clip = {
    // All are known by their content, so none comes here.
    async *encodeImages(images: AsyncIterable<Uint8Array>) {
      for await (const _ of images) throw new Error('embedded again');
      yield* [];
    },
  } as unknown as Clip;
  const hash = '4097889236a2af26c293033feb964c4cf118c0224e0d063fec0a89e9d0569ef2';
  const vector = new Float32Array([1, 2]);
  const index = async () => {
    const updates = await PhotoUpdates.open(store, clip, { orient: false, scaled: false }, new Progress(), new RealPaths()); // biome-ignore format: one line
    const inputs = names.map((name) => fileInput(join(top, 'in', name), () => {}));
    expect(await stats(() => updates.update(inputs))).toBeLessThan(STATS_EACH * COUNT);
    return updates.counts;
  };
  // Half have been renamed.
  const old = (name: string, i: number) => join(top, 'in', i % 2 === 0 ? `${name}.old.png` : name);
  await store.change({ add: names.map((name, i) => ({ path: old(name, i), size: 1, mtime: 1, hash, vector })) });
  expect(await index()).toMatchObject({ unchanged: COUNT / 2, moved: COUNT / 2, added: 0, copied: 0 });
});

it('a photo is known by another path of its file, also after it was added or forgotten later', () => {
  const photo = (id: number, name: string) => ({ id, path: join(top, 'in', name), size: 1, mtime: 1, hash: 'h' });
  for (const name of ['a', 'b']) put(name);
  linkSync(join(top, 'in/b'), join(top, 'in/b2'));
  linkSync(join(top, 'in/b'), join(top, 'in/b3'));
  const known = new KnownPhotos([photo(1, 'a'), photo(2, 'gone')]);
  const ofB = () => known.ofFile('h', join(top, 'in/b'))?.id;
  const gone = () => known.goneOf('h', () => true)?.id;
  expect([ofB(), gone(), known.ofContent('h')?.id]).toEqual([undefined, 2, 1]);
  expect(known.goneOf('h', ({ id }) => id !== 2)).toBeUndefined();
  for (const [id, name] of [[3, 'b2'], [4, 'b3']] as const) known.add(photo(id, name)); // biome-ignore format: one line
  expect(ofB()).toBe(3);
  known.forget(join(top, 'in/b2'));
  expect(ofB()).toBe(4);
  expect(known.ofFile('other', join(top, 'in/b'))).toBeUndefined();
  // A path that has become another file, and a file that is gone, are not taken for what they were.
  rmSync(join(top, 'in/b3'));
  expect(ofB()).toBeUndefined();
  put('gone');
  expect(gone()).toBeUndefined();
});

it('a photo of a bucket is not gone, so a file of the same content does not take its place', () => {
  const photo = { id: 1, path: 's3://bucket/photos/a.png', size: 0, mtime: 0, hash: 'same' };
  const gone = { ...photo, id: 2, path: join(top, 'in/gone.png') };
  const known = new KnownPhotos([photo, gone]);
  expect(known.goneOf('same', () => true)).toEqual(gone);
  known.forget(gone.path);
  expect(known.goneOf('same', () => true)).toBeUndefined();
  expect(known.ofContent('same')).toEqual(photo);
});
