/**
 * Atomic file replacement: writes go to `NAME.partial` in the same folder, which is renamed to `NAME` when complete.
 * Until then an existing file is untouched, even if the process is killed.
 */
import { unlinkSync, writeSync } from 'node:fs';
import { access, constants, type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClipError } from '../errors.ts';
import { destination } from '../file-identity.ts';
import { toPath } from '../file-name.ts';
import { ioReason } from '../platform/io-reason.ts';
import { quote } from './failure.ts';

export const partialPath = (path: string): string => `${destination(path)}.partial`;

export interface PartialFileOptions {
  /** If the run ends early: whether the file is kept for `--resume`, and what to print. Default: it is removed silently. */
  readonly stopped?: () => { readonly kept: boolean; readonly note: string };
}

/** How everything begins that is written: rows, lines of the index, NumPy's files; after eight bytes, classifiers. */
const BEGINNINGS = ['{"file"', '{"text"', '{"row"', '\x93NUMPY'];
const CLASSIFIER = '{"__metadata__":{"format":"edgeclip-classifier"';
const LONGEST = 8 + CLASSIFIER.length;

/** Whether there is no such file, or one that begins as ours do. */
async function isOurs(path: string): Promise<boolean> {
  const there = await stat(toPath(path)).catch(() => undefined);
  if (!there) return true;
  if (!there.isFile()) return false;
  const handle = await open(toPath(path), 'r').catch(() => undefined);
  if (!handle) return true;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(LONGEST), 0, LONGEST, 0);
    const start = buffer.subarray(0, bytesRead).toString('latin1');
    const isRows = BEGINNINGS.some((beginning) => beginning.startsWith(start) || start.startsWith(beginning));
    return isRows || (bytesRead > 8 && CLASSIFIER.startsWith(start.slice(8)));
  } finally {
    await handle.close();
  }
}

export class PartialFile {
  /** The final path, with symbolic links resolved, so that a link stays a link. */
  readonly path: string;
  readonly partialPath: string;
  /** Bytes written. */
  length: number;
  readonly #handle: FileHandle;
  readonly #stopped: PartialFileOptions['stopped'];

  private constructor(path: string, partial: string, handle: FileHandle, length: number, options: PartialFileOptions) {
    this.path = path;
    this.partialPath = partial;
    this.length = length;
    this.#handle = handle;
    this.#stopped = options.stopped;
    unfinished.add(this);
    watchForEnd();
  }

  /**
   * @param suffix appended to the final path while the file is incomplete; a file of that name is replaced only if an
   *   earlier run of ours left it
   * @throws ClipError IO
   */
  static async create(path: string, options: PartialFileOptions = {}, suffix = '.partial'): Promise<PartialFile> {
    const to = destination(path);
    const partial = `${to}${suffix}`;
    if (!(await isOurs(partial))) {
      throw new ClipError('IO', `${quote(partial)} exists and is not from an earlier run of edgeclip: move it away`);
    }
    try {
      // A new inode instead of truncating: a concurrent run that still has the old file open must not write into this one.
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
   * Continues the file that an earlier run left, truncated to `length` bytes.
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
   * Overwrites the first bytes.
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
   * Flushes the file to disk and renames it to its final path, replacing an existing file.
   * @throws ClipError IO; the complete result then stays in the partial file
   */
  async commit(): Promise<void> {
    try {
      await this.#handle.sync();
      const [mine, there] = await Promise.all([this.#handle.stat(), stat(toPath(this.partialPath))]);
      await this.#handle.close();
      if (mine.ino !== there.ino) throw new Error('another run is writing the same output');
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

  /** After an error: closes the file, keeps or removes it, and returns the message that says so. */
  async stop(): Promise<string | undefined> {
    if (!unfinished.delete(this)) return undefined;
    await this.#handle.close().catch(() => {});
    return this.abandon();
  }

  /** As `stop`, but synchronous, for signal and exit handlers. */
  abandon(): string | undefined {
    const { kept = false, note } = this.#stopped?.() ?? {};
    if (kept) return note;
    try {
      unlinkSync(toPath(this.partialPath));
    } catch {
      // best effort
    }
    return note;
  }
}

/**
 * Checks before the work begins that the file can be written.
 * @throws ClipError IO
 */
export async function checkWritable(path: string): Promise<void> {
  const to = destination(path);
  const fail = (reason: string, cause?: unknown): never => {
    throw new ClipError('IO', `cannot write ${quote(path)}: ${reason}`, { cause });
  };
  const older = await stat(toPath(to)).catch(() => undefined);
  if (older?.isDirectory()) fail('it is a folder');
  if (older) await access(toPath(to), constants.W_OK).catch((error) => fail(ioReason(error), error));
  const folder = await stat(toPath(dirname(to))).catch(() => undefined);
  if (!folder?.isDirectory()) fail('there is no such folder');
  await access(toPath(dirname(to)), constants.W_OK).catch((error) =>
    fail(`its folder: ${ioReason(error)} (the file is first written next to its final path)`, error),
  );
}

function cannotWrite(path: string, cause: unknown): never {
  throw new ClipError('IO', `cannot write ${quote(path)}: ${ioReason(cause)}`, { cause });
}

const unfinished = new Set<PartialFile>();
/** Removes a progress bar. */
const CLEAR_LINE = '\r\x1b[K';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
let watching = false;

/** Rows are written through as they come, so a handler only has to clean up; the signal's default action follows. */
function watchForEnd(): void {
  if (watching) return;
  watching = true;
  process.once('exit', abandonAll);
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      abandonAll();
      if (process.platform === 'win32') process.exit(130);
      process.kill(process.pid, signal); // the default action, as the handler was removed
    });
  }
}

function abandonAll(): void {
  const notes = new Set([...unfinished].map((file) => file.abandon()));
  unfinished.clear();
  for (const note of notes) {
    if (note === undefined) continue;
    try {
      writeSync(2, `${process.stderr.isTTY ? CLEAR_LINE : ''}${note}\n`);
    } catch {
      // standard error is closed
    }
  }
}
