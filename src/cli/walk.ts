/** The pictures in a folder. */
import { readdirSync, type Stats, statSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import { fileIdentity } from './file-identity.ts';
import { nameFromBytes, toPath } from './file-name.ts';

/** Kinds that are read, by extension. */
const PICTURE = /\.(jpe?g|png|webp)$/i;
export const PICTURE_KINDS = '.jpg, .jpeg, .png or .webp';

/** Kinds that people expect to be read, which are counted when they are left out. Others (.txt, .json) are not pictures. */
const OTHER_PICTURE =
  /\.(heic|heif|hif|avif|gif|bmp|dib|tiff?|jfif|jpe|jxl|jp2|j2k|svg|ico|psd|tga|p[bgpn]m|exr|hdr|dng|cr2|cr3|nef|arw|orf|rw2|raf|raw)$/i;

export interface WalkOptions {
  readonly recursive: boolean;
  /** Told of what is left out although its name is no reason: a FIFO, a socket, a device, a folder already visited. */
  readonly onPassedOver: (path: string, what: string) => void;
  /** Directory entries to look at, at most. Default: all. */
  readonly limit?: number;
}

/** What a walk found. */
export interface Walk {
  /** Paths of pictures, sorted by name, a folder's pictures where the folder's name is. */
  readonly pictures: string[];
  /** Subfolders that could not be listed. */
  readonly failed: { readonly path: string; readonly error: unknown }[];
  /** Pictures of kinds that are not read, by extension in lower case. */
  readonly skipped: Map<string, number>;
  /** All other files, by extension. */
  readonly others: Map<string, number>;
  /** Subfolders of the folder itself. */
  readonly folders: string[];
  /** Whether the limit ended the walk. */
  readonly cut: boolean;
}

/**
 * Lists the pictures in a folder by extension, without hidden files, sorted by code units so that the order is the same
 * everywhere. Nothing but regular files is listed: opening a FIFO would wait for a writer. Each folder is visited once, so
 * loops of symbolic links end.
 * @throws the file system's error if the folder itself cannot be listed
 */
export function walk(
  directory: string,
  { recursive, onPassedOver, limit = Number.POSITIVE_INFINITY }: WalkOptions,
): Walk {
  const found = { pictures: [], failed: [], skipped: new Map(), others: new Map(), folders: [], cut: false } as Walk & {
    cut: boolean;
  };
  const visited = new Set([fileIdentity(directory)]);
  let seen = 0;

  /** @param prefix what precedes a name in a path: not by `join`, which Bun has only for names in Unicode */
  function visit(folder: string, prefix: string): void {
    for (const { name, kind } of entries(folder, prefix)) {
      if (found.cut || ++seen > limit) {
        found.cut = true;
        return;
      }
      if (name.startsWith('.')) continue;
      const path = prefix + name;
      if (kind === 'directory') {
        if (folder === directory) found.folders.push(name);
        if (!recursive) continue;
        const identity = fileIdentity(path);
        if (visited.has(identity)) {
          onPassedOver(path, 'a folder that was already visited');
          continue;
        }
        visited.add(identity);
        try {
          visit(path, path + sep);
        } catch (error) {
          found.failed.push({ path, error });
        }
      } else if (kind !== 'file') onPassedOver(path, kind);
      else if (PICTURE.test(name)) found.pictures.push(path);
      else count(OTHER_PICTURE.test(name) ? found.skipped : found.others, extname(name).toLowerCase());
    }
  }
  visit(directory, join(directory, '.x').slice(0, -2));
  return found;
}

/** A folder's entries in order. A link counts as what it leads to; one that leads nowhere as a file, whose reading fails. */
function entries(folder: string, prefix: string): { readonly name: string; readonly kind: string }[] {
  let listed: { name: string | Buffer; kind: string | undefined }[] = readdirSync(toPath(folder), {
    withFileTypes: true,
  }).map((entry) => ({ name: entry.name, kind: entry.isSymbolicLink() ? undefined : kindOf(entry) }));
  // Only a folder with a name that is not UTF-8 (or with a U+FFFD in one) is listed as bytes: not every runtime does that.
  if (process.platform !== 'win32' && listed.some(({ name }) => name.includes('\ufffd'))) {
    listed = readdirSync(toPath(folder), { encoding: 'buffer' }).map((name) => ({ name, kind: undefined }));
  }
  return listed
    .map(({ name, kind }) => ({ name: typeof name === 'string' ? name : nameFromBytes(name), kind }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, kind }) => ({ name, kind: kind ?? fileKind(prefix + name) ?? 'file' }));
}

/** What a path leads to: `file`, `directory`, or in words what else; undefined if that cannot be told. */
export function fileKind(path: string): string | undefined {
  try {
    return kindOf(statSync(toPath(path)));
  } catch {
    return undefined; // reading it gives the error
  }
}

function kindOf(
  entry: Pick<Stats, 'isFile' | 'isDirectory' | 'isFIFO' | 'isSocket' | 'isCharacterDevice' | 'isBlockDevice'>,
) {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  if (entry.isFIFO()) return 'a FIFO';
  if (entry.isSocket()) return 'a socket';
  return entry.isCharacterDevice() || entry.isBlockDevice() ? 'a device' : 'not a regular file';
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** "5 files: 3 .heic, 1 .avif, 1 without extension": the most frequent first. */
export function countsInWords(counts: ReadonlyMap<string, number>): string {
  const total = [...counts.values()].reduce((sum, n) => sum + n, 0);
  const kinds = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  const words = kinds.map(([kind, n]) => `${n} ${kind === '' ? 'without extension' : kind}`);
  return `${total} ${total === 1 ? 'file' : 'files'}: ${words.join(', ')}`;
}
