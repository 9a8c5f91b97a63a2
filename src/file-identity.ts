/** File identity: whether two paths refer to the same file. */
import { readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { nameFromBytes, toPath } from './file-name.ts';

/** Platforms whose file systems usually ignore case. */
const FOLDS_CASE = process.platform === 'win32' || process.platform === 'darwin';
const MAX_LINKS = 40; // the limit of Linux

/** `realpath` and `readlink` for names that may not be UTF-8. Other names stay strings: not every runtime takes bytes. */
export function realPath(path: string): string {
  const bytes = toPath(path);
  return typeof bytes === 'string'
    ? realpathSync(bytes)
    : nameFromBytes(realpathSync.native(bytes, { encoding: 'buffer' }));
}

function linkTarget(path: string): string {
  const bytes = toPath(path);
  return typeof bytes === 'string' ? readlinkSync(bytes) : nameFromBytes(readlinkSync(bytes, { encoding: 'buffer' }));
}

/** The path that a write would go to: resolves symbolic links, also if the target does not exist yet. */
export function destination(path: string): string {
  for (let links = 0; links < MAX_LINKS; links++) {
    try {
      return realPath(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') break;
    }
    let parent: string;
    try {
      parent = realPath(dirname(path));
    } catch {
      break;
    }
    const here = join(parent, basename(path));
    try {
      path = resolve(parent, linkTarget(here));
    } catch {
      return here;
    }
  }
  return resolve(path);
}

/**
 * A key that is equal for two paths if and only if they refer to the same file, through links and hard links: device and
 * inode, or the resolved path if the file does not exist or the file system has no inodes. Undefined for character devices,
 * which can be read and written at the same time.
 */
export function fileIdentity(path: string): string | undefined {
  try {
    const found = statSync(toPath(path), { bigint: true });
    if (found.isCharacterDevice()) return undefined;
    if (found.ino !== 0n) return `${found.dev}:${found.ino}`;
  } catch {
    // does not exist
  }
  const to = destination(path);
  return FOLDS_CASE ? to.toLowerCase() : to;
}
