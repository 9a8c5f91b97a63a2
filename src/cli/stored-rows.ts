/** Rows and lines in files, read by position. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { toPath } from './file-name.ts';
import { isNpyHeader, NPY_HEADER_BYTES } from './npy.ts';
import type { RowFormat } from './rows.ts';

/** A file of rows. A last row that is cut does not count. */
export class StoredRows {
  readonly #descriptor: number;
  /** Where each row starts, and where the last one ends. */
  readonly #offset: (row: number) => number;
  readonly count: number;
  #closed = false;

  private constructor(descriptor: number, offset: (row: number) => number, count: number) {
    this.#descriptor = descriptor;
    this.#offset = offset;
    this.count = count;
  }

  /** The rows of an output file, or undefined if it is not there or not in this format. */
  static open(path: string, format: RowFormat, width: number): StoredRows | undefined {
    if (format.name === 'json') return StoredRows.openLines(path);
    return openFile(path, (descriptor, size) => {
      const header = readAt(descriptor, 0, NPY_HEADER_BYTES);
      if (!isNpyHeader(header, width)) return undefined;
      const offset = (row: number) => NPY_HEADER_BYTES + row * width * 4;
      return new StoredRows(descriptor, offset, Math.floor((size - NPY_HEADER_BYTES) / (width * 4)));
    });
  }

  /** The lines of a file, or undefined if it is not there. */
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

  /** The bytes of a row, a line with its end. */
  read(row: number): Uint8Array {
    return readAt(this.#descriptor, this.#offset(row), this.#offset(row + 1) - this.#offset(row));
  }

  /** Bytes of the file that the first rows take, with what precedes them. */
  bytes(rows: number): number {
    return this.#offset(rows);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#descriptor);
  }
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

/** `length` bytes, or fewer at the end of the file. */
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
