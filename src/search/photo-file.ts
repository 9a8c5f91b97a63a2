/** The file of a photo, by what tells whether it has changed. */
import { statSync } from 'node:fs';
import { toPath } from '../file-name.ts';
import type { PhotoFile } from './photo-store.ts';

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

/** Whether the file is there as it was when this was said of it. */
export function isUnchanged({ path, size, mtime }: PhotoFile): boolean {
  const file = photoFileAt(path);
  return file?.size === size && file.mtime === mtime;
}
