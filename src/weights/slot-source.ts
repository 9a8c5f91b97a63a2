/** A slot's values as f32, read from a published checkpoint (and folded) or from packed weights of int8. */

import { product } from '../engine/layout.ts';
import { ClipError } from '../errors.ts';
import type { PixelChannels } from '../model/pixels.ts';
import type { BatchNorm, Origin, PublishedTensor, TowerSlot } from '../model/slots.ts';
import { foldBatchNorm } from './batch-norm.ts';
import { readCodes } from './bitsandbytes.ts';
import { readFloats, readTensor } from './elements.ts';
import type { TensorLookup } from './names.ts';
import type { PackedTower } from './packed.ts';
import { quantizationResidual, unpackPanelsInt8, unpackTapsInt8 } from './panels.ts';
import { foldPixelNormalization, largestOutput, type Normalization } from './pixel-normalization.ts';
import { resizePositions } from './position-grid.ts';
import type { Source } from './source.ts';
import type { TensorInfo } from './tensor-file.ts';
import { requireFinite } from './values.ts';

export type TableSlot = Extract<TowerSlot, { kind: 'table' }>;

/** A slot's weights: a vector, a matrix [n, k], filters [channels, kernel²]; and the bias if the slot has one. */
export interface SlotValues {
  readonly values: Float32Array;
  readonly bias?: Float32Array | undefined;
}

export interface SlotSource {
  /** The file's name, for messages. */
  readonly name: string;
  read(slot: Exclude<TowerSlot, TableSlot>, signal?: AbortSignal): Promise<SlotValues>;
  /** A table's rows in order, some at a time: [any, width] f32. The array is reused for the next piece. */
  rows(slot: TableSlot, signal?: AbortSignal): AsyncIterable<Float32Array>;
}

/** Bytes that are read of a table at once, whole rows. */
const TABLE_CHUNK_BYTES = 1 << 20;

/** A first layer with outputs above this overflows in the LayerNorm after it, whose squares are f32. */
const MAX_OUTPUT = 2 ** 60;

/** The slots of a published checkpoint. */
export class PublishedSlots implements SlotSource {
  readonly name: string;
  readonly #source: Source;
  readonly #tensors: TensorLookup;
  readonly #normalization: Normalization;

  constructor(source: Source, tensors: TensorLookup, normalization: Normalization) {
    this.name = source.name;
    this.#source = source;
    this.#tensors = tensors;
    this.#normalization = normalization;
  }

