/**
 * The folders that the pictures of a shard are in. A missing picture has a row that says so; if its disk was unmounted, that row
 * would be wrong, and stay. So the folder that it was in is looked at: by its device, since file numbers change on some file systems.
 */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { toPath } from '../file-name.ts';
import { isEmptyFolder } from '../search/empty-folders.ts';
import { InputError } from './input-error.ts';

export class PictureFolders {
  readonly #isListed: boolean;
  /** The device of each folder when it was first seen; undefined if there was none. */
  readonly #devices = new Map<string, Promise<number | undefined>>();

  /** @param isListed whether a list names the pictures: it may name what was never there, in an empty folder too */
  constructor(isListed: boolean) {
    this.#isListed = isListed;
  }

  /** Sees the folders above a picture that is about to be read. */
  async see(path: string): Promise<void> {
    for (let at = path, folder = dirname(at); folder !== at; at = folder, folder = dirname(at)) {
      if (this.#devices.has(folder)) break;
      this.#devices.set(folder, deviceOf(folder));
    }
    await this.#devices.get(dirname(path));
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
      if (!this.#isListed && (await isEmptyFolder(folder))) {
        throw new InputError('IO', `${JSON.stringify(folder)} is empty, where the plan has pictures: is its disk mounted? (if they were removed, remove the folder, too)`); // biome-ignore format: one line
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
