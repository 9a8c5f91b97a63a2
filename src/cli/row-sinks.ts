/** Row sinks: streams, streams whose header needs the number of rows, and files. */
import { mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClipError } from '../errors.ts';
import { ioReason } from '../platform/io-reason.ts';
import { quote } from './failure.ts';
import type { Output } from './output.ts';
import type { PartialFile } from './partial-file.ts';
import type { Progress } from './progress.ts';

/** Accepts any number of rows in constant memory. */
export interface RowSink {
  /** @throws ClipError IO */
  add(bytes: Uint8Array): Promise<void>;
  /**
   * Completes the output after the last row.
   * @throws ClipError IO
   */
  end(rows: number): Promise<void>;
  /**
   * Publishes the output under its final name, once all outputs are complete.
   * @throws ClipError IO
   */
  commit(): Promise<void>;
  /** After an error: cleans up. Returns a message if rows are kept for `--resume`. */
  stop(): Promise<string | undefined>;
}

/** Writes JSON rows or index lines to a stream. */
export class StreamSink implements RowSink {
  readonly #output: Output;
  readonly #progress: Progress;

  constructor(output: Output, progress: Progress) {
    this.#output = output;
    this.#progress = progress;
  }

  async add(bytes: Uint8Array): Promise<void> {
    if (this.#output.terminal) this.#progress.clear();
    await this.#output.write(bytes);
  }

  end(): Promise<void> {
    return this.#output.close();
  }

  async commit(): Promise<void> {}

  async stop(): Promise<undefined> {}
}

/** Writes npy to a stream: the header needs the number of rows, so rows are spooled to a temporary file first. */
export class SpoolSink implements RowSink {
  readonly #output: Output;
  readonly #header: (rows: number) => Uint8Array;
  readonly #folder: string;
  readonly #spool: FileHandle;

  private constructor(output: Output, header: (rows: number) => Uint8Array, folder: string, spool: FileHandle) {
    this.#output = output;
    this.#header = header;
    this.#folder = folder;
    this.#spool = spool;
  }

  static async create(output: Output, header: (rows: number) => Uint8Array): Promise<SpoolSink> {
    const folder = await temporary(async () => mkdtempSync(join(tmpdir(), 'edgeclip-')));
    const remove = () => rmSync(folder, { recursive: true, force: true });
    process.once('exit', remove); // Windows cannot remove an open file
    const spool = await temporary(() => open(join(folder, 'rows'), 'wx+'));
    if (process.platform !== 'win32') remove(); // unlinked while open, so a killed run leaves nothing behind
    return new SpoolSink(output, header, folder, spool);
  }

  async add(bytes: Uint8Array): Promise<void> {
    await temporary(() => this.#spool.writeFile(bytes));
  }

  async end(rows: number): Promise<void> {
    await this.#output.write(this.#header(rows));
    const buffer = Buffer.allocUnsafe(1 << 18);
    for (let at = 0; ; ) {
      const { bytesRead } = await temporary(() => this.#spool.read(buffer, 0, buffer.length, at));
      if (bytesRead === 0) break;
      await this.#output.write(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    await this.#output.close();
    await this.#spool.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async commit(): Promise<void> {}

  async stop(): Promise<undefined> {}
}

/** Writes rows to a file that is replaced atomically; the header is rewritten at the end. */
export class FileSink implements RowSink {
  readonly file: PartialFile;
  readonly #header: (rows: number) => Uint8Array;

  /** @param header the header for a number of rows; its length must not depend on it */
  constructor(file: PartialFile, header: (rows: number) => Uint8Array = () => new Uint8Array(0)) {
    this.file = file;
    this.#header = header;
  }

  async add(bytes: Uint8Array): Promise<void> {
    if (this.file.length === 0) await this.file.append(this.#header(0));
    await this.file.append(bytes);
  }

  async end(rows: number): Promise<void> {
    const header = this.#header(rows);
    if (this.file.length === 0) await this.file.append(header);
    else await this.file.rewriteStart(header);
  }

  commit(): Promise<void> {
    return this.file.commit();
  }

  stop(): Promise<string | undefined> {
    return this.file.stop();
  }
}

async function temporary<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new ClipError('IO', `temporary file in ${quote(tmpdir())}: ${ioReason(error)}`, { cause: error });
  }
}