  async read(slot: Exclude<TowerSlot, TableSlot>, signal?: AbortSignal): Promise<SlotValues> {
    const { from } = slot;
    const values = await this.#tensor(from.weight, signal, slot.kind !== 'vector');
    if (from.firstRow) {
      const row = await this.#tensor(from.firstRow, signal);
      for (let i = 0; i < row.length; i++) values[i] = values[i]! + row[i]!;
      this.#requireFolded(values, from.weight, `the sum with ${this.#tensors.parts(from.firstRow)[0]!.name}`);
    }
    if (from.grid) return { values: resizePositions(values, from.grid) };
    if (slot.kind === 'linear' && slot.residualOf) return { values: quantizationResidual(values, slot.k) };
    let bias = from.bias && (await this.#tensor(from.bias, signal));
    if (from.batchNorm) {
      bias = foldBatchNorm(values, await this.#batchNorm(from.batchNorm, signal));
      const norm = `folding the batch norm of ${this.#tensors.parts(from.batchNorm.variance)[0]!.name}`;
      this.#requireFolded(values, from.weight, norm);
      this.#requireFolded(bias, from.weight, norm);
    }
    if (from.rowScale) {
      const scale = await this.#tensor(from.rowScale, signal);
      const k = values.length / scale.length;
      for (let i = 0; i < values.length; i++) values[i] = values[i]! * scale[Math.floor(i / k)]!;
      for (let i = 0; i < scale.length; i++) bias![i] = bias![i]! * scale[i]!;
      this.#requireFolded(values, from.weight, `the product with ${this.#tensors.parts(from.rowScale)[0]!.name}`);
    }
    if (from.transposedHeads) return { values: headsTransposed(values, from.weight.shape, from.transposedHeads), bias };
    if (slot.kind !== 'linear') return { values, bias };
    const map = from.pixels
      ? this.#foldPixels(from.weight, values, from.pixels, bias)
      : { values: byWindow(values, from.weight.shape), bias };
    return filledUp(map, from, slot);
  }

  async *rows(slot: TableSlot, signal?: AbortSignal): AsyncIterable<Float32Array> {
    const { rows, from } = slot;
    const [part] = this.#tensors.parts(from.weight);
    if (this.#tensors.codeScales(part!)) {
      yield await this.#tensor(from.weight, signal, true);
      return;
    }
    const rowBytes = part!.byteLength / rows;
    const chunkBytes = Math.max(1, Math.floor(TABLE_CHUNK_BYTES / rowBytes)) * rowBytes;
    let zero = true;
    for await (const piece of readFloats(this.#source, part!, {
      finite: true,
      chunkBytes,
      ...(signal && { signal }),
    })) {
      zero &&= isZero(piece);
      yield piece;
    }
    if (zero) this.#refuseZero(part!);
  }

  #foldPixels(weight: PublishedTensor, values: Float32Array, channels: PixelChannels, bias?: Float32Array): SlotValues {
    const n = weight.shape[0]!;
    const folded = foldPixelNormalization(values, n, this.#normalization, channels, bias);
    const largest = largestOutput(folded.values, folded.bias);
    if (largest <= MAX_OUTPUT) return folded;
    const { mean, std } = this.#normalization;
    throw new ClipError(
      'WEIGHTS_VALUE',
      `"${this.name}": tensor ${this.#tensors.parts(weight)[0]!.name} gives values up to ${largest.toPrecision(3)} after ` +
        `folding the pixels' normalization (mean ${mean.join(', ')}, std ${std.join(', ')}), expected at most ${MAX_OUTPUT.toPrecision(3)}`,
    );
  }

  async #batchNorm({ weight, bias, mean, variance, eps }: BatchNorm, signal?: AbortSignal) {
    return {
      weight: await this.#tensor(weight, signal),
      bias: await this.#tensor(bias, signal),
      mean: await this.#tensor(mean, signal),
      variance: await this.#tensor(variance, signal),
      eps,
    };
  }

  /** A tensor, its parts joined, in the shape that the graph uses. */
  async #tensor(tensor: PublishedTensor, signal?: AbortSignal, refuseZero = false): Promise<Float32Array> {
    const { shape } = tensor;
    const values = new Float32Array(product(shape));
    let at = 0;
    for (const part of this.#tensors.parts(tensor)) {
      const into = values.subarray(at, at + product(part.shape));
      const codes = this.#tensors.codeScales(part);
      if (codes) await readCodes(this.#source, part, codes, into, signal);
      else await readTensor(this.#source, part, { into, finite: true, ...(signal && { signal }) });
      if (refuseZero && isZero(into)) this.#refuseZero(part);
      at += into.length;
    }
    return this.#tensors.isTransposed(tensor) ? transposed(values, shape[1]!, shape[0]!) : values;
  }

  /** An interrupted download leaves zeros; no trained matrix has only zeros. */
  #refuseZero({ name }: TensorInfo): never {
    throw new ClipError('WEIGHTS_VALUE', `"${this.name}": tensor ${name} has only zeros; fetch the file again`);
  }

  #requireFolded(values: Float32Array, tensor: PublishedTensor, what: string): void {
    requireFinite(values, `"${this.name}": after ${what}, tensor ${this.#tensors.parts(tensor)[0]!.name}`);
  }
}

/** The slots of packed int8 weights: the values of the integers. */
export class PackedSlots implements SlotSource {
  readonly name: string;
  readonly #packed: PackedTower;

  constructor(packed: PackedTower) {
    this.name = packed.name;
    this.#packed = packed;
  }

