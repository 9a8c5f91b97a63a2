/**
 * One model's folder in the cache, laid out as Python's huggingface_hub does (file_download.py), which finds what is fetched
 * here and the other way round:
 *
 *     models--org--name/
 *       blobs/ID                  a file by its ETag: SHA-256 of a large one, git object id of a small one
 *       snapshots/COMMIT/FILE     a link to its blob, relative to itself
 *       refs/REVISION             the commit that a branch or tag named when it was last asked
 *
 * Our own partial files lie beside the blobs; `.edgeclip/` has the list of a commit's files, a mark for each large file that
 * was checked, and the parts of large files that loads needed. Python passes over both.
 */
import { copyFile, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { ClipError } from '../errors.ts';
import { ioReason } from '../platform/io-reason.ts';
import { makeFolder } from '../platform/make-folder.ts';
import { isDigest, type Listing, listingText, parseListing } from './listing.ts';
import { isCommit } from './name.ts';

/** A file of a snapshot. */
export interface CachedFile {
  readonly path: string;
  readonly bytes: number;
  readonly modified: number;
  /** What its bytes must give (checkDigest); undefined for a file that is not a link, as on Windows. */
  readonly id: string | undefined;
  /** The file that the link leads to. */
  readonly blob: string;
}

export class ModelCache {
  readonly folder: string;

  constructor(cacheDir: string, id: string) {
    this.folder = join(cacheDir, `models--${id.replace('/', '--')}`);
  }

  snapshot = (commit: string): string => join(this.folder, 'snapshots', commit);
  blob = (id: string): string => join(this.folder, 'blobs', id);
  /** Continued by the next download. Python deletes its own, which end in `.incomplete` after eight random digits. */
  partial = (id: string): string => join(this.folder, 'blobs', `${id}.edgeclip.incomplete`);
  lock = (id: string): string => join(this.folder, 'blobs', `${id}.edgeclip.lock`);

  /** Parts of a large file that loads needed (tower-parts.ts), without their ending. */
  parts = (id: string): string => this.#mark(id);

  /** The commit that a revision had, if it is known and files of it are here. */
  async commit(revision: string): Promise<string | undefined> {
    const text = isCommit(revision) ? revision : await readFile(join(this.folder, 'refs', revision), 'utf8').catch(() => ''); // biome-ignore format: one line
    const commit = text.trim();
    if (!isCommit(commit)) return undefined;
    return (await stat(this.snapshot(commit)).catch(() => undefined))?.isDirectory() ? commit : undefined;
  }

  /** Keeps which commit a revision has; nothing is written if that is known. */
  async writeRef(revision: string, commit: string): Promise<void> {
    const path = join(this.folder, 'refs', revision);
    if (revision === commit || (await readFile(path, 'utf8').catch(() => '')) === commit) return;
    await made(dirname(path));
    await writing(path, () => replaceFile(path, commit));
  }

  /** A file of a commit, if it is here. A link that leads nowhere counts as absent. */
  async find(commit: string, name: string): Promise<CachedFile | undefined> {
    const path = this.#pointer(commit, name);
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code ?? '')) return undefined;
      throw new ClipError('IO', `cannot read "${path}": ${ioReason(error)}`, { cause: error });
    });
    if (!found?.isFile()) return undefined;
    const target = await readlink(path).catch(() => '');
    const id = isDigest(basename(target)) ? basename(target) : undefined;
    return { path, bytes: found.size, modified: found.mtimeMs, id, blob: resolve(dirname(path), target) };
  }

  /** Puts a finished blob under its name into a snapshot. Where links are not allowed, the file itself goes there. */
  async link(commit: string, name: string, id: string): Promise<string> {
    const path = this.#pointer(commit, name);
    const blob = this.blob(id);
    await made(dirname(path));
    const target = relative(dirname(path), blob);
    await writing(path, async () => {
      const temporary = temporaryName(path);
      try {
        await symlink(target, temporary);
      } catch (error) {
        if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'].includes((error as NodeJS.ErrnoException).code ?? ''))
          throw error;
        await copyFile(blob, temporary);
      }
      await rename(temporary, path);
    });
    return path;
  }

  /** Whether the file was checked since it was last written. Only large files need the mark. */
  async wasChecked({ id, bytes, modified }: CachedFile): Promise<boolean> {
    const mark = await readFile(this.#mark(id!), 'utf8').catch(() => '');
    return mark === `${bytes} ${modified}`;
  }

  /** Marks a file as checked; in a cache that cannot be written it is checked again the next time. */
  async markChecked(id: string): Promise<void> {
    try {
      const { size, mtimeMs } = await stat(this.blob(id));
      await makeFolder(dirname(this.#mark(id)));
      await replaceFile(this.#mark(id), `${size} ${mtimeMs}`);
    } catch {}
  }

  /** The list of a commit's files, if it was kept. */
  async listing(commit: string): Promise<Listing | undefined> {
    const text = await readFile(this.#mark(`${commit}.json`), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : parseListing(text);
  }

  /** Keeps the list of a commit's files, once there are some of them. */
  async keepListing(listing: Listing): Promise<void> {
    const path = this.#mark(`${listing.commit}.json`);
    if (await this.listing(listing.commit)) return;
    try {
      await makeFolder(dirname(path));
      await replaceFile(path, listingText(listing));
    } catch {}
  }

  async remove({ path, blob }: CachedFile): Promise<void> {
    await writing(path, async () => {
      await rm(path, { force: true });
      await rm(blob, { force: true });
    });
  }

  #mark = (id: string): string => join(this.folder, '.edgeclip', id);

  #pointer(commit: string, name: string): string {
    const parts = name.split('/');
    if (parts.every((part) => /^[^\\/:\0]+$/.test(part) && !/^\.+$/.test(part)))
      return join(this.snapshot(commit), ...parts);
    throw new ClipError('IO', `${JSON.stringify(name)} is not the name of a file of a model`);
  }
}

/** Makes a folder with those above it. */
export async function made(folder: string): Promise<void> {
  await writing(folder, () => makeFolder(folder));
}

/** @throws ClipError IO naming the path, if it cannot be written */
export async function writing<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw new ClipError('IO', `cannot write "${path}": ${ioReason(cause)}`, { cause });
  }
}

/** Writes a file that readers see as it was or as it is now, never a part of it. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = temporaryName(path);
  await writeFile(temporary, text);
  await rename(temporary, path);
}

let names = 0;
const temporaryName = (path: string): string => `${path}.${process.pid}-${names++}.tmp`;
