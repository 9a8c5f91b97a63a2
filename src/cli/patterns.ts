/** Expands patterns that the shell did not expand, as cmd.exe and PowerShell on Windows do not. */
import { basename, dirname, isAbsolute } from 'node:path';
import { fileIdentity } from '../file-identity.ts';
import { nameFromArgument } from './argument-name.ts';

const WILDCARD = /[*?]|\[[^\]]+\]|\{[^}]*[,.][^}]*\}/;

export const isPattern = (argument: string): boolean => WILDCARD.test(argument);

/** The files and folders that match a pattern such as `photos/*.jpg`, sorted by code units, without hidden entries. */
export async function matches(pattern: string): Promise<string[]> {
  const { glob } = await import('tinyglobby');
  const windows = process.platform === 'win32';
  // Backslash is an escape character in patterns, and the path separator on Windows.
  const found = await glob(windows ? pattern.replaceAll('\\', '/') : pattern, {
    absolute: isAbsolute(pattern),
    caseSensitiveMatch: !windows,
    expandDirectories: false,
    onlyFiles: false,
  });
  const paths = found.map((path) => (path.length > 1 ? path.replace(/\/$/, '') : path)).sort();
  // `**` follows symbolic links, also to a parent folder: keep one path per directory entry.
  const folders = new Map<string, string | undefined>();
  const seen = new Set<string>();
  return paths.flatMap((path) => {
    const folder = dirname(path);
    if (!folders.has(folder)) folders.set(folder, fileIdentity(folder));
    const key = `${folders.get(folder)}/${basename(path)}`;
    if (seen.has(key)) return [];
    seen.add(key);
    return nameFromArgument(path) ?? path; // the library decodes names leniently, as Node decodes arguments
  });
}
