/**
 * A tower whose file is not packed in the wanted precision: each slot is read as f32 (slot-source.ts), quantized if wanted,
 * and written to its place.
 */

import type { Precision } from '../engine/arithmetic.ts';
import { Layout } from '../engine/layout.ts';
import { towerOf } from '../model/registry.ts';
import type { TowerSlot } from '../model/slots.ts';
import { TensorLookup } from './names.ts';
import { type PackedFile, type PackedModel, PackedTower } from './packed.ts';
import { packPanels, packPanelsInt8, packTaps, packTapsInt8, quantizeRow } from './panels.ts';
import { withNeededResiduals } from './residuals.ts';
import { PackedSlots, PublishedSlots, type SlotSource } from './slot-source.ts';
import type { TowerFile } from './tower-file.ts';
import { requireRange } from './values.ts';

/** As `openTower`, of a packed tower in int8 that is wanted in f32, or of a published file whose header is read. */
export async function convertedTower(
  from: PackedTower | PackedFile,
  model: PackedModel,
  precision: Precision,
  signal?: AbortSignal,
): Promise<TowerFile> {
  const { config, tower, normalization } = model;
  const definition = await towerOf(config, tower);
  const wanted = definition.slots();
  const lookup =
    from instanceof PackedTower ? undefined : new TensorLookup(from.header, wanted, tower, definition.summary);
  const slots =
    from instanceof PackedTower ? new PackedSlots(from) : new PublishedSlots(from.source, lookup!, normalization);
  const needed = precision === 'int8' ? await withNeededResiduals(wanted, slots, signal) : wanted;
  const layout = new Layout(needed, precision);
  return {
    tower,
    layout,
    stored: lookup?.dtypes ?? ['packed int8'],
    async fill(into, { signal, onProgress } = {}) {
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
async function fillSlot(
  slot: TowerSlot,
  slots: SlotSource,
  layout: Layout,
  into: Uint8Array,
  signal?: AbortSignal,
): Promise<number> {
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
    if (slot.range) requireRange(values, `"${slots.name}": tensor ${name}`, slot.range);
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
