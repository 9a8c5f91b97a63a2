/**
 * The packed format: safetensors files whose data sections, one after the other, are the tower's memory, byte for byte
 * (src/engine/layout.ts), with a checksum per tensor. A tower is one file, `image.safetensors`, or shards of a chosen size
 * (shards.ts). Writing is in packing.ts. The metadata of each file:
 *
 *   format      `edgeclip`
 *   layout      version of the layout; another one is refused
 *   tower       `image` or `text`
 *   precision   `int8` or `f32`
 *   embed_dim   length of an embedding
 *   mean, std   of the image tower: the normalization that is folded into its first layer
 *   shard       `2/3`, in shards
 *   checksums   XXH32 of each tensor's bytes, eight hexadecimal digits each, in the order of the bytes
 *   checksum    XXH32 of the checksums of all files of the tower, as u32: shards of two packings do not mix
 */
import type { Precision } from '../engine/arithmetic.ts';
import { LAYOUT_VERSION, Layout, type PackedTensor, product } from '../engine/layout.ts';
import { ClipError } from '../errors.ts';
import type { ClipConfig, Tower } from '../model/config.ts';
import type { TowerSlot } from '../model/slots.ts';
import type { TowerDefinition } from '../model/tower.ts';
import { type Checksum, sumsFromText, sumsToText, xxh32 } from './checksum.ts';
import type { Normalization } from './pixel-normalization.ts';
import type { Source } from './source.ts';
import type { TensorFile, TensorInfo } from './tensor-file.ts';
import { requireFinite, requireRange } from './values.ts';

/** Value of `format` in a packed file's metadata. */
export const FORMAT = 'edgeclip';

/** What the metadata says of the tower: everything that changes what its bytes mean. */
export interface PackedModel {
  readonly config: ClipConfig;
  readonly tower: Tower;
  readonly normalization: Normalization;
}

/** An opened packed file: its header and where its bytes are. */
export interface PackedFile {
  readonly header: TensorFile;
  readonly source: Source;
}

export const isPacked = (file: TensorFile) => file.metadata.format === FORMAT;

export function packedMetadata(
  { config, tower, normalization }: PackedModel,
  precision: Precision,
): Record<string, string> {
  return {
    format: FORMAT,
    layout: LAYOUT_VERSION,
    tower,
    precision,
    embed_dim: String(config.embedDim),
    // The image tower's first layer has the normalization folded in.
    ...(tower === 'image' && { mean: JSON.stringify(normalization.mean), std: JSON.stringify(normalization.std) }),
  };
}

/** Which shard of how many, in the metadata of each. */
export const shardNumber = (i: number, count: number) => `${i + 1}/${count}`;

/** The name of a piece of a tensor that is larger than a shard. */
export const pieceName = (tensor: string, i: number, count: number) => `${tensor}.piece-${i + 1}-of-${count}`;

const PIECE = /^(.*)\.piece-(\d+)-of-(\d+)$/;

/** The checksum over all checksums of a tower, in every file of it: files of two packings do not mix. */
export const towerChecksum = (sums: readonly number[]) =>
  sumsToText([xxh32(new Uint8Array(Int32Array.from(sums).buffer))]);

/** A tensor, or a piece of one, in a file. */
interface Piece {
  readonly tensor: string;
  readonly source: Source;
  /** Where it is in the file and in the tower's memory. */
  readonly from: number;
  readonly at: number;
  readonly byteLength: number;
  readonly checksum: number;
}

/** Bytes that are read at once, whole pieces: while they are verified the next ones are read. */
const READ_BYTES = 1 << 20;

export interface ReadAllOptions {
  readonly signal?: AbortSignal | undefined;
  readonly checksum?: Checksum | undefined;
  readonly onBytes?: ((loaded: number) => void) | undefined;
}

/** A tower in packed files, whose headers are checked. */
export class PackedTower {
  readonly layout: Layout<TowerSlot>;
  readonly #pieces: readonly Piece[];

