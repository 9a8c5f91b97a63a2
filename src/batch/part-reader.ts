/** What a part says of itself, read by ranges. */
import type { AsyncBuffer } from 'hyparquet';
import { ClipError } from '../errors.ts';
import { batchPackage } from './packages.ts';
import { METADATA_KEY, type PartSummary } from './parts.ts';
import type { Storage } from './storage.ts';

/** The end of a part, which holds its metadata, is read first. */
const FOOTER_BYTES = 1 << 16;

/** @throws ClipError IO, PLAN_FORMAT if it is no part of a batch */
export async function readSummary(output: Storage, name: string, bytes: number): Promise<PartSummary> {
  const { parquetMetadataAsync } = await batchPackage('hyparquet', 'to read parts');
  const file = asFile(output, name, bytes);
  const where = `${output.place}: ${name}`;
  const metadata = await parquetMetadataAsync(file, { initialFetchSize: FOOTER_BYTES }).catch((cause) => {
    if (cause instanceof ClipError) throw cause;
    throw new ClipError('PLAN_FORMAT', `${where}: it is not Parquet: ${cause.message}`, { cause });
  });
  const text = metadata.key_value_metadata?.find(({ key }) => key === METADATA_KEY)?.value;
  if (text === undefined) throw new ClipError('PLAN_FORMAT', `${where}: it is no part of a batch`);
  return JSON.parse(text) as PartSummary;
}

/** The pictures of a part that failed. @throws ClipError IO */
export async function* failedRows(
  output: Storage,
  name: string,
  bytes: number,
): AsyncGenerator<{ readonly key: string; readonly error: string }> {
  const { errors } = await readSummary(output, name, bytes);
  if (errors) {
    yield* errors;
    return;
  }
  const { parquetReadObjects } = await batchPackage('hyparquet', 'to read parts');
  const rows = await parquetReadObjects({ file: asFile(output, name, bytes), columns: ['key', 'error'] });
  for (const { key, error } of rows) if (typeof error === 'string') yield { key: key as string, error };
}

/** A picture of a part: its embedding, or why there is none. */
export type StoredRow = { readonly key: string } & ({ readonly embedding: Float32Array } | { readonly error: string });

/** The pictures of a part, some at a time. @throws ClipError IO, PLAN_FORMAT if it is damaged */
export async function* partRows(output: Storage, name: string, bytes: number): AsyncGenerator<StoredRow[]> {
  const { parquetMetadataAsync, parquetReadObjects } = await batchPackage('hyparquet', 'to read parts');
  const file = asFile(output, name, bytes);
  try {
    const metadata = await parquetMetadataAsync(file, { initialFetchSize: FOOTER_BYTES });
    let rowStart = 0;
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = rowStart + Number(num_rows);
      const columns = ['key', 'embedding', 'error'];
      const rows = await parquetReadObjects({ file, metadata, columns, rowStart, rowEnd });
      yield rows.map(({ key, embedding, error }) =>
        typeof error === 'string' ? { key, error } : { key, embedding: Float32Array.from(embedding) },
      );
      rowStart = rowEnd;
    }
  } catch (cause) {
    if (cause instanceof ClipError) throw cause;
    const message = `${output.place}: ${name} is damaged: ${(cause as Error).message}`;
    throw new ClipError('PLAN_FORMAT', message, { cause });
  }
}

/** A file of the storage as hyparquet reads one. */
function asFile(output: Storage, name: string, byteLength: number): AsyncBuffer {
  const slice = async (start: number, end = byteLength) => {
    const bytes = await output.read(name, { start, end });
    if (!bytes) throw new ClipError('IO', `${output.place}: ${name} is gone`);
    return bytes.slice().buffer as ArrayBuffer;
  };
  return { byteLength, slice };
}
