/** CLIP's image tower as a Vision Transformer (Dosovitskiy et al. 2021; OpenAI's `model.py`, VisionTransformer). */

import type { KeyLists, Linear, Norm, Precision } from '../engine/arithmetic.ts';
import { Mode } from '../engine/calls.ts';
import type { Engine, Probe } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import { normSlots, type Slot, type Weights } from '../engine/layout.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import { roundUp } from '../engine/numerics.ts';
import { type BlockState, type BlockWeights, block, blockSlots, blockWeights, lastBlock, planBlocks } from './block.ts';
import type { VisionTransformerConfig } from './config.ts';
import { centrePixels, gatherPatches, type PixelState, planPixels, type Windows } from './pixels.ts';

interface VisionState extends BlockState, PixelState {
  readonly lists: KeyLists;
  readonly embedding: Pointer;
}

export function visionTransformerSlots(config: VisionTransformerConfig, embedDim: number): Slot[] {
  const { width, patch, layers, preNorm } = config;
  return [
    { kind: 'linear', name: 'visual.conv1', n: width, k: patch * patch * 3, bias: true },
    { kind: 'vector', name: 'visual.tokens', shape: [tokenCount(config), width] },
    ...(preNorm ? normSlots('visual.ln_pre', width) : []),
    ...Array.from({ length: layers }, (_, i) => blockSlots(`visual.transformer.resblocks.${i}`, config)).flat(),
    ...normSlots('visual.ln_post', width),
    { kind: 'linear', name: 'visual.proj', n: embedDim, k: width, bias: false },
  ];
}

/** Tokens of a picture: the class token and a token a patch. */
export function tokenCount({ imageSize, patch }: VisionTransformerConfig): number {
  return (imageSize / patch) ** 2 + 1;
}

/** The patch embedding is a convolution whose windows do not overlap. */
function windows({ imageSize, patch }: VisionTransformerConfig): Windows {
  return { imageSize, window: patch, stride: patch, padBefore: 0, across: imageSize / patch };
}

export class VisionTransformer {
  readonly config: VisionTransformerConfig;
  readonly #engine: Engine;
  readonly #state: VisionState;
  readonly #conv1: Linear;
  readonly #tokens: Pointer;
  readonly #lnPre: Norm;
  readonly #blocks: BlockWeights[];
  readonly #lnPost: Norm;
  readonly #proj: Linear;

  constructor(config: VisionTransformerConfig, weights: Weights, state: VisionState, engine: Engine) {
    this.config = config;
    this.#engine = engine;
    this.#state = state;
    this.#conv1 = weights.linear('visual.conv1');
    this.#tokens = weights.pointer('visual.tokens');
    this.#lnPre = weights.norm('visual.ln_pre');
    this.#blocks = Array.from({ length: config.layers }, (_, i) =>
      blockWeights(weights, `visual.transformer.resblocks.${i}`),
    );
    this.#lnPost = weights.norm('visual.ln_post');
    this.#proj = weights.linear('visual.proj');
  }

  static plan(
    plan: MemoryPlan,
    precision: Precision,
    config: VisionTransformerConfig,
    embedDim: number,
    mean: readonly number[],
    threads: number,
  ): VisionState {
    const name = 'image activations';
    const tokens = tokenCount(config);
    const lists = {
      starts: plan.reserve(name, tokens * 4),
      lengths: plan.reserve(name, tokens * 4),
      entries: plan.reserve(name, tokens * 4),
    };
    const embedding = plan.reserve(name, roundUp(embedDim, 8) * 4);
    return {
      ...planPixels(plan, name, precision, windows(config), mean),
      lists,
      embedding,
      ...planBlocks(plan, name, precision, config, tokens, tokens, threads),
    };
  }

  /** Where the crop's RGB bytes go: u8 [imageSize, imageSize, 3]. */
  get pixels(): Pointer {
    return this.#state.pixels;
  }

  /** The picture at `pixels` to its embedding, not normalised: f32 [embedDim]. A probe makes the last block do all rows. */
  encode(probe?: Probe): Pointer {
    const engine = this.#engine;
    const { arithmetic, kernels } = engine;
    const { config } = this;
    const { width, patch, imageSize, layerNormEps } = config;
    const s = this.#state;
    const tokens = tokenCount(config);
    const see = (name: string) => probe?.(name, [tokens, width], engine.view(s.x, tokens * width).slice());

    kernels.listAll({ n: tokens, ...s.lists }); // anew: a text may have been here
    centrePixels(engine, s, windows(config)); // [imageSize, imageSize, 3]
    const patches = gatherPatches(engine, s, windows(config), 0, imageSize / patch); // [grid², patch² 3]
    engine.copyFloats(this.#tokens, s.x, tokens * width); // [tokens, width]: class token and positions
    arithmetic.linear(patches, this.#conv1, s.x + width * 4, { mode: Mode.add }); // [tokens, width]
    if (config.preNorm) {
      const { weight: gamma, bias: beta } = this.#lnPre;
      kernels.layerNorm({ x: s.x, stride: width * 4, m: tokens, k: width, gamma, beta, eps: layerNormEps }); // [tokens, width]
      see('vision.ln_pre');
    }
    const last = config.layers - 1;
    for (let i = 0; i < last; i++) {
      block(engine, config, this.#blocks[i]!, s, tokens, s.lists); // [tokens, width]
      see(`vision.block.${i}`);
    }
    if (probe) {
      block(engine, config, this.#blocks[last]!, s, tokens, s.lists); // [tokens, width]
      see(`vision.block.${last}`);
      engine.copyFloats(s.x, s.y, width);
    } else {
      lastBlock(engine, config, this.#blocks[last]!, s, tokens, [0], s.lists); // [1, width]
    }
    const pooled = arithmetic.norm(s.y, 1, width, this.#lnPost, layerNormEps, s.rowsIn); // [1, width]
    arithmetic.linear(pooled, this.#proj, s.embedding); // [embedDim]
    return s.embedding;
  }
}
