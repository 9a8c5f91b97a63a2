/**
 * The file of a `VectorIndex`: safetensors with `ids` U8 [bytes], a JSON list padded with spaces, and `vectors` F32 [n, dimension],
 * each of length 1, in the order of their additions. Metadata: `format`, `version`, `model` (JSON, if known), `block` (vectors
 * under one checksum), `checksums` (XXH32 of the ids and of each block) and `checksum` (XXH32 of all that is said here).
 */

import { roundUp } from '../engine/numerics.ts';
import { ClipError } from '../errors.ts';
import { sumsFromText, sumsToText, xxh32 } from '../weights/checksum.ts';
import { readSafetensorsHeader, type SafetensorsFile, safetensorsHeader } from '../weights/safetensors.ts';
import type { Source } from '../weights/source.ts';
import type { TensorInfo } from '../weights/tensor-file.ts';
import { checkJsonIds, checkUnit } from './index-checks.ts';
import { type IndexModel, indexModel } from './index-model.ts';
import type { VectorId, VectorPlace, VectorReader } from './vectors.ts';

const FORMAT = 'edgeclip-vectors';
const VERSION = '1';
/** Bytes that are read, checked and written at once. */
const BLOCK_BYTES = 4 << 20;
/** Vectors that lie closer than this are read in one piece. */
const GAP = 8;

export interface IndexData {
  readonly ids: readonly VectorId[];
  readonly dimension: number;
  readonly model: IndexModel | undefined;
  /** Vectors first to first + n. */
  read(first: number, n: number): Promise<Float32Array<ArrayBuffer>>;
}

/** The file's parts. The vectors are read twice: their checksums are in the header. */
export async function* writeIndex({ ids, dimension, model, read }: IndexData): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const json = new TextEncoder().encode(JSON.stringify(ids));
  const list = new Uint8Array(roundUp(json.length, 64)).fill(0x20);
  list.set(json);
  const block = Math.max(1, Math.floor(BLOCK_BYTES / (dimension * 4)));
  const sums = [xxh32(list)];
  for (let first = 0; first < ids.length; first += block) {
    sums.push(xxh32(bytesOf(await read(first, Math.min(block, ids.length - first)))));
  }
  const said = {
    format: FORMAT,
    version: VERSION,
    ...(model && { model: JSON.stringify(model) }),
    block: String(block),
    checksums: sumsToText(sums),
  };
  const shape = [ids.length, dimension];
  const tensors = [
    { name: 'ids', dtype: 'U8', shape: [list.length] },
    { name: 'vectors', dtype: 'F32', shape },
  ];
  yield safetensorsHeader(tensors, { ...said, checksum: checksumOf(said, shape) });
  yield list;
  for (let first = 0; first < ids.length; first += block) {
    yield bytesOf(await read(first, Math.min(block, ids.length - first)));
  }
}

export interface LoadedIndex {
  /** What messages call the file. */
  readonly name: string;
  readonly dimension: number;
  readonly model: IndexModel | undefined;
  /** Reads vectors from the file again. */
  readonly reader: VectorReader;
}

/**
 * Reads and checks a file.
 * @param start called once the header is known
 * @param add called for each vector, of length 1, in order
 * @throws ClipError INDEX_FORMAT, IO; what `start` and `add` throw; the signal's reason if aborted
 */
