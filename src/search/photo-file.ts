/** The file of a photo: what tells whether it has changed, is gone, or is another one's by a link. */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileIdentity } from '../file-identity.ts';
import { toPath } from '../file-name.ts';
import { type PhotoFile, wasRead } from './photo-store.ts';

/** A regular file with its size and time; undefined if there is none. */
export function photoFileAt(path: string): PhotoFile | undefined {
  try {
    const stat = statSync(toPath(path), { bigint: true });
    // From nanoseconds: `mtime` is rounded in Node and truncated in Deno and Bun.
    return stat.isFile() ? { path, size: Number(stat.size), mtime: Number(stat.mtimeMs) } : undefined;
  } catch {
    return undefined;
  }
}

const isEqual = (a: PhotoFile, b: PhotoFile): boolean => a.size === b.size && a.mtime === b.mtime;

/** Whether the file is there as it was when this was said of it. */
export function isUnchanged(photo: PhotoFile): boolean {
  const file = photoFileAt(photo.path);
  return file !== undefined && isEqual(file, photo);
}

/** Whether the file is there, but not as `edgeclip index` read it. */
export function hasChanged(photo: PhotoFile): boolean {
  const file = wasRead(photo) ? photoFileAt(photo.path) : undefined;
  return file !== undefined && !isEqual(file, photo);
}

/** Whether a photo is in object storage or on the web, as `edgeclip batch load` adds them. */
export const isAddress = (path: string): boolean => /^(https?|s3):\/\//i.test(path);

/**
 * Whether the file does not exist. One that cannot be read does, and one in a tar file, as `edgeclip batch load` adds them. Of an
 * address this is not known.
 */
export function isGone(path: string): boolean {
  if (isAddress(path)) return false;
  try {
    statSync(toPath(path));
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || (code === 'ENOTDIR' && !isInTar(path));
  }
}

function isInTar(path: string): boolean {
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    if (/\.tar$/i.test(at) && photoFileAt(at)) return true;
  }
  return false;
}

/** Whether two paths lead to one file that is there. */
export const isSameFile = (a: string, b: string): boolean => !isGone(a) && fileIdentity(a) === fileIdentity(b);
