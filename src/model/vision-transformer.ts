/** CLIP's image tower as a Vision Transformer (Dosovitskiy et al. 2021; OpenAI's `model.py`, VisionTransformer). */

import type { KeyLists, Linear, Norm } from '../engine/arithmetic.ts';
import { Mode } from '../engine/calls.ts';
import { PANEL_COLUMNS } from '../engine/contract.ts';
import type { Engine, Probe } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { Weights } from '../engine/layout.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import { roundUp } from '../engine/numerics.ts';
import {
  type BlockState,
  type BlockWeights,
  block,
  blockSlots,
  blockWeights,
  describeShape,
  lastBlock,
  longestRow,
  planBlocks,
  project,
} from './block.ts';
import type { VisionTransformerConfig } from './config.ts';
import { trainedSize } from './image-size.ts';
import { centerPixels, gatherPatches, type PixelState, planPixels, type Windows } from './pixels.ts';
import { normSlots, projectionSlot, published, type TowerSlot } from './slots.ts';
import type { ImageEncoder, ImagePlanOptions, ImageTower, TowerOutput } from './tower.ts';

interface VisionState extends BlockState, PixelState {
  readonly lists: KeyLists;
  readonly embedding: Pointer;
}

export function visionTransformer(config: VisionTransformerConfig, embedDim: number): ImageTower {
  const { width, patch, layers } = config;
  return {
    description: `ViT, patch ${patch}`,
    summary: `a ViT with patches of ${patch} and ${layers} layers of width ${width}`,
    shape: describeShape(config),
    sizes: { step: patch, reason: "the tower's patches are that wide" },
    scratch: { width: Math.max(longestRow(config), patch ** 2 * 3), keys: tokenCount(config) },
    slots: () => slots(config, embedDim),
    plan(memory, options) {
      const state = VisionTransformer.plan(memory, options, config, embedDim);
      return (weights, engine) => new VisionTransformer(config, weights, state, engine);
    },
  };
}

function slots(config: VisionTransformerConfig, embedDim: number): TowerSlot[] {
  const { width, patch, layers, preNorm, projection } = config;
  const tokens = tokenCount(config);
  const grid = { trained: trainedSize(config) / patch, size: config.imageSize / patch };
  return [
    {
      kind: 'linear',
      name: 'visual.conv1',
      n: width,
      k: patch * patch * 3,
      bias: true, // of the pixels' normalization
      from: {
        weight: published(
          [width, 3, patch, patch],
          'visual.conv1.weight',
          'vision_model.embeddings.patch_embedding.weight',
        ),
        pixels: 3,
      },
    },
    {
      kind: 'vector',
      name: 'visual.tokens',
      shape: [tokens, width],
      from: {
        weight: published(
          [grid.trained ** 2 + 1, width],
          'visual.positional_embedding',
          'vision_model.embeddings.position_embedding.weight',
        ),
        firstRow: published([width], 'visual.class_embedding', 'vision_model.embeddings.class_embedding'),
        grid,
      },
    },
    // "layrnorm" is how transformers spells it.
    ...(preNorm ? normSlots('visual.ln_pre', width, 'vision_model.pre_layrnorm') : []),
    ...Array.from({ length: layers }, (_, i) =>
      blockSlots(`visual.transformer.resblocks.${i}`, `vision_model.encoder.layers.${i}`, config),
    ).flat(),
    ...normSlots('visual.ln_post', width, 'vision_model.post_layernorm'),
    ...(projection ? [projectionSlot('visual.proj', embedDim, width, 'visual_projection.weight')] : []),
  ];
}

/** Tokens of a picture: the class token and one per patch. */
export function tokenCount({ imageSize, patch }: VisionTransformerConfig): number {
  return (imageSize / patch) ** 2 + 1;
}

