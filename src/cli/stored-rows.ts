/** Random access to rows and lines in files. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { toPath } from '../file-name.ts';
import { isNpyHeader, NPY_HEADER_BYTES } from '../npy.ts';
import type { RowFormat } from './rows.ts';

/** A file of rows; an incomplete last row is ignored. */
export class StoredRows {
  readonly #descriptor: number;
  /** Byte offset of each row; `count` gives the end of the last one. */
  readonly #offset: (row: number) => number;
  readonly count: number;
  #closed = false;

  private constructor(descriptor: number, offset: (row: number) => number, count: number) {
    this.#descriptor = descriptor;
    this.#offset = offset;
    this.count = count;
  }

  /** Opens an output file; undefined if it does not exist or has another format. */
  static open(path: string, format: RowFormat, width: number): StoredRows | undefined {
    if (format.name === 'json') return StoredRows.openLines(path);
    return openFile(path, (descriptor, size) => {
      const header = readAt(descriptor, 0, NPY_HEADER_BYTES);
      if (!isNpyHeader(header, width)) return undefined;
      const offset = (row: number) => NPY_HEADER_BYTES + row * width * 4;
      return new StoredRows(descriptor, offset, Math.floor((size - NPY_HEADER_BYTES) / (width * 4)));
    });
  }

  /** Opens a file of lines; undefined if it does not exist. */
  static openLines(path: string): StoredRows | undefined {
    return openFile(path, (descriptor, size) => {
      const starts = [0];
      for (let at = 0; at < size; ) {
        const chunk = readAt(descriptor, at, 1 << 20);
        if (chunk.length === 0) break;
        for (let i = chunk.indexOf(10); i >= 0; i = chunk.indexOf(10, i + 1)) starts.push(at + i + 1);
        at += chunk.length;
      }
      return new StoredRows(descriptor, (row) => starts[row]!, starts.length - 1);
    });
  }

  /** The bytes of a row; lines include the line feed. */
  read(row: number): Uint8Array {
    return readAt(this.#descriptor, this.#offset(row), this.#offset(row + 1) - this.#offset(row));
  }

  /** File length up to and including the first `rows` rows. */
  bytes(rows: number): number {
    return this.#offset(rows);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#descriptor);
  }
}

/** The format of an output of `embed`, by its beginning; undefined if it does not exist, is empty or is something else. */
export function storedFormat(path: string): RowFormat['name'] | undefined {
  let start: string;
  try {
    const descriptor = openSync(toPath(path), 'r');
    try {
      start = fstatSync(descriptor).isFile() ? readAt(descriptor, 0, 8).toString('latin1') : '';
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return undefined;
  }
  if (start.startsWith('\x93NUMPY')) return 'npy';
  return /^\{"(?:file|text)"/.test(start) ? 'json' : undefined;
}

function openFile(
  path: string,
  make: (descriptor: number, size: number) => StoredRows | undefined,
): StoredRows | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(toPath(path), 'r');
  } catch {
    return undefined;
  }
  const stat = fstatSync(descriptor);
  const rows = stat.isFile() ? make(descriptor, stat.size) : undefined;
  if (!rows) closeSync(descriptor);
  return rows;
}

/** Reads `length` bytes, fewer at the end of the file. */
function readAt(descriptor: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const read = readSync(descriptor, bytes, done, length - done, position + done);
    if (read === 0) break;
    done += read;
  }
  return bytes.subarray(0, done);
}
