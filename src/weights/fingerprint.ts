/** What tells one tower from another, whatever its precision and its files are. */

import type { Layout } from '../engine/layout.ts';
import type { TowerSlot } from '../model/slots.ts';
import { sumsToText, xxh32 } from './checksum.ts';

/**
 * XXH32 over those of a tower's f32 vectors (biases, norms; not positions, which depend on the image size), which are the same bytes in int8 and in f32, eight
 * hexadecimal digits. Fine-tuned models differ in them.
 * @param memory the tower's memory, at a multiple of 4
 */
export function fingerprint(layout: Layout<TowerSlot>, memory: Uint8Array): string {
  const sums: number[] = [];
  for (const slot of layout.slots) {
    if (slot.kind === 'linear' && slot.residualOf) continue; // of int8 alone
    if (slot.from.grid) continue; // of one image size
    const tensor = layout.tensors.get(slot.kind === 'vector' ? slot.name : `${slot.name}.bias`);
    if (tensor) sums.push(xxh32(memory.subarray(tensor.offset, tensor.offset + tensor.byteLength)));
  }
  return sumsToText([xxh32(new Uint8Array(Uint32Array.from(sums).buffer))]);
}
