/** `POST /search` on a photo index, and the photos and thumbnails that the page shows. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Clip } from '../../../src/clip.ts';
import { openPhotos, type PhotoStore } from '../../../src/search/index.ts';
import { type PhotoServer, photoServer } from '../photo-server.ts';
import { dataUri, photoFile, type Served, served } from '../server.ts';

let made: PhotoServer;
let clip: Clip;
let store: PhotoStore;
let server: Served;
let vectorOfCat: Float32Array;
beforeAll(async () => {
  made = await photoServer();
  ({ clip, store, server } = made);
  vectorOfCat = await clip.encodeText('a photo of a cat');
});
afterAll(() => made.remove());

/** A JPEG with EXIF in front that says: turned by a quarter. */
function turned(jpeg: Uint8Array): Uint8Array<ArrayBuffer> {
  const exif = 'ffe100224578696600004d4d002a00000008000101120003000000010006000000000000';
  return new Uint8Array(Buffer.concat([jpeg.subarray(0, 2), Buffer.from(exif, 'hex'), jpeg.subarray(2)]));
}

const ask = async (body: object) => {
  const { json } = await server.post('/search', body);
  return json.photos.map(({ path }: { path: string }) => path.split('/').at(-1));
};

it('finds photos as the index does, by words, a picture, another photo, and less of something', async () => {
  const query = await clip.encodeText('a cup of coffee');
  const expected = await store.search(query, 3);
  const { json } = await server.post('/search', { text: 'a cup of coffee', top: 3 });
  expect(json.photos).toEqual(
    expected.map(({ id, path, size, mtime, similarity }) => ({
      id,
      path,
      size,
      modified: new Date(mtime).toISOString(),
      similarity,
    })),
  );
  expect((await ask({ image: dataUri(photoFile('rocket.jpg')) }))[0]).toBe('rocket.jpg');
  const cat = (await store.photos()).find(({ path }) => path.endsWith('cat.png'))!;
  expect((await ask({ photo: cat.id }))[0]).toBe('cat.png');
  expect((await ask({ image: dataUri(photoFile('cat.png')), not: 'a cat' }))[0]).toBe('cat.png');
  const difference = query.map((value, i) => value - 0.5 * vectorOfCat[i]!);
  const without = await store.search(difference, 10);
  expect(await ask({ text: 'a cup of coffee', not: 'a photo of a cat', top: 10 })).toEqual(
    without.map(({ path }) => path.split('/').at(-1)),
  );
});

it('filters by path, day and similarity, and refuses what it does not know', async () => {
  expect((await ask({ text: 'a', path: 'C.*', top: 10 })).length).toBe(0);
  expect(await ask({ text: 'a', path: 'COIN' })).toEqual(['coins.png']);
  const years = await server.post('/search', { text: 'a', after: '2022-01-01', before: '2024-01-01' });
  expect(years.json.photos.map(({ modified }: { modified: string }) => modified.slice(0, 4)).sort()).toEqual([
    '2022',
    '2023',
  ]);
  expect(await ask({ text: 'a photo of a cat', least: 0.25 })).toEqual(['cat.png']);
  for (const body of [
    {},
    { text: 'a', top: 0 },
    { text: 'a', after: 'yesterday' },
    { photo: 'x' },
    { text: 'a', k: 3 },
  ]) {
    expect((await server.post('/search', body)).status).toBe(400);
  }
  const { json } = await server.post('/search', { text: 'a', before: 'yesterday' });
  expect(json.error.message).toMatch(/^before: expected a day/);
  expect((await server.post('/search', { photo: 999 })).status).toBe(404);
});

it('asks the index for an approximate answer only if it is told to', async () => {
  const search = vi.spyOn(store, 'search');
  await ask({ text: 'a' });
  await ask({ text: 'a', approximate: true });
  expect(search.mock.calls.map(([, , options]) => options?.approximate)).toEqual([false, true]);
  search.mockRestore();
  expect((await server.post('/search', { text: 'a', approximate: 'yes' })).status).toBe(400);
});

it('prepares a picture as those of the index were', async () => {
  const lying = turned(photoFile('rocket.jpg'));
  const create = { model: clip, dimension: clip.config.embedDim, pictures: { orient: true, scaled: false } };
  const upright = await openPhotos(join(made.folder, 'upright.db'), { create });
  const other = await served(clip, { photos: upright });
  try {
    const vector = await clip.encodeImage(lying, { orient: true });
    await upright.change({ add: [{ path: '/rocket.jpg', size: 1, mtime: 1, hash: '1', vector }] });
    const { json } = await other.post('/search', { image: dataUri(lying), text: undefined });
    expect(json.photos[0].similarity).toBe((await upright.search(vector, 1))[0]!.similarity);
    const plain = await clip.encodeImage(lying); // of other pixels
    expect((await upright.search(plain, 1))[0]!.similarity).toBeLessThan(0.99);
    // Whoever asks for a vector gets that of a plain call.
    const [asked] = (await other.post('/v1/embeddings', { input: { image: dataUri(lying) } })).json.data;
    expect(Float32Array.from(asked.embedding)).toEqual(plain);
  } finally {
    await other.close();
    await upright.close();
  }
});

it('shows thumbnails, made once, and the photos of the index alone', async () => {
  const [photo] = await store.photos();
  const first = await server.ask(`/photos/${photo!.id}/thumbnail`);
  expect([first.status, first.headers.get('content-type')]).toEqual([200, 'image/png']);
  expect(first.headers.get('cache-control')).toMatch(/immutable/);
  const file = join(made.thumbnails, `${photo!.hash}-240.png`);
  expect(existsSync(file)).toBe(true);
  const kept = readFileSync(file);
  writeFileSync(file, kept.subarray(0, 50));
  expect((await server.ask(`/photos/${photo!.id}/thumbnail`)).headers.get('content-length')).toBe('50');
  writeFileSync(file, kept);
  for (const id of ['0', '999', '-1', '..%2F..%2Fetc%2Fpasswd', '1e3']) {
    expect((await server.ask(`/photos/${id}`)).status).toBe(404);
  }
});

it('knows neither size nor day of a photo that a batch has embedded and no index has read', async () => {
  const [id] = await store.change({ add: [{ path: '/batch.png', size: 0, mtime: 0, hash: 'b', vector: vectorOfCat }] });
  try {
    const search = async (days: object) => (await server.post('/search', { text: 'a photo of a cat', top: 1, ...days })).json.photos; // biome-ignore format: one line
    expect(await search({})).toEqual([
      { id, path: '/batch.png', size: null, modified: null, similarity: expect.closeTo(1, 6) },
    ]);
    for (const days of [{ before: '2100-01-01' }, { after: '1960-01-01' }]) {
      expect((await search(days))[0].path).toMatch(/cat\.png$/);
    }
  } finally {
    await store.change({ remove: [id!] });
  }
});
