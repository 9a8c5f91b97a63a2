/** `edgeclip/search` in Node, Deno and Bun: with the stores. */
import search from '../../dist/embedded/search.js';
import type { OpenPhotoStore } from '../search/photo-store.ts';
import { decodeBase64 } from './base64.ts';
import type { WasmFile } from './platform.ts';

export const searchFile = async (): Promise<WasmFile> => decodeBase64(search);

export const openPhotos: OpenPhotoStore = async (address, options) =>
  (await import('../search/sqlite-photos.ts')).openSqlitePhotos(address, options);
