/// <reference lib="esnext.disposable" preserve="true" />
/** `edgeclip/search`: vectors to be searched, in memory or in a database. */
declare global {
  // Names of the declarations, for programs with neither the DOM library nor a runtime's types; merged where there is one.
  interface AbortSignal {}
  interface Blob {}
}

export { openPhotos } from '#search-platform';
export { ClipError, type ClipErrorCode } from '../errors.ts';
export { blobSource, bytesSource, type Source } from '../weights/source.ts';
export type { IndexModel, IndexModelInput } from './index-model.ts';
export type {
  NewPhoto,
  NewPhotoStore,
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
