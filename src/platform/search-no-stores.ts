/** Where no database can be reached. */
import { ClipError } from '../errors.ts';
import type { OpenPhotoStore } from '../search/photo-store.ts';

export const openPhotos: OpenPhotoStore = async (address) => {
  throw new ClipError(
    'UNSUPPORTED',
    `cannot open ${JSON.stringify(address)}: photo indexes are opened in Node, Deno and Bun; here, use VectorIndex`,
  );
};
