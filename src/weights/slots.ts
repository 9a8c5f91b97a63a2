/** A tower's slots, and what fills them: the contract between a file (published or packed) and the layout in memory. */

import type { Slot } from '../engine/layout.ts';
import type { ClipConfig } from '../model/config.ts';
import { efficientNetSlots } from '../model/efficientnet.ts';
import { textTransformerSlots } from '../model/text-transformer.ts';
import { visionTransformerSlots } from '../model/vision-transformer.ts';
import type { Tower } from './names.ts';

/** The weights of one tower in the order in which its graph reads them. */
export function towerSlots(config: ClipConfig, tower: Tower): Slot[] {
  if (tower === 'text') return textTransformerSlots(config.text!, config.embedDim);
  const { embedDim } = config;
  const vision = config.vision!;
  return vision.kind === 'vit' ? visionTransformerSlots(vision, embedDim) : efficientNetSlots(vision, embedDim);
}

/** A slot's weights as f32: a vector, a matrix [n, k], filters [channels, kernel²]; and the bias if the slot has one. */
export interface SlotValues {
  readonly values: Float32Array;
  readonly bias?: Float32Array;
}

/** Where slots come from. */
export interface SlotSource {
  read(slot: Exclude<Slot, { kind: 'table' }>, signal?: AbortSignal): Promise<SlotValues>;
  /** A table's rows in order, some at a time: [any, width] f32. The array may be used again for the next piece. */
  rows(slot: Extract<Slot, { kind: 'table' }>, signal?: AbortSignal): AsyncIterable<Float32Array>;
}
