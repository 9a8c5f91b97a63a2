/** `edgeclip/search` in Node, Deno and Bun: with the stores. */
import { fileURLToPath } from 'node:url';
import search from '../../dist/embedded/search.js';
import type { OpenPhotoStore } from '../search/photo-store.ts';
import { isPostgres } from '../search/postgres-address.ts';
import type { Source } from '../weights/source.ts';
import { addressSource } from './address-source.ts';
import { decodeBase64 } from './base64.ts';
import { fileSource } from './node-files.ts';
import type { WasmFile } from './platform.ts';

export const searchFile = async (): Promise<WasmFile> => decodeBase64(search);

/** An address is fetched as a whole. */
export async function sourceAt(address: string): Promise<Source> {
  if (/^(?!file:)[a-z][a-z+.-]+:/i.test(address)) return addressSource(address);
  return fileSource(address.startsWith('file:') ? fileURLToPath(address) : address);
}

export const openPhotos: OpenPhotoStore = async (address, options) => {
  if (isPostgres(address)) return (await import('../search/postgres-photos.ts')).openPostgresPhotos(address, options);
  return (await import('../search/sqlite-photos.ts')).openSqlitePhotos(address, options);
};
