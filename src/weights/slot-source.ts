/** A slot's values as f32, read from a published checkpoint (and folded) or from packed weights of int8. */

import { type Layout, product } from '../engine/layout.ts';
import type { BatchNorm, PublishedTensor, TowerSlot } from '../model/slots.ts';
import { foldBatchNorm } from './batch-norm.ts';
import { readFloats, readTensor } from './elements.ts';
import type { TensorLookup } from './names.ts';
import { quantizationResidual, unpackPanelsInt8, unpackTapsInt8 } from './panels.ts';
import { foldPixelNormalization, type Normalization } from './pixel-normalization.ts';
import type { SafetensorsFile } from './safetensors.ts';
import type { Source } from './source.ts';

export type TableSlot = Extract<TowerSlot, { kind: 'table' }>;

/** A slot's weights: a vector, a matrix [n, k], filters [channels, kernel²]; and the bias if the slot has one. */
export interface SlotValues {
  readonly values: Float32Array;
  readonly bias?: Float32Array | undefined;
}

export interface SlotSource {
  read(slot: Exclude<TowerSlot, TableSlot>, signal?: AbortSignal): Promise<SlotValues>;
  /** A table's rows in order, some at a time: [any, width] f32. The array is reused for the next piece. */
  rows(slot: TableSlot, signal?: AbortSignal): AsyncIterable<Float32Array>;
}

/** Bytes that are read of a table at once, whole rows. */
const TABLE_CHUNK_BYTES = 1 << 20;

/** The slots of a published checkpoint. */
export class PublishedSlots implements SlotSource {
  readonly #source: Source;
  readonly #tensors: TensorLookup;
  readonly #normalization: Normalization;

  constructor(source: Source, tensors: TensorLookup, normalization: Normalization) {
    this.#source = source;
    this.#tensors = tensors;
    this.#normalization = normalization;
  }

  async read(slot: Exclude<TowerSlot, TableSlot>, signal?: AbortSignal): Promise<SlotValues> {
    const { from } = slot;
    const values = await this.#tensor(from.weight, signal);
    if (from.firstRow) {
      const row = await this.#tensor(from.firstRow, signal);
      for (let i = 0; i < row.length; i++) values[i] = values[i]! + row[i]!;
    }
    if (slot.kind === 'linear' && slot.residualOf) return { values: quantizationResidual(values, slot.k) };
    let bias = from.bias && (await this.#tensor(from.bias, signal));
    if (from.batchNorm) bias = foldBatchNorm(values, await this.#batchNorm(from.batchNorm, signal));
    if (from.pixels) return foldPixelNormalization(values, from.weight.shape[0]!, this.#normalization, bias);
    return { values, bias };
  }

  async *rows({ rows, from }: TableSlot, signal?: AbortSignal): AsyncIterable<Float32Array> {
    const [part] = this.#tensors.parts(from.weight);
    const rowBytes = part!.byteLength / rows;
    const chunkBytes = Math.max(1, Math.floor(TABLE_CHUNK_BYTES / rowBytes)) * rowBytes;
    yield* readFloats(this.#source, part!, { finite: true, chunkBytes, ...(signal && { signal }) });
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
  async #tensor(tensor: PublishedTensor, signal?: AbortSignal): Promise<Float32Array> {
    const { shape } = tensor;
    const values = new Float32Array(product(shape));
    let at = 0;
    for (const part of this.#tensors.parts(tensor)) {
      const into = values.subarray(at, at + product(part.shape));
      await readTensor(this.#source, part, { into, finite: true, ...(signal && { signal }) });
      at += into.length;
    }
    return this.#tensors.isTransposed(tensor) ? transposed(values, shape[1]!, shape[0]!) : values;
  }
}

/** The slots of packed int8 weights: what the integers stand for. */
export class PackedSlots implements SlotSource {
  readonly #source: Source;
  readonly #file: SafetensorsFile;
  readonly #layout: Layout<TowerSlot>;

  /** @param layout that of the packed weights */
  constructor(source: Source, file: SafetensorsFile, layout: Layout<TowerSlot>) {
    this.#source = source;
    this.#file = file;
    this.#layout = layout;
  }

  async read(slot: Exclude<TowerSlot, TableSlot>, signal?: AbortSignal): Promise<SlotValues> {
    const { name } = slot;
    if (slot.kind === 'vector') return { values: await this.#floats(name, signal) };
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
    const values = unpackPanelsInt8(panels, scale, n, k, inputScale);
    for (const other of this.#layout.slots) {
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

  #floats(name: string, signal?: AbortSignal): Promise<Float32Array> {
    return readTensor(this.#source, this.#file.tensors.get(name)!, { finite: true, ...(signal && { signal }) });
  }

  async #integers(name: string, signal?: AbortSignal): Promise<Int8Array> {
    const tensor = this.#file.tensors.get(name)!;
    const bytes = new Int8Array(tensor.byteLength);
    await this.#source.readInto(tensor.offset, new Uint8Array(bytes.buffer), signal);
    return bytes;
  }
}

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c]!;
  return out;
}
