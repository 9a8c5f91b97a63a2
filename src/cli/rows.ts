/** Rows of `embed`: their owners, index lines and formats. */
import { createHash } from 'node:crypto';
import { nineDigits } from '../float32.ts';
import { NPY_HEADER_BYTES, npyHeader, npyRow } from '../npy.ts';

/** The file or text that a row belongs to. */
export type Owner = { readonly file: string } | { readonly text: string };

/** Size in bytes and modification time of a file, to detect changes. */
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
  /** The header of a file with `rows` rows; its length is constant. */
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
 * A checksum over a row's bytes, its owner, the owner's size and time, and the fingerprint of what computed it: the first
 * 64 bits of a SHA-256, in hexadecimal. A row is reused only if its checksum matches, so damaged or mismatched files do no
 * harm.
 */
export function rowCheck(owner: Owner, stamp: Stamp | undefined, maker: string, bytes: Uint8Array): string {
  const hash = createHash('sha256');
  hash.update(`${JSON.stringify([owner, stamp?.size, stamp?.mtime, maker])}\n`);
  return hash.update(bytes).digest('hex').slice(0, 16);
}