  async read(slot: Exclude<TowerSlot, TableSlot>, signal?: AbortSignal): Promise<SlotValues> {
    const { name } = slot;
    if (slot.kind === 'vector') {
      const { grid } = slot.from;
      if (grid)
        return { values: resizePositions(this.#packed.positions(name, await this.#packed.read(name, signal)), grid) };
      return { values: (await this.#floats(name, signal)).subarray(0, product(slot.shape)) };
    }
    if (slot.kind === 'depthwise') {
      const { channels, kernel, inputScale } = slot;
      const taps = await this.#integers(`${name}.taps`, signal);
      const scale = await this.#floats(`${name}.scale`, signal);
      const bias = await this.#floats(`${name}.bias`, signal);
      return { values: unpackTapsInt8(taps, scale, channels, kernel, inputScale), bias };
    }
    const { n, k, inputScale = 1 } = slot;
    const panels = await this.#integers(`${name}.panels`, signal);
    const scale = await this.#floats(`${name}.scale`, signal);
    await this.#packed.read(`${name}.sum`, signal); // only verified: damage is found in either precision
    const values = unpackPanelsInt8(panels, scale, n, k, inputScale);
    for (const other of this.#packed.layout.slots) {
      if (other.kind !== 'linear' || other.residualOf !== name) continue;
      const { values: residual } = await this.read(other, signal);
      for (let i = 0; i < values.length; i++) values[i] = values[i]! + residual[i]!;
    }
    return slot.bias ? { values, bias: await this.#floats(`${name}.bias`, signal) } : { values };
  }

  async *rows({ name, rows, width }: TableSlot, signal?: AbortSignal): AsyncIterable<Float32Array> {
    const scale = await this.#floats(`${name}.scale`, signal);
    const integers = await this.#integers(`${name}.rows`, signal);
    const row = new Float32Array(width);
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < width; i++) row[i] = integers[r * width + i]! * scale[r]!;
      yield row;
    }
  }

  async #floats(name: string, signal?: AbortSignal): Promise<Float32Array> {
    return new Float32Array((await this.#packed.read(name, signal)).buffer);
  }

  async #integers(name: string, signal?: AbortSignal): Promise<Int8Array> {
    return new Int8Array((await this.#packed.read(name, signal)).buffer);
  }
}

const isZero = (values: Float32Array) => values.every((value) => value === 0);

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c]!;
  return out;
}

/** A convolution's weights [n, channels, lines, columns] in the order of a window, [n][y][x][channel]; a matrix as it is. */
function byWindow(values: Float32Array, shape: readonly number[]): Float32Array {
  const [n, channels, ...window] = shape as [number, number, ...number[]];
  const taps = product(window);
  if (taps === 1) return values;
  const out = new Float32Array(values.length);
  let i = 0;
  for (let row = 0; row < n; row++) {
    for (let channel = 0; channel < channels; channel++) {
      for (let tap = 0; tap < taps; tap++) out[(row * taps + tap) * channels + channel] = values[i++]!;
    }
  }
  return out;
}

/** A linear map with the rows and columns that only its slot has, as zeros at the end of each group of them. */
function filledUp(
  { values, bias }: SlotValues,
  { weight, groups = {} }: Origin,
  { n, k }: Extract<TowerSlot, { kind: 'linear' }>,
): SlotValues {
  const rows = weight.shape[0]!;
  const columns = values.length / rows;
  if (rows === n && columns === k) return { values, bias };
  const row = spread(rows, n, groups.rows);
  const column = spread(columns, k, groups.columns);
  const out = new Float32Array(n * k);
  for (let i = 0; i < values.length; i++) out[row(Math.floor(i / columns)) * k + column(i % columns)] = values[i]!;
  if (!bias) return { values: out };
  const biases = new Float32Array(n);
  for (let i = 0; i < rows; i++) biases[row(i)] = bias[i]!;
  return { values: out, bias: biases };
}

/** Where each of `count` things goes among `places` if both are as many groups. */
function spread(count: number, places: number, groups = 1): (i: number) => number {
  const [few, many] = [count / groups, places / groups];
  return (i) => Math.floor(i / few) * many + (i % few);
}

/** A matrix [heads * head, k] as [heads * k, head]: each head's rows transposed. */
function headsTransposed(values: Float32Array, [rows, k]: readonly number[], heads: number): Float32Array {
  const size = values.length / heads;
  const out = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += size) {
    out.set(transposed(values.subarray(at, at + size), rows! / heads, k!), at);
  }
  return out;
}
