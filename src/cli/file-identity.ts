/** Which file a path means, whatever its spelling. */
import { readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { nameFromBytes, toPath } from './file-name.ts';

/** Where a name's case makes no difference, as a rule. */
const FOLDS_CASE = process.platform === 'win32' || process.platform === 'darwin';
const MAX_LINKS = 40; // as Linux

/** `realpath` and `readlink` of a name that may not be UTF-8; plain strings where it is, which every runtime takes. */
function realPath(path: string): string {
  const bytes = toPath(path);
  return typeof bytes === 'string'
    ? realpathSync(bytes)
    : nameFromBytes(realpathSync.native(bytes, { encoding: 'buffer' }));
}

function linkTarget(path: string): string {
  const bytes = toPath(path);
  return typeof bytes === 'string' ? readlinkSync(bytes) : nameFromBytes(readlinkSync(bytes, { encoding: 'buffer' }));
}

/** The path that a write goes to: symbolic links are followed, also one whose target does not exist yet. */
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
 * Equal for two paths exactly if they name one file: device and inode, so links and hard links count as one. For a file
 * that does not exist, and where the file system has no inodes, the resolved path. Undefined for a character device, whose
 * readers and writers do not disturb each other.
 */
export function fileIdentity(path: string): string | undefined {
  try {
    const found = statSync(toPath(path), { bigint: true });
    if (found.isCharacterDevice()) return undefined;
    if (found.ino !== 0n) return `${found.dev}:${found.ino}`;
  } catch {
    // not there: by its path
  }
  const to = destination(path);
  return FOLDS_CASE ? to.toLowerCase() : to;
}
