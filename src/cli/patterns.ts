/** Patterns that the shell did not expand: Windows' own shells leave that to the programs. */
import { isAbsolute } from 'node:path';

const WILDCARD = /[*?]|\[[^\]]+\]|\{[^}]*[,.][^}]*\}/;

export const isPattern = (argument: string): boolean => WILDCARD.test(argument);

/** The files and folders that match a pattern such as `photos/*.jpg`, sorted by code units, without hidden ones. */
export async function matches(pattern: string): Promise<string[]> {
  const { glob } = await import('tinyglobby');
  const windows = process.platform === 'win32';
  // In a pattern, \ escapes; on Windows people write it between folders.
  const found = await glob(windows ? pattern.replaceAll('\\', '/') : pattern, {
    absolute: isAbsolute(pattern),
    caseSensitiveMatch: !windows,
    expandDirectories: false,
    followSymbolicLinks: false, // links are matched, not entered: `**` ends in spite of loops
    onlyFiles: false,
  });
  return found.map((path) => (path.length > 1 ? path.replace(/\/$/, '') : path)).sort();
}
