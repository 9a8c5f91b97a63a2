/**
 * The folders that the pictures of a shard are in. A missing picture has a row that says so; if its disk was unmounted, that row
 * would be wrong, and stay. So the folder that it was in is looked at: by its device, since file numbers change on some file systems.
 */
import { opendir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { counted } from '../counted.ts';
import { toPath } from '../file-name.ts';
import { isEmptyFolder } from '../search/empty-folders.ts';
import { InputError } from './input-error.ts';

export interface PictureFoldersOptions {
  /** Whether a list names the pictures: it may name some that were never there, in an empty folder too. */
  readonly isListed: boolean;
  /** Whether pictures have rows although their folder is gone or empty. */
  readonly allowMissing: boolean;
}

/** In a list, so many missing pictures mean a missing disk: at least MANY and a tenth of the shard, or all of it. */
const MANY = 10;
const MANY_OF = 10;

export class PictureFolders {
  readonly #options: PictureFoldersOptions;
  /** The device of each folder when it was first seen; undefined if there was none. */
  readonly #devices = new Map<string, Promise<number | undefined>>();

  constructor(options: PictureFoldersOptions) {
    this.#options = options;
  }

  /**
   * Sees the folders of all pictures of a shard, before the first is read: a disk may go away before its own first one is.
   * @throws InputError if those of many pictures of a list are gone, or empty
   */
  async see(paths: readonly string[]): Promise<void> {
    for (const path of paths) await this.#see(path);
    if (this.#options.isListed && !this.#options.allowMissing) await this.#checkListed(paths);
  }

  async #see(path: string): Promise<void> {
    for (let at = path, folder = dirname(at); folder !== at; at = folder, folder = dirname(at)) {
      if (this.#devices.has(folder)) break;
      this.#devices.set(folder, deviceOf(folder));
    }
    await this.#devices.get(dirname(path));
  }

  async #checkListed(paths: readonly string[]): Promise<void> {
    /** Pictures by the folder that they are in, and those whose folder is gone by what is left of its path. */
    const there = new Map<string, number>();
    const gone = new Map<string, number>();
    for (const path of paths) {
      const folder = dirname(path);
      const left = await this.#left(folder);
      const counts = left === folder ? there : gone;
      counts.set(left, (counts.get(left) ?? 0) + 1);
    }
    for (const [folder, count] of there) {
      // As the mount point of a disk that is not mounted.
      if (await hasNothing(folder)) gone.set(folder, count + (gone.get(folder) ?? 0));
    }
    const all = [...gone.values()].reduce((sum, count) => sum + count, 0);
    if (all === 0 || (all < paths.length && all < Math.max(MANY, paths.length / MANY_OF))) return;
    const [folder, count] = [...gone].reduce((most, one) => (one[1] > most[1] ? one : most));
    const elsewhere = all > count ? ` (of ${all} with other folders)` : '';
    throw new InputError('IO', `${JSON.stringify(folder)} has none of the folders and files of ${count} of the shard's ${counted(paths.length, 'picture')}${elsewhere}: is its disk mounted? (if they were removed, --allow-missing gives them rows that say so)`); // biome-ignore format: one line
  }

  /** What is left of a folder's path: the nearest folder above that is there, or itself. */
  async #left(folder: string): Promise<string> {
    for (let at = folder; ; at = dirname(at)) if (at === dirname(at) || (await this.#devices.get(at)) !== undefined) return at; // biome-ignore format: one line
  }

  /**
   * Checks that a picture that is missing was removed by itself, or with its folder before the shard began.
   * @throws InputError if its folder was there when the shard began and is gone or on another device; or is empty, without a list
   */
  async checkMissing(path: string): Promise<void> {
    for (let at = path, folder = dirname(at); folder !== at; at = folder, folder = dirname(at)) {
      const [before, now] = await Promise.all([this.#devices.get(folder), deviceOf(folder)]);
      if (before !== undefined && now !== before) {
        const what = now === undefined ? 'is gone, but was there' : 'is on another disk than';
        throw new InputError('IO', `${JSON.stringify(folder)} ${what} when the shard began: is its disk mounted?`);
      }
      if (now === undefined) continue;
      const { isListed, allowMissing } = this.#options;
      if (!isListed && !allowMissing && (await isEmptyFolder(folder))) {
        throw new InputError('IO', `${JSON.stringify(folder)} is empty, where the plan has pictures: is its disk mounted? (if they were removed, remove the folder, too, or add --allow-missing)`); // biome-ignore format: one line
      }
      return;
    }
  }
}

/** Undefined if the folder does not exist, or cannot be read. */
async function deviceOf(folder: string): Promise<number | undefined> {
  const found = await stat(toPath(folder)).catch(() => undefined);
  return found?.isDirectory() ? found.dev : undefined;
}

/** Whether a folder has not even hidden files, which a list may name. */
async function hasNothing(folder: string): Promise<boolean> {
  try {
    for await (const _ of await opendir(toPath(folder))) return false;
    return true;
  } catch {
    return false; // who may not list it may read its files
  }
}