/** The patch embedding is a convolution whose windows do not overlap. */
function windows({ imageSize, patch }: VisionTransformerConfig): Windows {
  return { imageSize, channels: 3, window: patch, stride: patch, padBefore: 0, across: imageSize / patch };
}

class VisionTransformer implements ImageEncoder {
  readonly config: VisionTransformerConfig;
  readonly #engine: Engine;
  readonly #state: VisionState;
  readonly #conv1: Linear;
  readonly #tokens: Pointer;
  readonly #lnPre: Norm;
  readonly #blocks: BlockWeights[];
  readonly #lnPost: Norm;
  readonly #proj: Linear | undefined;

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
    this.#proj = config.projection ? weights.linear('visual.proj') : undefined;
  }

  static plan(
    plan: MemoryPlan,
    { precision, mean, threads }: ImagePlanOptions,
    config: VisionTransformerConfig,
    embedDim: number,
  ): VisionState {
    const name = 'image activations';
    const tokens = tokenCount(config);
    const lists = {
      starts: plan.reserve(name, tokens * 4),
      lengths: plan.reserve(name, tokens * 4),
      entries: plan.reserve(name, tokens * 4),
    };
    const embedding = config.projection ? plan.reserve(name, roundUp(embedDim, PANEL_COLUMNS) * 4) : 0;
    return {
      ...planPixels(plan, name, precision, windows(config), mean),
      lists,
      embedding,
      ...planBlocks(plan, name, precision, config, tokens, tokens, threads),
    };
  }

  get pixels(): Pointer {
    return this.#state.pixels;
  }

  get tokens() {
    return { at: this.#state.x, rows: tokenCount(this.config), width: this.config.width };
  }

  encode(output: TowerOutput = 'pooled', probe?: Probe): Pointer {
    const engine = this.#engine;
    const { arithmetic, kernels } = engine;
    const { config } = this;
    const { width, patch, imageSize, layerNormEps } = config;
    const s = this.#state;
    const tokens = tokenCount(config);
    const see = (name: string) => probe?.(name, [tokens, width], engine.view(s.x, tokens * width).slice());

    kernels.listAll({ n: tokens, ...s.lists }); // again: texts use the same memory
    centerPixels(engine, s, windows(config)); // [imageSize, imageSize, 3]
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
    if (config.pooling !== undefined || output === 'tokens') {
      block(engine, config, this.#blocks[last]!, s, tokens, s.lists); // [tokens, width]
      see(`vision.block.${last}`);
      if (config.pooling !== undefined) return this.#poolMean(config.pooling); // [embedDim]
      engine.copyFloats(s.x, s.y, width);
    } else {
      lastBlock(engine, config, this.#blocks[last]!, s, tokens, [0], s.lists); // [1, width]
    }
    return project(engine, config, this.#lnPost, this.#proj, s, 1, s.embedding); // [embedDim]
  }

  /** The mean of all tokens but the class token's, then or before that the last LayerNorm, and the projection. */
  #poolMean(pooling: NonNullable<VisionTransformerConfig['pooling']>): Pointer {
    const engine = this.#engine;
    const { arithmetic, kernels } = engine;
    const { width, layerNormEps: eps } = this.config;
    const s = this.#state;
    const patches = tokenCount(this.config) - 1;
    const x = s.x + width * 4;
    const mean = { x, m: patches, n: width, out: s.y };
    if (pooling === 'meanFirst') {
      kernels.meanRows(mean); // [1, width]
      return project(engine, this.config, this.#lnPost, this.#proj, s, 1, s.embedding); // [embedDim]
    }
    const { weight: gamma, bias: beta } = this.#lnPost;
    kernels.layerNorm({ x, stride: width * 4, m: patches, k: width, gamma, beta, eps }); // [patches, width]
    kernels.meanRows(mean); // [1, width]
    arithmetic.linear(arithmetic.pack(s.y, 1, width, s.rowsIn), this.#proj!, s.embedding); // [embedDim]
    return s.embedding;
  }
}
