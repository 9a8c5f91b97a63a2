/** A folder as a storage. */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { constants, type FileHandle, link, open, readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { Readable } from 'node:stream';
import { ClipError } from '../errors.ts';
import { nameFromBytes, toPath } from '../file-name.ts';
import { checkBytes, imageLimits } from '../image/limits.ts';
import { ioReason } from '../platform/io-reason.ts';
import { isRunning } from '../platform/is-running.ts';
import { makeFolder } from '../platform/make-folder.ts';
import { PictureError } from './picture-error.ts';
import type { ReadOptions, Storage, StoredFile } from './storage.ts';

/** The ending of a file while it is written: it does not count as a part yet. */
const UNFINISHED = '.unfinished';

/** Reasons that a link has no target, or a file that was listed is gone. */
const BROKEN_LINK = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/** Reasons that are one file's own; others may be of the whole folder. */
const OWN_REASONS = new Set(['EACCES', 'EPERM', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'ELOOP', 'ENXIO', 'ERR_INVALID_ARG_VALUE']); // biome-ignore format: one line

interface Listing {
  readonly prefix: string;
  readonly signal: AbortSignal | undefined;
  readonly onUnlisted: ((error: ClipError) => void) | undefined;
}

export class FolderStorage implements Storage {
  readonly place: string;

  private constructor(place: string) {
    this.place = place;
  }

  /** @throws ClipError IO if it is not a folder, or cannot be made */
  static async open(place: string, create: boolean): Promise<FolderStorage> {
    try {
      if (create) await makeFolder(place);
      if (!(await stat(place)).isDirectory()) throw new Error('it is not a folder');
    } catch (error) {
      throw new ClipError('IO', `${JSON.stringify(place)}: ${ioReason(error)}`, { cause: error });
    }
    return new FolderStorage(place);
  }

  async read(
    name: string,
    { start = 0, end, maxBytes }: ReadOptions & { readonly maxBytes?: number } = {},
  ): Promise<Uint8Array | undefined> {
    let handle: FileHandle | undefined;
    try {
      // Without waiting: a named pipe has no end, and is refused below.
      handle = await open(this.#path(name), constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const file = await handle.stat();
      if (!file.isFile()) throw new PictureError('IO', 'it is not a regular file');
      const length = Math.max(0, Math.min(end ?? file.size, file.size) - start);
      if (maxBytes !== undefined) checkBytes(length, imageLimits({ maxBytes }));
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle.read(bytes, done, length - done, start + done);
        if (bytesRead === 0) throw new Error('it became shorter while it was read');
        done += bytesRead;
      }
      return bytes;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      if (error instanceof ClipError) throw error;
      throw OWN_REASONS.has((error as NodeJS.ErrnoException).code ?? '')
        ? new PictureError('IO', ioReason(error), { cause: error })
        : this.#failure(name, error);
    } finally {
      await handle?.close();
    }
  }

  async stream(name: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    if (!(await this.find(name))) throw this.#failure(name, new Error('there is no such file'));
    const stream = createReadStream(this.#path(name), signal && { signal });
    return Readable.toWeb(stream) as ReadableStream<Uint8Array>;
  }

  /** Written beside its place, then given its name, which fails if there is one: a crash leaves no half of a file. */
  async create(name: string, bytes: Uint8Array): Promise<boolean> {
    const path = join(this.place, name); // our own name
    const unfinished = `${path}~${hostname()}~${process.pid}~${randomUUID()}${UNFINISHED}`;
    try {
      if (name.includes('/')) await makeFolder(dirname(path));
      const handle = await open(unfinished, 'wx');
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      return await this.#name(unfinished, path);
    } catch (error) {
      throw this.#failure(name, error, 'cannot write ');
    } finally {
      await rm(unfinished, { force: true }).catch(() => {}); // the next worker removes it
    }
  }

  /** False if there is a file of that name. File systems without links (exFAT) have no such guarantee, so they are refused. */
  async #name(unfinished: string, path: string): Promise<boolean> {
    try {
      await link(unfinished, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  }

  async tidy(folders: readonly string[], onLeft: (error: ClipError) => void): Promise<void> {
    for (const folder of folders) {
      for (const name of await this.#names(folder)) {
        if (!isLeft(name)) continue;
        await rm(this.#path(folder + name), { force: true }).catch((cause) => {
          const reason = `${ioReason(cause)}: it was left by a worker that was killed, and is not a part: remove it`;
          onLeft(new ClipError('IO', `cannot remove ${JSON.stringify(join(this.place, folder, name))}: ${reason}`, { cause })); // biome-ignore format: one line
        });
      }
    }
  }

  async find(name: string): Promise<StoredFile | undefined> {
    try {
      const file = await stat(this.#path(name));
      return file.isFile() ? { name, bytes: file.size, modified: file.mtimeMs } : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw this.#failure(name, error);
    }
  }

  /** Depth first, each folder by name and, where links form a loop, once; hidden files and what is unfinished are left out. */
  async *list(
    prefix: string,
    signal?: AbortSignal,
    onUnlisted?: (error: ClipError) => void,
  ): AsyncGenerator<StoredFile> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    yield* this.#listFolder(folder, await this.#names(folder), { prefix, signal, onUnlisted }, new Set());
  }

  async *#listFolder(
    folder: string,
    names: readonly string[],
    listing: Listing,
    above: ReadonlySet<string>,
  ): AsyncGenerator<StoredFile> {
    const { prefix, signal, onUnlisted } = listing;
    signal?.throwIfAborted();
    if (names.length === 0) return;
    const { dev, ino } = await stat(this.#path(folder)).catch((error) => {
      throw this.#failure(folder, error);
    });
    const own = `${dev}:${ino}`;
    if (above.has(own)) return;
    const inside = new Set([...above, own]);
    for (const name of names) {
      const path = folder + name;
      if (name.startsWith('.') || name.endsWith(UNFINISHED)) continue;
      if (!path.startsWith(prefix) && !`${path}/`.startsWith(prefix)) continue;
      const unlisted = (error: unknown) => {
        if (!onUnlisted) throw error;
        onUnlisted(error as ClipError);
      };
      // A link's target counts; a broken one is passed over.
      const file = await stat(this.#path(path)).catch((error: NodeJS.ErrnoException) => {
        if (!BROKEN_LINK.has(error.code ?? '')) unlisted(this.#failure(path, error));
      });
      if (file?.isDirectory()) {
        const names = await this.#names(`${path}/`).catch(unlisted);
        if (names) yield* this.#listFolder(`${path}/`, names, listing, inside);
      } else if (file?.isFile() && path.startsWith(prefix))
        yield { name: path, bytes: file.size, modified: file.mtimeMs };
    }
  }

  async #names(folder: string): Promise<string[]> {
    try {
      const names = await readdir(this.#path(folder), { encoding: 'buffer' });
      return names.map(nameFromBytes).sort((a, b) => (a < b ? -1 : 1));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw this.#failure(folder, error);
    }
  }

  /** Names that are not UTF-8 are opened by their bytes. */
  #path(name: string): string | Buffer {
    return toPath(`${this.place}${this.place.endsWith(sep) ? '' : sep}${name}`);
  }

  #failure(name: string, cause: unknown, doing = ''): ClipError {
    return new ClipError('IO', `${doing}${JSON.stringify(join(this.place, name))}: ${ioReason(cause)}`, { cause });
  }
}

/** Whether a file was being written by a process of this machine that has ended. */
function isLeft(name: string): boolean {
  if (!name.endsWith(UNFINISHED)) return false;
  const [, host, pid] = /~([^~]*)~(\d+)~[^~]*$/.exec(name.slice(0, -UNFINISHED.length)) ?? [];
  return host === hostname() && !isRunning(Number(pid));
}
