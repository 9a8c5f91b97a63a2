/**
 * The folders that `edgeclip index` is given: photos in them whose files are gone leave the index. A folder that has no photo now is
 * as the mount point of a disk that is not mounted; its photos stay, unless the user says that it is meant to be empty.
 */
import { resolve, sep } from 'node:path';
import type { RealPaths } from '../real-paths.ts';
import { EmptyFolders } from '../search/empty-folders.ts';
import { isGone } from '../search/photo-file.ts';
import type { PictureInput } from './inputs.ts';
import { fileKind } from './walk.ts';

/** Whether a path is inside a folder. */
export const isInside = (path: string, folder: string): boolean =>
  path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

interface Folder {
  /** Absolute, as it was given, and without symbolic links. */
  readonly path: string;
  readonly real: string;
  readonly isEmpty: boolean;
}

export class IndexedFolders {
  readonly #folders: readonly Folder[];
  readonly #allowEmpty: boolean;
  readonly #emptied = new EmptyFolders();

  /**
   * @param inputs the photos that were found in them
   * @param allowEmpty whether they are meant to be empty, or gone
   */
  constructor(args: readonly string[], inputs: readonly PictureInput[], allowEmpty: boolean, real: RealPaths) {
    const paths = inputs.filter(({ isFile }) => isFile).map(({ name }) => resolve(name));
    this.#allowEmpty = allowEmpty;
    this.#folders = args
      .filter((arg) => fileKind(arg) === 'directory' || (allowEmpty && isGone(arg)))
      .map((arg) => {
        const path = resolve(arg);
        return { path, real: real.of(path), isEmpty: !paths.some((inner) => isInside(inner, path)) };
      });
  }

  /** Those of these files, in the folders, that are gone for good, and how many are gone with all others of their folder. */
  async gone<F extends { readonly path: string }>(
    files: readonly F[],
  ): Promise<{ readonly gone: F[]; readonly kept: Map<string, number> }> {
    const gone: F[] = [];
    const kept = new Map<string, number>();
    for (const file of files) {
      const around = this.#around(file.path);
      if (around.length === 0 || !isGone(file.path)) continue;
      const emptied = this.#allowEmpty ? undefined : await this.#emptiedAround(file.path, around);
      if (emptied === undefined) gone.push(file);
      else kept.set(emptied, (kept.get(emptied) ?? 0) + 1);
    }
    return { gone, kept };
  }

  /** A folder without photos that the file was in. */
  async #emptiedAround(path: string, around: readonly Folder[]): Promise<string | undefined> {
    const given = around.find(({ isEmpty }) => isEmpty);
    return given?.path ?? (await this.#emptied.above(path, (folder) => this.#around(folder).length > 0));
  }

  /** Those of the folders that a path is in: more than one if a folder was given with its subfolder. */
  #around(inner: string): Folder[] {
    return this.#folders.filter(({ path, real }) => isInside(inner, path) || isInside(inner, real));
  }
}
