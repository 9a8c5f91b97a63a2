/** What a part says of itself, read by ranges, whether its files are whole and the plan's, and its rows. */
import type { AsyncBuffer, ColumnChunk } from 'hyparquet';
import { ClipError } from '../errors.ts';
import { isObject } from '../json.ts';
import { NPY_HEADER_BYTES } from '../npy.ts';
import { isSealed, sha256 } from './checksum.ts';
import { concurrently } from './concurrent.ts';
import { keyFromText } from './key-text.ts';
import { batchPackage } from './packages.ts';
import { type DonePart, METADATA_KEY, type PartSummary } from './parts.ts';
import type { PlanHead } from './plan.ts';
import type { Storage, StoredFile } from './storage.ts';

/** The end of a part, which holds its metadata, is read first. */
const FOOTER_BYTES = 1 << 16;
/** Before and after the metadata: its length, and "PAR1" at both ends of the file. */
const TAIL_BYTES = 8;
const LEAST_BYTES = 4 + TAIL_BYTES;

/** A part with what it says of itself, or with what is wrong with it. */
export type CheckedPart = DonePart & ({ readonly summary: PartSummary } | { readonly damage: ClipError });

/** What the parts of an output must be. */
export interface ExpectedParts {
  readonly head: PlanHead;
  /** The check of each shard's line in the plan. */
  readonly shards: readonly string[];
  /** What has made them. Default: any. */
  readonly maker: string | undefined;
}

/**
 * Checks parts, some at once, in order.
 * @param isWhole whether they are read whole, so that any change is seen, one at a time
 * @throws ClipError IO
 */
export async function* checkParts(
  output: Storage,
  expected: ExpectedParts,
  parts: Iterable<DonePart>,
  isWhole = false,
): AsyncGenerator<CheckedPart> {
  const { head, maker } = expected;
  const one = async (part: DonePart): Promise<CheckedPart> => {
    try {
      const summary = await checkPart(output, { head, maker, shard: expected.shards[part.part] }, part);
      if (isWhole) await readWhole(output, part, summary);
      return { ...part, summary };
    } catch (error) {
      if (error instanceof ClipError && error.code === 'PLAN_FORMAT') return { ...part, damage: error };
      throw error;
    }
  };
  if (isWhole) for (const part of parts) yield await one(part);
  else yield* concurrently(parts, one);
}

/** What a part must be. */
export interface ExpectedPart {
  readonly head: PlanHead;
  /** The check of the shard's line in the plan. */
  readonly shard: string | undefined;
  /** What has made it. Default: any. */
  readonly maker?: string | undefined;
}

/**
 * Checks that the files of a part belong together and to the plan, and were not cut, by their sizes and by the metadata at the end
 * of the last one.
 * @throws ClipError IO; PLAN_FORMAT with the name of the file that is damaged
 */
export async function checkPart(
  output: Storage,
  { head, shard, maker = '' }: ExpectedPart,
  { part, files }: DonePart,
): Promise<PartSummary> {
  const last = files.at(-1)!;
  const summary = await readSummary(output, last);
  if (summary.part !== part) throw damaged(output, last, `it is part ${summary.part}`);
  if (summary.shard !== shard) throw damaged(output, last, 'it has other pictures than the plan');
  if (maker !== '' && summary.maker !== maker) {
    const { model, version } = summary;
    throw damaged(output, last, `it is of another model or other options (${model.name} in ${model.precision}, edgeclip ${version})`); // biome-ignore format: one line
  }
  if (head.layout === 'clip-retrieval') {
    const [vectors] = files as [StoredFile];
    const rows = summary.pictures - summary.failed;
    const expected = NPY_HEADER_BYTES + rows * summary.dimension * (head.half ? 2 : 4);
    if (vectors.bytes !== expected)
      throw damaged(output, vectors, `it has ${vectors.bytes} bytes instead of ${expected}`);
  }
  return summary;
}

/**
 * Reads all files of a part and compares their checksums.
 * @returns the last one
 * @throws ClipError IO; PLAN_FORMAT with the name of the file that has changed
 */
export async function readWhole(output: Storage, { files }: DonePart, summary: PartSummary): Promise<Uint8Array> {
  let bytes: Uint8Array = new Uint8Array();
  for (const [i, file] of files.entries()) {
    bytes = (await output.read(file.name)) ?? gone(output, file);
    const isSame = i === files.length - 1 ? isSealed(bytes, summary.sha256) : sha256(bytes) === summary.vectors;
    if (!isSame) throw damaged(output, file, 'its checksum differs');
  }
  return bytes;
}

/** @throws ClipError IO; PLAN_FORMAT if it is not a part of a batch, or damaged */
export async function readSummary(output: Storage, file: StoredFile): Promise<PartSummary> {
  const { parquetMetadataAsync } = await batchPackage('hyparquet', 'to read parts');
  try {
    if (file.bytes < LEAST_BYTES) throw new Error(file.bytes === 0 ? 'it is empty' : `it has ${file.bytes} bytes`);
    const metadata = await parquetMetadataAsync(asFile(output, file), { initialFetchSize: FOOTER_BYTES });
    const text = metadata.key_value_metadata?.find(({ key }) => key === METADATA_KEY)?.value;
    if (text === undefined) throw new Error('it does not say what it is');
    const summary = JSON.parse(text) as unknown;
    if (!isSummary(summary)) throw new Error('it does not say what it is');
    const rows = summary.errors ? summary.pictures - summary.failed : summary.pictures;
    if (Number(metadata.num_rows) !== rows) throw new Error(`it has ${metadata.num_rows} rows instead of ${rows}`);
    const ends = metadata.row_groups.flatMap(({ columns }) => columns.flatMap(columnEnds));
    const expected = Math.max(4, ...ends) + metadata.metadata_length + TAIL_BYTES;
    if (file.bytes !== expected) throw new Error(`it has ${file.bytes} bytes instead of ${expected}`);
    return summary;
  } catch (cause) {
    throw damage(output, file, cause);
  }
}

