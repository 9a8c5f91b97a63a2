/** Rows of `embed`: whose they are, and how they look in each format. */
import { createHash } from 'node:crypto';
import { nineDigits } from './float32.ts';
import { NPY_HEADER_BYTES, npyHeader, npyRow } from './npy.ts';

/** Whose a vector is. */
export type Owner = { readonly file: string } | { readonly text: string };

/** Size in bytes and time of the last change of a file, by which a changed one is known. */
export interface Stamp {
  readonly size: number;
  /** ISO 8601, to the millisecond. */
  readonly mtime: string;
}

/** A line of the index. */
export type IndexLine = Owner & Partial<Stamp> & { readonly row: number; readonly check?: string };

export interface RowFormat {
  readonly name: 'json' | 'npy';
  /** Bytes before the first row. */
  readonly headerBytes: number;
  /** What precedes `rows` rows. */
  header(rows: number, width: number): Uint8Array;
  row(owner: Owner, embedding: Float32Array): Uint8Array;
}

export const ROW_FORMATS: Readonly<Record<'json' | 'npy', RowFormat>> = {
  json: {
    name: 'json',
    headerBytes: 0,
    header: () => new Uint8Array(0),
    row: (owner, embedding) =>
      Buffer.from(`${JSON.stringify({ ...owner, embedding: Array.from(embedding, nineDigits) })}\n`),
  },
  npy: {
    name: 'npy',
    headerBytes: NPY_HEADER_BYTES,
    header: npyHeader,
    row: (_, embedding) => npyRow(embedding),
  },
};

/**
 * A checksum that ties a row's bytes to their owner, the owner's size and time, and what computed them: 64 bits of SHA-256
 * in hexadecimal. A row is kept only if it fits, whatever happened to the files.
 */
export function rowCheck(owner: Owner, stamp: Stamp | undefined, maker: string, bytes: Uint8Array): string {
  const hash = createHash('sha256');
  hash.update(`${JSON.stringify([owner, stamp?.size, stamp?.mtime, maker])}\n`);
  return hash.update(bytes).digest('hex').slice(0, 16);
}