export async function readIndex(
  source: Source,
  start: (index: LoadedIndex) => Promise<void>,
  add: (id: VectorId, vector: Float32Array) => void,
  signal?: AbortSignal,
): Promise<void> {
  const fail = (message: string, cause?: unknown): never => {
    throw new ClipError('INDEX_FORMAT', `"${source.name}": ${message}`, { cause });
  };
  const { metadata, tensors } = await header(source, signal, fail);
  const { ids: idsAt, vectors: vectorsAt, dimension, count, block, sums } = layout(metadata, tensors, fail);
  const model = metadata.model === undefined ? undefined : indexModel(JSON.parse(metadata.model));
  const list = new Uint8Array(idsAt.byteLength);
  await source.readInto(idsAt.offset, list, signal);
  if (xxh32(list) !== sums[0]) fail('it is damaged: the checksum of its ids is wrong');
  const ids = checkJsonIds(new TextDecoder().decode(list), count, fail);
  await start({ name: source.name, dimension, model, reader: fileReader(source, vectorsAt.offset, dimension) });
  const vectors = new Float32Array(Math.min(block, count) * dimension);
  for (let first = 0; first < count; first += block) {
    const n = Math.min(block, count - first);
    const bytes = bytesOf(vectors).subarray(0, n * dimension * 4);
    await source.readInto(vectorsAt.offset + first * dimension * 4, bytes, signal);
    if (xxh32(bytes) !== sums[1 + first / block])
      fail(`it is damaged: the checksum of vectors ${first} to ${first + n - 1} is wrong`);
    for (let i = 0; i < n; i++) {
      const vector = vectors.subarray(i * dimension, (i + 1) * dimension);
      if (!checkUnit(vector)) fail(`vector ${first + i} has neither the length 1 nor 0`);
      add(ids[first + i]!, vector);
    }
  }
}

type Fail = (message: string, cause?: unknown) => never;

async function header(source: Source, signal: AbortSignal | undefined, fail: Fail): Promise<SafetensorsFile> {
  try {
    return await readSafetensorsHeader(source, { signal });
  } catch (error) {
    if (error instanceof ClipError && error.code === 'WEIGHTS_FORMAT') {
      return fail('it is damaged, or not a file that VectorIndex.save wrote', error);
    }
    throw error;
  }
}

/** Where ids and vectors are, and their checksums. */
function layout(metadata: Readonly<Record<string, string>>, tensors: ReadonlyMap<string, TensorInfo>, fail: Fail) {
  const { format, version, checksum, block: blockText = '', checksums } = metadata;
  if (format !== FORMAT) fail(`expected the format ${FORMAT}, got ${format ?? '(none)'}`);
  if (version !== VERSION) fail(`expected version ${VERSION}, got ${version ?? '(none)'}: a later edgeclip wrote it`);
  const ids = tensors.get('ids') ?? fail('it has no ids');
  const vectors = tensors.get('vectors') ?? fail('it has no vectors');
  const [count = 0, dimension = 0] = vectors.shape;
  if (checksum !== checksumOf(metadata, vectors.shape)) fail('it is damaged: the checksum of its header is wrong');
  if (ids.dtype !== 'U8' || ids.byteLength % 64 !== 0 || vectors.dtype !== 'F32' || vectors.shape.length !== 2) {
    fail(`expected ids U8 and vectors F32 [n, dimension], got ${ids.dtype} and ${vectors.dtype} [${vectors.shape}]`);
  }
  const block = Number(blockText);
  if (!Number.isSafeInteger(block) || block < 1) fail(`expected a number of vectors as its block, got "${blockText}"`);
  const sums = sumsFromText(checksums, 1 + Math.ceil(count / block)) ?? fail('it has another number of checksums');
  return { ids, vectors, count, dimension, block, sums };
}

/** Reads vectors that lie close to each other in one piece. */
function fileReader(source: Source, offset: number, dimension: number): VectorReader {
  const bytes = dimension * 4;
  return {
    async readInto(places: readonly VectorPlace[], target: Float32Array) {
      for (let from = 0; from < places.length; ) {
        const first = places[from]!.position;
        let to = from + 1;
        while (to < places.length && places[to]!.position - places[to - 1]!.position <= GAP) to++;
        const rows = new Float32Array((places[to - 1]!.position - first + 1) * dimension);
        await source.readInto(offset + first * bytes, bytesOf(rows));
        for (; from < to; from++) {
          const at = (places[from]!.position - first) * dimension;
          target.set(rows.subarray(at, at + dimension), from * dimension);
        }
      }
    },
    close: async () => source.close?.(),
  };
}

function checksumOf(metadata: Readonly<Record<string, string>>, shape: readonly number[]): string {
  const { format, version, model = null, block, checksums } = metadata;
  const json = new TextEncoder().encode(JSON.stringify([format, version, model, block, checksums, shape]));
  const padded = new Uint8Array(roundUp(json.length, 4)).fill(0x20);
  padded.set(json);
  return sumsToText([xxh32(padded)]);
}

const bytesOf = (floats: Float32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
