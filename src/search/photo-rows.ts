/** Rows of a photo index's tables, as both databases give them: PostgreSQL's numbers of 64 bits come as texts. */
import { pathFromText } from './path-text.ts';
import type { Photo, PhotoFailure, PhotoFile } from './photo-store.ts';

type Row = Readonly<Record<string, unknown>>;

const fileOf = ({ path, size, mtime }: Row): PhotoFile => ({
  path: pathFromText(path as string),
  size: Number(size),
  mtime: Number(mtime),
});

export const photoOf = (row: Row): Photo => ({ id: Number(row.id), ...fileOf(row), hash: row.hash as string });

export const failureOf = (row: Row): PhotoFailure => ({ ...fileOf(row), error: row.error as string });
