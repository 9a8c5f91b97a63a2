/** Fills a tower's place in memory from a file, published or packed, quantizing on the way where that is asked for. */

import type { Precision } from '../engine/arithmetic.ts';
import { ClipError } from '../errors.ts';
import type { ClipConfig } from '../model/config.ts';
import { Layout, type Slot } from './layout.ts';
import type { Tower } from './names.ts';
import { checkPacked, isPacked, PackedSlots, readPacked } from './packed.ts';
import { packPanels, packPanelsInt8, packTaps, packTapsInt8, quantizeRow } from './panels.ts';
import { type Normalization, publishedSlots } from './published.ts';
import { readSafetensorsHeader } from './safetensors.ts';
import { type SlotSource, towerSlots } from './slots.ts';
import type { Source } from './source.ts';

/** Called while loading: bytes of the tower's memory that are filled, of how many. */
export type LoadProgress = (progress: { tower: Tower; loaded: number; total: number }) => void;

export interface TowerFile {
  readonly tower: Tower;
  readonly layout: Layout;
  /** Fills `into` (layout.byteLength bytes, at a multiple of 4), a tensor at a time; nothing is kept. */
  fill(into: Uint8Array, signal?: AbortSignal, onProgress?: LoadProgress): Promise<void>;
}

/**
 * Opens a tower's file and checks names and shapes; the weights stay in the file until `fill`.
 * @throws ClipError `WEIGHTS_*`, naming file and tensor.
 */
export async function openTower(
  source: Source,
  config: ClipConfig,
  tower: Tower,
  precision: Precision,
  normalization: Normalization,
  signal?: AbortSignal,
): Promise<TowerFile> {
  const file = await readSafetensorsHeader(source, signal ? { signal } : {});
  let slots: SlotSource;
  if (isPacked(file)) {
    const packed = checkPacked(file, config, tower, normalization);
    if (packed.precision === precision) {
      return {
        tower,
        layout: packed,
        async fill(into, signal, onProgress) {
          await readPacked(source, file.dataOffset, packed, into, signal);
          onProgress?.({ tower, loaded: packed.byteLength, total: packed.byteLength });
        },
      };
    }
    if (packed.precision === 'f32') {
      throw new ClipError('WEIGHTS_FORMAT', `"${file.name}" is packed in f32; int8 needs the published weights`);
    }
    slots = new PackedSlots(source, file);
  } else {
    slots = await publishedSlots(source, config, tower, normalization, signal);
  }
  const layout = new Layout(towerSlots(config, tower), precision);
  return {
    tower,
    layout,
    async fill(into, signal, onProgress) {
      let loaded = 0;
      for (const slot of layout.slots) {
        signal?.throwIfAborted();
        loaded += await fillSlot(slot, slots, layout, into, signal);
        onProgress?.({ tower, loaded, total: layout.byteLength });
      }
    },
  };
}

/** Fills one slot; returns its bytes. */
async function fillSlot(slot: Slot, slots: SlotSource, layout: Layout, into: Uint8Array, signal?: AbortSignal) {
  let filled = 0;
  const place = (name: string) => {
    const { offset, byteLength } = layout.tensors.get(name)!;
    filled += byteLength;
    return { buffer: into.buffer, at: into.byteOffset + offset, byteLength };
  };
  const floats = (name: string) => {
    const { buffer, at, byteLength } = place(name);
    return new Float32Array(buffer, at, byteLength / 4);
  };
  const bytes = (name: string) => {
    const { buffer, at, byteLength } = place(name);
    return new Int8Array(buffer, at, byteLength);
  };
  const int8 = layout.precision === 'int8';
  const { name } = slot;
  if (slot.kind === 'table') {
    const { width } = slot;
    const rows = int8 ? bytes(`${name}.rows`) : floats(`${name}.rows`);
    const scale = int8 ? floats(`${name}.scale`) : undefined;
    let r = 0;
    for await (const piece of slots.rows(slot, signal)) {
      for (let i = 0; i < piece.length; i += width, r++) {
        const row = piece.subarray(i, i + width);
        if (scale) scale[r] = quantizeRow(row, rows.subarray(r * width, (r + 1) * width) as Int8Array);
        else rows.set(row, r * width);
      }
    }
    return filled;
  }
  const { values, bias } = await slots.read(slot, signal);
  if (slot.kind === 'vector') {
    floats(name).set(values);
    return filled;
  }
  if (slot.kind === 'linear') {
    const { n, k, inputScale = 1 } = slot;
    if (int8) {
      const { buffer, at, byteLength } = place(`${name}.sum`);
      const sum = new Int32Array(buffer, at, byteLength / 4);
      const out = { panels: bytes(`${name}.panels`), scale: floats(`${name}.scale`), sum };
      packPanelsInt8(values, n, k, inputScale, out);
    } else {
      packPanels(values, n, k, floats(`${name}.panels`));
    }
  } else {
    const { channels, kernel, inputScale } = slot;
    if (int8) {
      packTapsInt8(values, channels, kernel, inputScale, {
        taps: bytes(`${name}.taps`),
        scale: floats(`${name}.scale`),
      });
    } else {
      packTaps(values, channels, kernel, floats(`${name}.taps`));
    }
  }
  if (bias) floats(`${name}.bias`).set(bias);
  return filled;
}
