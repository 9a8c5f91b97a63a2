/** `POST /search`: photos of an index by words, by a picture, by another photo of the index, or a mixture of them. */
import { NOT_WEIGHT, type PhotoFile, type PhotoStore, wasRead } from '../search/photo-store.ts';
import { checked } from './checked.ts';
import { checkTower, type Exchange, fetcher, modelOf, placed, timed } from './exchange.ts';
import type { Parts } from './parts.ts';
import { pictureBytes } from './pictures.ts';
import { Refusal } from './refusal.ts';
import { searchRequest } from './schemas.ts';

/** @throws Refusal 404 without an index */
export function photosOf(photos: PhotoStore | undefined): PhotoStore {
  if (photos) return photos;
  throw new Refusal(404, 'NO_INDEX', 'this server has no photo index: edgeclip serve --in photos.db');
}

/** Answers a parsed body. @throws Refusal */
export async function search(parts: Parts, exchange: Exchange, store: PhotoStore, body: unknown): Promise<Response> {
  const { text, not, image, photo, top, path, after, before, least, approximate } = checked(searchRequest, body);
  if (text === undefined && image === undefined && photo === undefined) {
    throw new Refusal(400, 'REQUEST', 'give "text", "image" or "photo" (the id of a photo) to search for');
  }
  const clip = await modelOf(parts);
  const texts = [text, not].filter((one) => one !== undefined);
  if (texts.length > 0) checkTower(clip, 'text', text === undefined ? 'not' : 'text');
  const pictures: Uint8Array[] = [];
  if (image !== undefined) {
    checkTower(clip, 'image', 'image');
    pictures.push(await pictureBytes(image, 'image', fetcher(parts, exchange, 'image')));
  }
  const { signal } = exchange;
  const [words, seen] = await Promise.all([
    placed(parts.queue.texts(texts, signal), (i) => (text === undefined || i === 1 ? 'not' : 'text')),
    placed(parts.queue.queries(pictures, signal), () => 'image'),
  ]);
  const query = new Float32Array(store.dimension);
  const add = (vector: Float32Array, weight: number) => {
    for (const [i, value] of vector.entries()) query[i]! += weight * value;
  };
  for (const [i, { embedding }] of words.entries()) add(embedding, text === undefined || i === 1 ? -NOT_WEIGHT : 1);
  for (const { embedding } of seen) add(embedding, 1);
  if (photo !== undefined) {
    const vector = await store.vector(photo);
    if (!vector) throw new Refusal(404, 'NO_PHOTO', `photo: the index has no photo ${photo}`, { param: 'photo' });
    add(vector, 1);
  }

  return timed(parts, 'rank', async () => {
    const wanted = await wantedPhotos(store, path, after, before);
    const filter = wanted && ((id: number) => wanted.has(id));
    const found = await store.search(query, top, { signal, filter, approximate });
    const photos = found
      .filter(({ similarity }) => similarity >= least)
      .map(({ similarity, ...photo }) => ({
        id: photo.id,
        path: photo.path.replace(/[\ud800-\udfff]/gu, '\ufffd'),
        size: wasRead(photo) ? photo.size : null,
        modified: wasRead(photo) ? new Date(photo.mtime).toISOString() : null,
        similarity,
      }));
    return Response.json({ photos });
  });
}

/** Which photos may be found; undefined for all of them. `after` and `before` leave out those whose time is not known. */
async function wantedPhotos(
  store: PhotoStore,
  path: string | undefined,
  after: string | undefined,
  before: string | undefined,
): Promise<ReadonlySet<number> | undefined> {
  if (path === undefined && after === undefined && before === undefined) return undefined;
  const [from, to] = [
    after === undefined ? -Infinity : Date.parse(after),
    before === undefined ? Infinity : Date.parse(before),
  ];
  const isOfDays = (photo: PhotoFile) =>
    (after === undefined && before === undefined) || (wasRead(photo) && photo.mtime >= from && photo.mtime < to);
  const part = path?.toLowerCase() ?? '';
  const photos = await store.photos();
  return new Set(
    photos.filter((photo) => isOfDays(photo) && photo.path.toLowerCase().includes(part)).map(({ id }) => id),
  );
}
