/** Folders that have nothing left, as the mount point of a disk that is not mounted. Each folder is listed once. */
import { readdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { toPath } from '../file-name.ts';

/** Whether the file does not exist. One that cannot be read does. */
export function isGone(path: string): boolean {
  try {
    statSync(toPath(path));
    return false;
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
}

export class EmptyFolders {
  /** Whether each folder is empty; undefined if it is gone. */
  readonly #empty = new Map<string, boolean | undefined>();

  /** The nearest folder above a file that is still there, if it is empty. @param isWithin where to look, upwards */
  above(path: string, isWithin: (folder: string) => boolean): string | undefined {
    for (let folder = dirname(path); isWithin(folder); folder = dirname(folder)) {
      if (!this.#empty.has(folder)) this.#empty.set(folder, isEmpty(folder));
      const empty = this.#empty.get(folder);
      if (empty !== undefined) return empty ? folder : undefined;
    }
    return undefined;
  }
}

/** Whether a folder has nothing but hidden files, which are not indexed; undefined if it is gone. */
function isEmpty(folder: string): boolean | undefined {
  try {
    return readdirSync(toPath(folder)).every((name) => name.startsWith('.'));
  } catch {
    return isGone(folder) ? undefined : false;
  }
}
