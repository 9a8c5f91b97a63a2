/** What every photo index does, whichever database it is in. */
import { describe, expect, it, vi } from 'vitest';
import { duplicateGroups } from '../../src/search/duplicates.ts';
import { type NewPhoto, type NewPhotoStore, openPhotos, type PhotoStore } from '../../src/search/index.ts';
import { nearest } from '../../src/similarity.ts';
import { Random } from '../kernels/random.ts';

export const D = 24;
export const MODEL = { name: 'a/model', precision: 'int8', fingerprint: '0123abcd' } as const;
export const create: NewPhotoStore = { model: MODEL, dimension: D, pictures: { orient: false, scaled: false } };

export const random = new Random(5);
export const photo = (name: string, vector = random.floats(D)): NewPhoto => {
  return {
    path: `/photos/${name}`,
    size: name.length,
    mtime: 1_700_000_000_123,
    hash: `${name.charCodeAt(0)}`.padEnd(64, '0'),
    vector,
  };
};
export const names = async (store: PhotoStore) =>
  (await store.photos()).map(({ path }) => path.slice('/photos/'.length));

/** @param newAddress of an index that is not there */
export function photoStoreBehaves(newAddress: () => string): void {
  it('keeps photos, their vectors and failures', async () => {
    const address = newAddress();
    const store = await openPhotos(address, { create });
    const long = `${'long '.repeat(800)}`; // a path may have 4,096 bytes
    const added = ['b', 'a', 'c \udce9', "it's 100 % \u732b\ud83d\udc31", long].map((name) => photo(name));
    await store.change({ add: added, fail: [{ path: '/photos/bad', size: 3, mtime: 4, error: 'is damaged' }] });
    await store.close();

    const reader = await openPhotos(address, { readOnly: true });
    expect([reader.model, reader.dimension, reader.pictures]).toEqual([MODEL, D, create.pictures]);
    const photos = await reader.photos();
    expect(photos).toEqual(added.map(({ vector, ...rest }, i) => ({ id: i + 1, ...rest })));
    expect(await reader.photo(2)).toEqual(photos[1]);
    expect([await reader.count(), await reader.photo(6), await reader.vector(6)]).toEqual([5, undefined, undefined]);
    expect(await reader.failures()).toEqual([{ path: '/photos/bad', size: 3, mtime: 4, error: 'is damaged' }]);
    const [best] = await reader.search(added[2]!.vector, 1);
    expect(best).toEqual({ ...photos[2], similarity: expect.closeTo(1, 6) });
    expect(await reader.damaged()).toEqual([]);
    await expect(reader.change({ remove: [1] })).rejects.toMatchObject({ code: 'IO' });
    await reader.close();
  });

  it('searches as a plain f32 scan does, and sees what others write', async () => {
    const address = newAddress();
    const writer = await openPhotos(address, { create });
    const reader = await openPhotos(address, { readOnly: true });
    expect(await reader.search(random.floats(D), 3)).toEqual([]);
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
      const last = await nearest(query, vectors.slice(1290), 20);
      const filtered = await store.search(query, 20, { filter: (id) => id > 1290 && id <= 1300 });
      expect(filtered.map(({ id, similarity }) => [id - 1291, similarity])).toEqual(
        last.map(({ index, similarity }) => [index, similarity]),
      );
    }
    await Promise.all([reader.close(), writer.close()]);
  });

  it('groups what a chain of near photos joins, and many frames of one scene with one search each', async () => {
    const store = await openPhotos(newAddress(), { create });
    const scenes = Array.from({ length: 12 }, () => random.floats(D));
    // 200 frames of one scene, chains through the others, and photos of their own.
    const frames = Array.from({ length: 200 }, () => scenes[0]!.map((x) => x + 1e-3 * random.next()));
    const between = (a: number, b: number, t: number) => scenes[a]!.map((x, i) => (1 - t) * x + t * scenes[b]![i]!);
    const chains = [1, 3, 5].flatMap((a) => Array.from({ length: 15 }, (_, i) => between(a, a + 1, i / 14)));
    const vectors = [...frames, ...chains, ...scenes.slice(7)];
    const hash = (i: number) => String(i).padStart(64, '0');
    await store.change({ add: vectors.map((vector, i) => ({ ...photo(`${i}`, vector), hash: hash(i) })) });
    const threshold = 0.97;
    const groups = new Set<Set<number>>();
    const of = new Map(vectors.map((_, i) => [i, new Set([i])]));
    for (const [i, vector] of vectors.entries()) {
      for (const { index, similarity } of await nearest(vector, vectors, vectors.length)) {
        if (similarity < threshold || of.get(index) === of.get(i)) continue;
        const all = new Set([...of.get(i)!, ...of.get(index)!]);
        for (const member of all) of.set(member, all);
      }
    }
    for (const group of of.values()) if (group.size > 1) groups.add(group);
    const search = vi.spyOn(store, 'search');
    const found = await duplicateGroups(store, { threshold });
    expect(new Set(found.map(({ photos }) => new Set(photos.map(({ id }) => id - 1))))).toEqual(groups);
    expect(found.length).toBeGreaterThan(1);
    expect(search.mock.calls.length).toBeLessThan(vectors.length + 20);
    await store.close();
  });

  it('finds the best among many that are nearly equal, equal ones in the order of their additions', async () => {
    const store = await openPhotos(newAddress(), { create });
    const one = random.floats(D);
    const near = Array.from({ length: 2000 }, (_, i) => one.map((x) => x + (i % 3) * 1e-6 * random.next()));
    await store.change({ add: near.map((vector, i) => photo(`${i}`, vector)) });
    const plain = await nearest(one, near, 700);
    const found = await store.search(one, 700);
    expect(found.map(({ id, similarity }) => [id - 1, similarity])).toEqual(
      plain.map(({ index, similarity }) => [index, similarity]),
    );
    expect((await store.search(new Float32Array(D), 5)).map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
    await store.close();
  });

  it('moves photos, replaces them, and forgets failures', async () => {
    const store = await openPhotos(newAddress(), { create });
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
    const failure = { path: '/photos/x', size: 0, mtime: 0 };
    await store.change({
      add: [photo('twice'), photo('twice')],
      fail: [
        { ...failure, error: '1' },
        { ...failure, error: '2' },
      ],
    });
    expect((await store.photos()).map(({ id }) => id)).toEqual([4, 5, 7]); // the second is at that path now
    expect(await store.failures()).toEqual([{ ...failure, error: '2' }]);
    await store.close();
  });

  it('makes all of a change or nothing', async () => {
    const store = await openPhotos(newAddress(), { create });
    await store.change({ add: [photo('a')] });
    const wrong = { ...photo('c'), mtime: 'never' as unknown as number };
    await expect(store.change({ remove: [1], add: [photo('b'), wrong] })).rejects.toThrow();
    await expect(store.change({ add: [photo('b', new Float32Array(3))] })).rejects.toThrow(RangeError);
    expect(await names(store)).toEqual(['a']);
    await store.change({ add: [photo('b')] }); // and it goes on
    expect(await names(store)).toEqual(['a', 'b']);
    await store.close();
  });

  describe('refuses', () => {
    const refused = async (open: () => Promise<unknown>) =>
      open().then(
        () => undefined,
        (error) => error,
      );
    const known = async () => {
      const address = newAddress();
      await (await openPhotos(address, { create })).close();
      return address;
    };

    it('an index that is not there', async () => {
      const error = await refused(() => openPhotos(newAddress(), { readOnly: true }));
      expect(error).toMatchObject({ code: 'IO', message: expect.stringMatching(/edgeclip index PHOTOS --to/) });
    });

    it('another model', async () => {
      const model = { ...MODEL, fingerprint: 'ffffffff' };
      const address = await known();
      const error = await refused(() => openPhotos(address, { create: { ...create, model } }));
      expect(error).toMatchObject({ code: 'INDEX_MODEL', message: expect.stringMatching(/0123abcd/) });
      const store = await openPhotos(address, { readOnly: true });
      expect(() => store.checkModel({ ...MODEL, precision: 'f32', fingerprint: undefined })).toThrow(/cannot be mixed/);
      await store.close();
    });

    it('other options for pictures', async () => {
      const address = await known();
      const pictures = { orient: true, scaled: false };
      const error = await refused(() => openPhotos(address, { create: { ...create, pictures } }));
      expect(error).toMatchObject({ code: 'INDEX_MODEL', message: expect.stringMatching(/no options .* --orient/) });
    });

    it('queries that are none', async () => {
      const store = await openPhotos(await known(), { readOnly: true });
      await expect(store.search(new Float32Array(3), 1)).rejects.toThrow(RangeError);
      await expect(store.search('abc' as never, 1)).rejects.toThrow(TypeError);
      await expect(store.search(new Float32Array(D).fill(Number.NaN), 1)).rejects.toThrow(RangeError);
      await expect(store.search(new Float32Array(D), 0)).rejects.toThrow(RangeError);
      const signal = AbortSignal.abort(new Error('enough'));
      await expect(store.search(new Float32Array(D).fill(1), 1, { signal })).rejects.toThrow('enough');
      await store.close();
    });
  });
}
