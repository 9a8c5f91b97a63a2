/** A folder as a storage. */
import { randomUUID } from 'node:crypto';
import { createReadStream, readdirSync } from 'node:fs';
import { type FileHandle, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { ClipError } from '../errors.ts';
import { checkBytes, imageLimits } from '../image/limits.ts';
import { ioReason } from '../platform/io-reason.ts';
import type { ReadOptions, Storage, StoredFile } from './storage.ts';

/** A file that is being written has this ending, so that it is no part. */
const UNFINISHED = '.unfinished';

export class FolderStorage implements Storage {
  readonly place: string;

  private constructor(place: string) {
    this.place = place;
  }

  /** @throws ClipError IO if it is no folder, or cannot be made */
  static async open(place: string, create: boolean): Promise<FolderStorage> {
    try {
      if (create) await mkdir(place, { recursive: true });
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
      handle = await open(this.#path(name));
      const file = await handle.stat();
      if (!file.isFile()) throw new Error('it is not a regular file');
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
      throw error instanceof ClipError ? error : this.#failure(name, error);
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
    const path = this.#path(name);
    const unfinished = `${path}.${hostname()}~${process.pid}~${randomUUID()}${UNFINISHED}`;
    try {
      await mkdir(dirname(path), { recursive: true });
      await removeLeft(path);
      const handle = await open(unfinished, 'wx');
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await link(unfinished, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw this.#failure(name, error, 'cannot write ');
    } finally {
      await rm(unfinished, { force: true });
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

  /** Depth first, each folder by name; hidden files and what is unfinished are left out. */
  async *list(prefix: string): AsyncGenerator<StoredFile> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    yield* this.#listFolder(folder, prefix);
  }

  async *#listFolder(folder: string, prefix: string): AsyncGenerator<StoredFile> {
    const entries = this.#entries(folder);
    for (const { name, isFolder } of entries) {
      const path = folder + name;
      if (name.startsWith('.') || name.endsWith(UNFINISHED)) continue;
      if (isFolder) {
        if (`${path}/`.startsWith(prefix)) yield* this.#listFolder(`${path}/`, prefix);
      } else if (path.startsWith(prefix)) {
        const file = await this.find(path);
        if (file) yield file;
      }
    }
  }

  #entries(folder: string): { readonly name: string; readonly isFolder: boolean }[] {
    try {
      return readdirSync(this.#path(folder), { withFileTypes: true })
        .map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw this.#failure(folder, error);
    }
  }

  #path(name: string): string {
    return join(this.place, name);
  }

  #failure(name: string, cause: unknown, doing = ''): ClipError {
    return new ClipError('IO', `${doing}${JSON.stringify(this.#path(name))}: ${ioReason(cause)}`, { cause });
  }
}

/** Removes what a process of this machine that was killed has left of a file. */
async function removeLeft(path: string): Promise<void> {
  const start = `${basename(path)}.${hostname()}~`;
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(start) || !name.endsWith(UNFINISHED)) continue;
    if (!isAlive(Number(name.slice(start.length).split('~')[0]))) await rm(join(dirname(path), name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
