/** Paths without symbolic links, of many files: the folders are resolved once each. */
import { lstatSync } from 'node:fs';
import { sep } from 'node:path';
import { realPath } from './file-identity.ts';
import { toPath } from './file-name.ts';

export class RealPaths {
  readonly #folders = new Map<string, string>();

  /** The path itself if it cannot be resolved. */
  of(path: string): string {
    try {
      if (lstatSync(toPath(path)).isSymbolicLink()) return realPath(path);
      const end = path.lastIndexOf(sep);
      const folder = path.slice(0, end + 1);
      let real = this.#folders.get(folder);
      if (real === undefined) {
        real = realPath(folder);
        this.#folders.set(folder, real);
      }
      return (real.endsWith(sep) ? real : real + sep) + path.slice(end + 1);
    } catch {
      return path;
    }
  }

  /** Whether the path leads through no symbolic link. */
  isReal(path: string): boolean {
    return this.of(path) === path;
  }

  /**
   * Which of the paths of one file an index has: one without symbolic links; of several such, as hard links are, one that is known,
   * else the first.
   * @param paths at least one
   */
  indexed(paths: readonly string[], isKnown: (path: string) => boolean): string {
    if (paths.length === 1) return paths[0]!;
    const real = paths.filter((path) => this.isReal(path));
    const best = real.length > 0 ? real : paths;
    return best.find(isKnown) ?? best[0]!;
  }
}
