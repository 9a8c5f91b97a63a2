/**
 * The folders that `edgeclip index` is given: photos in them whose files are gone leave the index. A folder that has no photo now is
 * as the mount point of a disk that is not mounted; its photos stay, unless the user says that it is meant to be empty.
 */
import { readdirSync, statSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { toPath } from '../file-name.ts';
import type { PictureInput } from './inputs.ts';
import type { RealPaths } from './one-path-each.ts';
import { fileKind } from './walk.ts';

/** Whether there is no such file, which is not the same as one that cannot be read. */
export function isGone(path: string): boolean {
  try {
    statSync(toPath(path));
    return false;
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
}

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
  gone<F extends { readonly path: string }>(
    files: readonly F[],
  ): { readonly gone: F[]; readonly kept: Map<string, number> } {
    const gone: F[] = [];
    const kept = new Map<string, number>();
    for (const file of files) {
      const folder = this.#folders.find(({ path, real }) => isInside(file.path, path) || isInside(file.path, real));
      if (!folder || !isGone(file.path)) continue;
      const emptied = this.#allowEmpty ? undefined : folder.isEmpty ? folder.path : emptyFolder(file.path, folder);
      if (emptied === undefined) gone.push(file);
      else kept.set(emptied, (kept.get(emptied) ?? 0) + 1);
    }
    return { gone, kept };
  }
}

/** The nearest folder above the file that is still there, if it is inside the given one and has nothing at all in it. */
function emptyFolder(path: string, { path: given, real }: Folder): string | undefined {
  for (let folder = dirname(path); isInside(folder, given) || isInside(folder, real); folder = dirname(folder)) {
    try {
      return readdirSync(toPath(folder)).length === 0 ? folder : undefined;
    } catch {
      // gone, too
    }
  }
  return undefined;
}
