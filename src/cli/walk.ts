/** Folder traversal: finds the pictures in a folder. */
import { readdirSync, type Stats, statSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import { counted } from '../counted.ts';
import { fileIdentity } from '../file-identity.ts';
import { nameFromBytes, toPath } from '../file-name.ts';
import { PACKAGES } from '../image/heif.ts';
import { hasDecoderPackage } from '../platform/node-packages.ts';
import type { OptionalFormat } from '../platform/platform.ts';

/** The kind of a FIFO (see `fileKind`). */
export const NAMED_PIPE = 'a named pipe';

/** Supported formats, by extension, and those that need a package. */
const PICTURE = /\.(jpe?g|png|webp)$/i;
const PACKAGED: readonly (readonly [OptionalFormat, RegExp])[] = [
  ['avif', /\.avif$/i],
  ['heic', /\.(heic|heif|hif)$/i],
];
export const PICTURE_KINDS = '.jpg, .jpeg, .png or .webp';

/** Whether an argument is a picture or a folder, by its extension or because it exists. */
export const isPictureName = (name: string): boolean =>
  PICTURE.test(name) || OTHER_PICTURE.test(name) || fileKind(name) !== undefined;

/** Image formats that are not supported: reported when skipped, unlike .txt or .json. */
const OTHER_PICTURE =
  /\.(heic|heif|hif|avif|gif|bmp|dib|tiff?|jfif|jpe|jxl|jp2|j2k|svg|ico|psd|tga|p[bgpn]m|exr|hdr|dng|cr2|cr3|nef|arw|orf|rw2|raf|raw)$/i;

export interface WalkOptions {
  readonly recursive: boolean;
  /** Called for entries that are skipped because of what they are: FIFOs, sockets, devices, folders already visited. */
  readonly onPassedOver: (path: string, what: string) => void;
  /** Maximum number of entries to visit. Default: no limit. */
  readonly limit?: number;
}

/** Result of a walk. */
export interface Walk {
  /** Paths of pictures, in depth-first order, each folder sorted by name. */
  readonly pictures: string[];
  /** Subfolders that could not be listed. */
  readonly failed: { readonly path: string; readonly error: unknown }[];
  /** Number of files in unsupported image formats, by lower-case extension. */
  readonly skipped: Map<string, number>;
  /** Number of all other files, by extension. */
  readonly others: Map<string, number>;
  /** Names of the direct subfolders. */
  readonly folders: string[];
  /** Whether the walk stopped at the limit. */
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

  /** @param prefix path prefix of the entries; `path.join` is avoided because Bun's replaces lone surrogates */
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
      else if (PICTURE.test(name) || isPackaged(name)) found.pictures.push(path);
      else count(OTHER_PICTURE.test(name) ? found.skipped : found.others, extname(name).toLowerCase());
    }
  }
  visit(directory, join(directory, '.x').slice(0, -2));
  return found;
}

/** A folder's entries, sorted. A symbolic link has the kind of its target; a broken one counts as a file, so reading it fails. */
function entries(folder: string, prefix: string): { readonly name: string; readonly kind: string }[] {
  let listed: { name: string | Buffer; kind: string | undefined }[] = readdirSync(toPath(folder), {
    withFileTypes: true,
  }).map((entry) => ({ name: entry.name, kind: entry.isSymbolicLink() ? undefined : kindOf(entry) }));
  // List again as bytes only if a name may not be UTF-8: not every runtime supports that.
  if (process.platform !== 'win32' && listed.some(({ name }) => name.includes('\ufffd'))) {
    listed = readdirSync(toPath(folder), { encoding: 'buffer' }).map((name) => ({ name, kind: undefined }));
  }
  return listed
    .map(({ name, kind }) => ({ name: typeof name === 'string' ? name : nameFromBytes(name), kind }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, kind }) => ({ name, kind: kind ?? fileKind(prefix + name) ?? 'file' }));
}

/** `file`, `directory`, or a description of anything else; undefined if the path cannot be resolved. */
export function fileKind(path: string): string | undefined {
  try {
    return kindOf(statSync(toPath(path)));
  } catch {
    return undefined; // reading the path will report the error
  }
}

function kindOf(
  entry: Pick<Stats, 'isFile' | 'isDirectory' | 'isFIFO' | 'isSocket' | 'isCharacterDevice' | 'isBlockDevice'>,
) {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  if (entry.isFIFO()) return NAMED_PIPE;
  if (entry.isSocket()) return 'a socket';
  return entry.isCharacterDevice() || entry.isBlockDevice() ? 'a device' : 'not a regular file';
}

/** Whether the package of a file's format is there. */
function isPackaged(name: string): boolean {
  const format = packagedFormat(name);
  return format !== undefined && hasDecoderPackage(format);
}

const packagedFormat = (name: string): OptionalFormat | undefined =>
  PACKAGED.find(([, names]) => names.test(name))?.[0];

/** "5 files: 3 .heic, 2 .gif (.heic: npm install libheif-js@1.23)" */
export function skippedInWords(skipped: ReadonlyMap<string, number>): string {
  const hints = [...skipped.keys()].flatMap((kind) => {
    const format = packagedFormat(kind);
    return format ? [`${kind}: npm install ${PACKAGES[format]}`] : [];
  });
  return `${countsInWords(skipped)}${hints.length > 0 ? ` (${hints.join('; ')})` : ''}`;
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** "5 files: 3 .heic, 1 .avif, 1 without extension", most frequent first. */
export function countsInWords(counts: ReadonlyMap<string, number>): string {
  const total = [...counts.values()].reduce((sum, n) => sum + n, 0);
  const kinds = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  const words = kinds.map(([kind, n]) => `${n} ${kind === '' ? 'without extension' : kind}`);
  return `${counted(total, 'file')}: ${words.join(', ')}`;
}