/** Where a column's sections end in the file: its pages, and the indexes that columns of several pages have behind them all. */
function columnEnds(column: ColumnChunk): number[] {
  const { dictionary_page_offset, data_page_offset, total_compressed_size, bloom_filter_offset, bloom_filter_length } = column.meta_data!; // biome-ignore format: one line
  return [
    [dictionary_page_offset ?? data_page_offset, total_compressed_size] as const,
    [bloom_filter_offset, bloom_filter_length] as const,
    [column.column_index_offset, column.column_index_length] as const,
    [column.offset_index_offset, column.offset_index_length] as const,
  ].map(([start = 0, length = 0]) => Number(start) + Number(length));
}

function isSummary(value: unknown): value is PartSummary {
  const { part, pictures, failed, dimension, ...texts } = (isObject(value) ? value : {}) as Partial<PartSummary>;
  return (
    [part, pictures, failed, dimension].every(Number.isSafeInteger) &&
    [texts.maker, texts.shard, texts.sha256, texts.model?.name].every((text) => typeof text === 'string')
  );
}

/** The pictures of a part that failed. @throws ClipError IO, PLAN_FORMAT */
export async function* failedRows(
  output: Storage,
  { files, summary }: DonePart & { readonly summary: PartSummary },
): AsyncGenerator<{ readonly key: string; readonly error: string }> {
  if (summary.errors) {
    for (const { key, error } of summary.errors) yield { key: keyFromText(key), error };
    return;
  }
  if (summary.failed === 0) return;
  const file = files.at(-1)!;
  const { parquetReadObjects } = await batchPackage('hyparquet', 'to read parts');
  const rows = await parquetReadObjects({ file: asFile(output, file), columns: ['key', 'error'] }).catch((cause) => {
    throw damage(output, file, cause);
  });
  for (const { key, error } of rows) if (typeof error === 'string') yield { key: keyFromText(key as string), error };
}

/** A picture of a part: its embedding and the SHA-256 of its file, or why there is none. */
export type StoredRow = { readonly key: string } & (
  | { readonly embedding: Float32Array; readonly sha256: string }
  | { readonly error: string }
);

/** The keys of a part, in its order. @throws ClipError PLAN_FORMAT if it is damaged */
export async function partKeys(output: Storage, part: StoredFile, bytes: Uint8Array): Promise<string[]> {
  const { parquetReadObjects } = await batchPackage('hyparquet', 'to read parts');
  const rows = await parquetReadObjects({ file: inMemory(bytes), columns: ['key'] }).catch((cause) => {
    throw damage(output, part, cause);
  });
  return rows.map(({ key }) => keyFromText(key as string));
}

const inMemory = (bytes: Uint8Array) => ({
  byteLength: bytes.length,
  slice: (start: number, end?: number) => bytes.slice(start, end).buffer as ArrayBuffer,
});

/**
 * The pictures of a part, some at a time.
 * @param bytes the part's, as `readWhole` gives them
 * @throws ClipError PLAN_FORMAT if it is damaged
 */
export async function* partRows(output: Storage, part: StoredFile, bytes: Uint8Array): AsyncGenerator<StoredRow[]> {
  const { parquetMetadataAsync, parquetReadObjects } = await batchPackage('hyparquet', 'to read parts');
  const file = inMemory(bytes);
  try {
    const metadata = await parquetMetadataAsync(file);
    let rowStart = 0;
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = rowStart + Number(num_rows);
      const columns = ['key', 'embedding', 'sha256', 'error'];
      const rows = await parquetReadObjects({ file, metadata, columns, rowStart, rowEnd });
      yield rows.map(({ key: text, embedding, sha256, error }) => {
        const key = keyFromText(text);
        return typeof error === 'string' ? { key, error } : { key, embedding: Float32Array.from(embedding), sha256 };
      });
      rowStart = rowEnd;
    }
  } catch (cause) {
    throw damage(output, part, cause);
  }
}

/** A file of the storage as hyparquet reads one. */
function asFile(output: Storage, part: StoredFile): AsyncBuffer {
  const { name, bytes: byteLength } = part;
  const slice = async (start: number, end = byteLength) => {
    const bytes = (await output.read(name, { start, end })) ?? gone(output, part);
    return bytes.slice().buffer as ArrayBuffer;
  };
  return { byteLength, slice };
}

function gone(output: Storage, { name }: StoredFile): never {
  throw new ClipError('IO', `${output.place}: ${name} is gone`);
}

/** What a reader threw of a file: the storage's error, or that the file is damaged. */
const damage = (output: Storage, file: StoredFile, cause: unknown): ClipError =>
  cause instanceof ClipError ? cause : damaged(output, file, (cause as Error).message, cause);

const damaged = (output: Storage, { name }: StoredFile, what: string, cause?: unknown): ClipError =>
  new ClipError('PLAN_FORMAT', `${output.place}: ${name} is damaged: ${what}: remove it, and it is made again`, {
    cause,
  });
