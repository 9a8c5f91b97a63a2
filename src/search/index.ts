/** `edgeclip/search`: vectors to be searched, in memory or in a database. */
import '../global-names.ts';
import { openPhotos as openHere } from '#search-platform';
import type { OpenPhotoStore } from './photo-store.ts';

export { ClipError, type ClipErrorCode } from '../errors.ts';
export { blobSource, bytesSource, type Sliceable, type Source } from '../weights/source.ts';
export type { IndexModel, IndexModelInput } from './index-model.ts';
export type { IndexFile } from './index-source.ts';
export type {
  NewPhoto,
  NewPhotoStore,
  OpenPhotoStore,
  OpenPhotosOptions,
  Photo,
  PhotoChanges,
  PhotoFailure,
  PhotoFile,
  PhotoMatch,
  PhotoSearchOptions,
  PhotoStore,
  PictureOptions,
} from './photo-store.ts';
export {
  type LoadIndexOptions,
  type Match,
  type SearchOptions,
  VectorIndex,
  type VectorIndexOptions,
} from './vector-index.ts';
export type { VectorId } from './vectors.ts';

/**
 * Opens a photo index: an SQLite file, by `node:sqlite` or `bun:sqlite`, on Node 20 by the optional package `libsql`; or tables in
 * PostgreSQL with pgvector, by the optional packages `pg` and `pg-copy-streams`.
 * @throws ClipError `IO`, `INDEX_FORMAT`, `INDEX_MODEL`; `UNSUPPORTED` where there is no SQLite, or no pgvector
 * @example
 * // address: 'photos.db', or 'postgres://me@localhost/photos'
 * const pictures = { orient: false, scaled: false };
 * const photos = await openPhotos(address, { create: { model: clip, dimension: clip.config.embedDim, pictures } });
 * const file = { path: '/photos/cat.png', size: bytes.length, mtime: 0, hash: '5a0c' };
 * await photos.change({ add: [{ ...file, vector: await clip.encodeImage(bytes) }] });
 * const [best] = await photos.search(await clip.encodeText('a cat'), 20);
 * best.path; // '/photos/cat.png'
 * await photos.close();
 */
// With its type written out: the declarations of the package cannot name the file that each runtime has.
export const openPhotos: OpenPhotoStore = openHere;
