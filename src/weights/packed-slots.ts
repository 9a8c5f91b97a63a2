/** A packed tower read back, for another precision than its own. */

import type { Slot } from '../engine/layout.ts';
import { readTensor } from './elements.ts';
import { unpackPanelsInt8, unpackTapsInt8 } from './panels.ts';
import type { SafetensorsFile } from './safetensors.ts';
import type { SlotSource, SlotValues } from './slots.ts';
import type { Source } from './source.ts';

/** Slots of an int8 packed tower as f32: what the integers stand for. */
export class PackedSlots implements SlotSource {
  readonly #source: Source;
  readonly #file: SafetensorsFile;

  constructor(source: Source, file: SafetensorsFile) {
    this.#source = source;
    this.#file = file;
  }

  async read(slot: Exclude<Slot, { kind: 'table' }>, signal?: AbortSignal): Promise<SlotValues> {
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
    if (this.#file.tensors.has(`${name}.rest.panels`)) {
      const { values: rest } = await this.read({ kind: 'linear', name: `${name}.rest`, n, k, bias: false }, signal);
      for (let i = 0; i < values.length; i++) values[i] = values[i]! + rest[i]!;
    }
    return slot.bias ? { values, bias: await this.#floats(`${name}.bias`, signal) } : { values };
  }

  async *rows(slot: Extract<Slot, { kind: 'table' }>, signal?: AbortSignal): AsyncIterable<Float32Array> {
    const { name, rows, width } = slot;
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