  /**
   * Checks that the files are the tower that the configuration describes, in a layout that this version reads.
   * @param definition the tower of the model's configuration
   * @throws ClipError `WEIGHTS_FORMAT`, `WEIGHTS_MISSING` or `WEIGHTS_SHAPE`, naming file and tensor
   */
  constructor(
    files: readonly PackedFile[],
    model: PackedModel,
    definition: Pick<TowerDefinition<never, never>, 'slots' | 'summary'>,
  ) {
    const precision = files[0]!.header.metadata.precision === 'f32' ? 'f32' : 'int8';
    const metadata = packedMetadata(model, precision);
    for (const [i, { header }] of files.entries()) {
      checkMetadata(header, files.length === 1 ? metadata : { ...metadata, shard: shardNumber(i, files.length) });
    }
    const stored = new Set(files.flatMap(({ header }) => [...header.tensors.keys()].map(tensorOf)));
    // Whether a map needed its residual was decided when the file was written.
    const slots = definition.slots().filter((slot) => slot.kind !== 'linear' || !slot.residualOf || stored.has(`${slot.name}.scale`)); // biome-ignore format: one line
    this.layout = new Layout(slots, precision);
    checkTensors(files, this.layout, model.tower, definition.summary);
    const sums = files.map(({ header }) => checksums(header));
    checkTogether(files, sums.flat());
    let at = 0;
    this.#pieces = files.flatMap(({ header, source }, file) =>
      [...header.tensors.values()].map(({ name, offset, byteLength }, i): Piece => {
        const piece = { tensor: tensorOf(name), source, from: offset, at, byteLength, checksum: sums[file]![i]! };
        at += byteLength;
        return piece;
      }),
    );
  }

  /**
   * Reads the tower into its memory and verifies it. F32 tensors are searched for NaN and infinity.
   * @param into layout.byteLength bytes at a multiple of 4
   * @param options.checksum default in JavaScript
   * @param options.onBytes called with the number of bytes that are read and verified
   * @throws ClipError `WEIGHTS_FORMAT` that names the tensor whose checksum is wrong; `WEIGHTS_VALUE`; `IO`; the signal's
   *   reason if aborted
   */
  async readAll(into: Uint8Array, options: ReadAllOptions = {}): Promise<void> {
    const { signal, checksum = xxh32, onBytes } = options;
    // On failure the read that is under way is waited for, as it writes to the same memory.
    const verifyRun = async (pieces: readonly Piece[], reading?: Promise<void>) => {
      try {
        for (const piece of pieces) verify(piece, into.subarray(piece.at, piece.at + piece.byteLength), checksum);
      } catch (error) {
        await reading?.catch(() => {});
        throw error;
      }
      if (pieces.length > 0) onBytes?.(pieces.at(-1)!.at + pieces.at(-1)!.byteLength);
    };
    let reading: Promise<void> | undefined;
    let read: readonly Piece[] = [];
    for (const run of runs(this.#pieces)) {
      await reading;
      signal?.throwIfAborted();
      const { source, from, at } = run[0]!;
      const end = run.at(-1)!.at + run.at(-1)!.byteLength;
      reading = source.readInto(from, into.subarray(at, end), signal);
      reading.catch(() => {}); // awaited below, or at the next turn
      await verifyRun(read, reading);
      read = run;
    }
    await reading;
    signal?.throwIfAborted();
    await verifyRun(read);
    for (const tensor of this.layout.tensors.values()) requireFiniteTensor(tensor, into, this.name);
    for (const slot of this.layout.slots) {
      if (slot.kind !== 'vector' || !slot.range) continue;
      const { offset } = this.layout.tensors.get(slot.name)!;
      const values = new Float32Array(into.buffer, into.byteOffset + offset, product(slot.shape));
      requireRange(values, `"${this.name}": tensor ${slot.name}`, slot.range);
    }
  }

  /**
   * Reads and verifies one tensor.
   * @throws ClipError as `readAll`
   */
  async read(name: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const tensor = this.layout.tensors.get(name)!;
    const bytes = new Uint8Array(tensor.byteLength);
    for (const piece of this.#pieces) {
      if (piece.tensor !== name) continue;
      const into = bytes.subarray(piece.at - tensor.offset, piece.at - tensor.offset + piece.byteLength);
      await piece.source.readInto(piece.from, into, signal);
      signal?.throwIfAborted();
      verify(piece, into, xxh32);
    }
    requireFiniteTensor({ ...tensor, offset: 0 }, bytes, this.name);
    return bytes;
  }

  /** The values of a vector from its bytes, without what fills them up to whole words. */
  positions(name: string, bytes: Uint8Array<ArrayBuffer>): Float32Array {
    const slot = this.layout.slots.find((slot) => slot.name === name) as Extract<TowerSlot, { kind: 'vector' }>;
    return new Float32Array(bytes.buffer).subarray(0, product(slot.shape));
  }

  /** The name of its file, or its first shard. */
  get name(): string {
    return this.#pieces[0]!.source.name;
  }
}

/** Pieces that are read together: of one file, about READ_BYTES. */
function* runs(pieces: readonly Piece[]): Iterable<readonly Piece[]> {
  let run: Piece[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    if (run.length > 0 && (piece.source !== run[0]!.source || bytes + piece.byteLength > READ_BYTES)) {
      yield run;
      run = [];
      bytes = 0;
    }
    run.push(piece);
    bytes += piece.byteLength;
  }
  yield run;
}

