/** What a tower is to the rest of the package. A tower is one file, and an image tower is one entry in registry.ts. */

import type { Precision } from '../engine/arithmetic.ts';
import type { Engine, Probe } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { Weights } from '../engine/layout.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import type { TowerSlot } from './slots.ts';

/**
 * What a call of a tower computes. `pooled`: the embedding; of the last block only the pooled rows. `tokens`: all rows of
 * the last block as well. The embedding has the same bits.
 */
export type TowerOutput = 'pooled' | 'tokens';

export interface PlanOptions {
  readonly precision: Precision;
  readonly threads: number;
}

export interface ImagePlanOptions extends PlanOptions {
  /** Mean of each channel, of pixels scaled to 0..1. */
  readonly mean: readonly number[];
  /** Keeps every layer in one piece, so that a probe sees it. */
  readonly whole: boolean;
}

/** A tower of a certain configuration; `Encoder` is what computes once weights and activations have their addresses. */
export interface TowerDefinition<Encoder, Options extends PlanOptions> {
  /** Its structure in a word or two, for `info()`. */
  readonly description: string;
  /** What the configuration says of its size, for messages about files that do not fit. */
  readonly summary: string;
  /** Its layers in a line, for `edgeclip info`. */
  readonly shape: string;
  /** What sizes the scratch: the longest row that is packed or gathered, and the most keys of an attention row. */
  readonly scratch: { readonly width: number; readonly keys: number };
  /** The weights in the order in which the graph reads them. */
  slots(): TowerSlot[];
  /** Reserves the activations; the result puts the tower on them. */
  plan(memory: MemoryPlan, options: Options): (weights: Weights, engine: Engine) => Encoder;
}

export interface ImageTower extends TowerDefinition<ImageEncoder, ImagePlanOptions> {
  /** The sizes of pictures that it takes are the multiples of this. */
  readonly sizes: SizeStep;
}

export interface SizeStep {
  /** In pixels. */
  readonly step: number;
  /** As a clause, for messages. */
  readonly reason: string;
}

/** The reason of towers that are convolutions. */
export const HALVED_FIVE_TIMES: SizeStep = { step: 32, reason: 'the tower halves a picture five times' };

/** An image tower in memory. */
export interface ImageEncoder {
  /** Where the crop's RGB bytes go: u8 [imageSize, imageSize, 3]. */
  readonly pixels: Pointer;
  /** The last block's output that is pooled, f32 [rows, width]; complete after `encode('tokens')`. */
  readonly tokens: { readonly at: Pointer; readonly rows: number; readonly width: number };
  /**
   * The picture at `pixels` to its embedding, not normalized: f32 [embedDim].
   * @param probe sees the layers as they are computed; it needs a plan of `whole` layers and changes nothing
   */
  encode(output?: TowerOutput, probe?: Probe): Pointer;
}
