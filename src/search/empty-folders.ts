/** Folders that have nothing left, as the mount point of a disk that is not mounted. Each folder is listed once. */
import { opendir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { toPath } from '../file-name.ts';
import { isGone } from './photo-file.ts';

export class EmptyFolders {
  /** Whether each folder is empty; undefined if it is gone. */
  readonly #empty = new Map<string, Promise<boolean | undefined>>();

  /** The nearest folder above a file that is still there, if it is empty. @param isWithin where to look, upwards */
  async above(path: string, isWithin: (folder: string) => boolean): Promise<string | undefined> {
    const nearest = await this.#nearest(path, isWithin);
    return nearest?.isEmpty ? nearest.folder : undefined;
  }

  /** Whether the nearest folder above a file that is still there has something else. @param isWithin where to look, upwards */
  async hasOthers(path: string, isWithin: (folder: string) => boolean): Promise<boolean> {
    return (await this.#nearest(path, isWithin))?.isEmpty === false;
  }

  async #nearest(
    path: string,
    isWithin: (folder: string) => boolean,
  ): Promise<{ readonly folder: string; readonly isEmpty: boolean } | undefined> {
    for (let at = path, folder = dirname(at); folder !== at && isWithin(folder); at = folder, folder = dirname(at)) {
      let empty = this.#empty.get(folder);
      if (!empty) {
        empty = isEmptyFolder(folder);
        this.#empty.set(folder, empty);
      }
      const isEmpty = await empty;
      if (isEmpty !== undefined) return { folder, isEmpty };
    }
    return undefined;
  }
}

/**
 * Whether a folder has nothing but hidden files, which are not pictures; undefined if it is gone. One that cannot be listed has
 * something: its files may be read all the same.
 */
export async function isEmptyFolder(folder: string): Promise<boolean | undefined> {
  try {
    for await (const { name } of await opendir(toPath(folder))) if (!name.startsWith('.')) return false;
    return true;
  } catch {
    return isGone(folder) ? undefined : false;
  }
}
