/** Arguments of the command line that name files whose names are not UTF-8. */
import { readdirSync } from 'node:fs';
import { nameFromBytes, toPath } from '../file-name.ts';

/**
 * The file name that a command-line argument means. Node decodes arguments leniently, with U+FFFD for invalid bytes, so
 * such a name is looked up in its folder.
 * @returns undefined if no file or more than one file matches
 */
export function nameFromArgument(argument: string): string | undefined {
  if (process.platform === 'win32' || !argument.includes('\ufffd')) return argument;
  let path = '';
  for (const part of argument.split(/(\/+)/)) {
    if (!part.includes('\ufffd')) {
      path += part;
      continue;
    }
    const found = namesIn(path === '' ? '.' : path).filter((bytes) => bytes.toString('utf8') === part);
    if (found.length !== 1) return undefined;
    path += nameFromBytes(found[0]!);
  }
  return path;
}

function namesIn(directory: string): Buffer[] {
  try {
    return readdirSync(toPath(directory), { encoding: 'buffer' });
  } catch {
    return [];
  }
}
