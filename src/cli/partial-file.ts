/**
 * A file that is written beside its place, as `NAME.partial`, and renamed when it is whole. Until then an older file of
 * that name stays as it is, whatever ends the run.
 */
import { unlinkSync, writeSync } from 'node:fs';
import { access, constants, type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClipError } from '../errors.ts';
import { quote } from './failure.ts';
import { destination } from './file-identity.ts';
import { toPath } from './file-name.ts';
import { ioReason } from './io-reason.ts';

export const partialPath = (path: string): string => `${destination(path)}.partial`;

export interface PartialFileOptions {
  /** What to say if the run ends early and the file is kept for `--resume`. Without it, the file is removed. */
  readonly keptNote?: () => string | undefined;
}

export class PartialFile {
  /** Where it will be; symbolic links are followed, so a link stays a link. */
  readonly path: string;
  readonly partialPath: string;
  /** Bytes in it. */
  length: number;
  readonly #handle: FileHandle;
  readonly #keptNote: (() => string | undefined) | undefined;

  private constructor(path: string, partial: string, handle: FileHandle, length: number, options: PartialFileOptions) {
    this.path = path;
    this.partialPath = partial;
    this.length = length;
    this.#handle = handle;
    this.#keptNote = options.keptNote;
    unfinished.add(this);
    watchForEnd();
  }

  /**
   * @param suffix what is appended to the path until then
   * @throws ClipError IO
   */
  static async create(path: string, options: PartialFileOptions = {}, suffix = '.partial'): Promise<PartialFile> {
    const to = destination(path);
    const partial = `${to}${suffix}`;
    try {
      // A new file, not the old one emptied: another run that still writes the old one must not write into this.
      await rm(toPath(partial), { force: true });
      const handle = await open(toPath(partial), 'wx+');
      const older = await stat(toPath(to)).catch(() => undefined);
      if (older) await handle.chmod(older.mode & 0o777).catch(() => {});
      return new PartialFile(to, partial, handle, 0, options);
    } catch (error) {
      return cannotWrite(partial, error);
    }
  }

  /**
   * Goes on with the file that an earlier run left, cut to its first `length` bytes.
   * @throws ClipError IO
   */
  static async continue(path: string, length: number, options: PartialFileOptions): Promise<PartialFile> {
    const to = destination(path);
    const partial = `${to}.partial`;
    try {
      const handle = await open(toPath(partial), 'r+');
      await handle.truncate(length);
      return new PartialFile(to, partial, handle, length, options);
    } catch (error) {
      return cannotWrite(partial, error);
    }
  }

  /** @throws ClipError IO, e.g. on a full disk */
  async append(bytes: Uint8Array): Promise<void> {
    await this.#write(bytes, this.length);
    this.length += bytes.length;
  }

  /**
   * Writes over the first bytes.
   * @throws ClipError IO
   */
  async rewriteStart(bytes: Uint8Array): Promise<void> {
    await this.#write(bytes, 0);
  }

  async #write(bytes: Uint8Array, position: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        done += (await this.#handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
      }
    } catch (error) {
      cannotWrite(this.partialPath, error);
    }
  }

  /**
   * Gives the file its name, over an older one.
   * @throws ClipError IO; the whole result then stays under the other name
   */
  async commit(): Promise<void> {
    try {
      await this.#handle.sync();
      const [mine, there] = await Promise.all([this.#handle.stat(), stat(toPath(this.partialPath))]);
      await this.#handle.close();
      if (mine.ino !== there.ino) throw new Error('another run that writes the same output took its place');
    } catch (error) {
      cannotWrite(this.partialPath, error);
    }
    unfinished.delete(this);
    try {
      await rename(toPath(this.partialPath), toPath(this.path));
    } catch (error) {
      throw new ClipError(
        'IO',
        `cannot replace ${quote(this.path)}: ${ioReason(error)}; the result is in ${quote(this.partialPath)}`,
        { cause: error },
      );
    }
  }

  /** Removes it. */
  async discard(): Promise<void> {
    unfinished.delete(this);
    await this.#handle.close().catch(() => {});
    await rm(toPath(this.partialPath), { force: true });
  }

  /** After an error: removes it, or keeps it and says so. */
  async stop(): Promise<string | undefined> {
    if (!unfinished.delete(this)) return undefined;
    await this.#handle.close().catch(() => {});
    return this.abandon();
  }

  /** The same at the end of the process, where nothing can be waited for. */
  abandon(): string | undefined {
    const note = this.#keptNote?.();
    if (note !== undefined) return note;
    try {
      unlinkSync(toPath(this.partialPath));
    } catch {
      // nothing more can be done
    }
    return undefined;
  }
}

/**
 * Finds out before the work begins whether a file can be written there.
 * @throws ClipError IO
 */
export async function checkWritable(path: string): Promise<void> {
  const to = destination(path);
  const fail = (reason: string, cause?: unknown): never => {
    throw new ClipError('IO', `cannot write ${quote(path)}: ${reason}`, { cause });
  };
  const older = await stat(toPath(to)).catch(() => undefined);
  if (older?.isDirectory()) fail('it is a directory');
  if (older) await access(toPath(to), constants.W_OK).catch((error) => fail(ioReason(error), error));
  const folder = await stat(toPath(dirname(to))).catch(() => undefined);
  if (!folder?.isDirectory()) fail('there is no such directory');
  await access(toPath(dirname(to)), constants.W_OK).catch((error) =>
    fail(`its folder: ${ioReason(error)} (the file is first written beside its place)`, error),
  );
}

function cannotWrite(path: string, cause: unknown): never {
  throw new ClipError('IO', `cannot write ${quote(path)}: ${ioReason(cause)}`, { cause });
}

const unfinished = new Set<PartialFile>();
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
let watching = false;

/** What is written is in the file already, so the end needs no waiting: only tidying, then the signal does its work. */
function watchForEnd(): void {
  if (watching) return;
  watching = true;
  process.once('exit', abandonAll);
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      abandonAll();
      if (process.platform === 'win32') process.exit(130);
      process.kill(process.pid, signal); // its default again, as the handler is gone
    });
  }
}

function abandonAll(): void {
  const notes = new Set([...unfinished].map((file) => file.abandon()));
  unfinished.clear();
  for (const note of notes) {
    if (note === undefined) continue;
    try {
      writeSync(2, `${note}\n`);
    } catch {
      // nobody listens
    }
  }
}
