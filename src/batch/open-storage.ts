/** Opening the place that a command line names: a folder, or a bucket of object storage. Only the code of that kind is loaded. */
import type { S3Place } from './s3-storage.ts';
import { isBucket, type Storage } from './storage.ts';

export interface StorageOptions extends S3Place {
  readonly create?: boolean;
}

/**
 * Opens a folder, or `s3://bucket/prefix`.
 * @param create whether the folder is made if it is not there
 * @throws RangeError for an address without a bucket; ClipError IO, UNSUPPORTED if a package is missing
 */
export async function openStorage(place: string, { create = false, ...s3 }: StorageOptions = {}): Promise<Storage> {
  if (isBucket(place)) return (await import('./s3-storage.ts')).S3Storage.open(place, s3);
  return (await import('./folder-storage.ts')).FolderStorage.open(place, create);
}