function verify({ tensor, source, checksum }: Piece, bytes: Uint8Array, compute: Checksum): void {
  if (compute(bytes) === checksum) return;
  throw new ClipError(
    'WEIGHTS_FORMAT',
    `"${source.name}" is damaged: the bytes of tensor ${tensor} do not have its checksum; fetch or pack the model again`,
  );
}

function requireFiniteTensor({ name, dtype, offset, byteLength }: PackedTensor, bytes: Uint8Array, file: string): void {
  if (dtype !== 'F32') return;
  requireFinite(new Float32Array(bytes.buffer, bytes.byteOffset + offset, byteLength / 4), `"${file}": tensor ${name}`);
}

function checkMetadata(file: TensorFile, expected: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(expected)) {
    const found = file.metadata[key];
    if (found === value) continue;
    throw new ClipError(
      'WEIGHTS_FORMAT',
      `"${file.name}": packed weights with ${key} ${found ?? '(none)'}, expected ${value}; pack the model again`,
    );
  }
}

/** The checksums of a file's tensors, in their order. */
function checksums(file: TensorFile): number[] {
  const sums = sumsFromText(file.metadata.checksums, file.tensors.size);
  if (sums) return sums;
  throw new ClipError('WEIGHTS_FORMAT', `"${file.name}" is damaged: it does not have one checksum per tensor`);
}

function checkTogether(files: readonly PackedFile[], sums: readonly number[]): void {
  const expected = towerChecksum(sums);
  for (const { header } of files) {
    if (header.metadata.checksum === expected) continue;
    const what =
      files.length === 1 ? 'is damaged: its checksums are not those that were written' : 'is of another packing';
    throw new ClipError('WEIGHTS_FORMAT', `"${header.name}" ${what}; fetch or pack the model again`);
  }
}

const tensorOf = (name: string) => PIECE.exec(name)?.[1] ?? name;

/** The tensors of all files, their pieces joined, must be those of the layout, in its order. */
function checkTensors(files: readonly PackedFile[], layout: Layout, tower: Tower, summary: string): void {
  const found = joinPieces(files);
  const file = files.length === 1 ? files[0]!.header.name : `${files[0]!.header.name} and its other shards`;
  const fail = (code: 'WEIGHTS_FORMAT' | 'WEIGHTS_MISSING' | 'WEIGHTS_SHAPE', message: string): never => {
    throw new ClipError(code, `"${file}" ${message}`);
  };
  for (const name of layout.tensors.keys()) {
    if (!found.has(name)) fail('WEIGHTS_MISSING', `lacks the packed tensor ${name} of the ${tower} tower (${summary})`);
  }
  for (const name of found.keys()) {
    if (!layout.tensors.has(name)) {
      fail('WEIGHTS_FORMAT', `has the packed tensor ${name}, which the configuration does not describe (${summary})`);
    }
  }
  for (const { name, dtype, shape, offset } of layout.tensors.values()) {
    const tensor = found.get(name)!;
    if (tensor.dtype !== dtype || tensor.shape.join() !== shape.join()) {
      fail(
        'WEIGHTS_SHAPE',
        `has the packed tensor ${name} as ${tensor.dtype} [${tensor.shape.join(', ')}], expected ${dtype} [${shape.join(', ')}]`,
      );
    }
    if (tensor.offset !== offset)
      fail('WEIGHTS_FORMAT', `has packed tensors in another order: ${name} is not in its place`);
  }
}

/** The tensors by name, each with its offset from the tower's first byte. Pieces are joined along their first dimension. */
function joinPieces(files: readonly PackedFile[]): Map<string, Pick<TensorInfo, 'dtype' | 'shape' | 'offset'>> {
  const found = new Map<string, { dtype: string; shape: readonly number[]; offset: number }>();
  let offset = 0;
  let next = 0; // the piece that must come, of the tensor that is under way
  for (const { header } of files) {
    for (const { name, dtype, shape, byteLength } of header.tensors.values()) {
      const [, tensor = name, number, count] = PIECE.exec(name) ?? [];
      const joined = found.get(tensor);
      if (number === undefined || (Number(number) === 1 && !joined)) {
        found.set(name === tensor ? name : tensor, { dtype, shape, offset });
        next = number === undefined ? 0 : 2;
      } else {
        const [rows, ...columns] = shape;
        if (
          !joined ||
          Number(number) !== next ||
          joined.dtype !== dtype ||
          joined.shape.slice(1).join() !== columns.join()
        ) {
          throw new ClipError('WEIGHTS_FORMAT', `"${header.name}": ${name} does not follow the piece before it`);
        }
        found.set(tensor, { ...joined, shape: [joined.shape[0]! + rows!, ...columns] });
        next = Number(number) === Number(count) ? 0 : next + 1;
      }
      offset += byteLength;
    }
  }
  return found;
}
