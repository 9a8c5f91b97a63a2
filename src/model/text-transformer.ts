/**
 * CLIP's text tower (OpenAI's `model.py`, CLIP.encode_text): a transformer, causal in most models, pooled at one token. Which rows
 * attend to which, and which are pooled, is in the chunk of texts.
 */

import type { KeyLists, Linear, Norm } from '../engine/arithmetic.ts';
import { PANEL_COLUMNS } from '../engine/contract.ts';
import type { Engine, Probe } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { Weights } from '../engine/layout.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import { roundUp } from '../engine/numerics.ts';
import type { Chunk } from '../text/prefix-tree.ts';
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
import type { TextConfig } from './config.ts';
import { MAX_STORED_LOGIT_SCALE } from './logit-scale.ts';
import { normSlots, projectionSlot, published, type TowerSlot } from './slots.ts';
import type { PlanOptions, TowerDefinition, TowerOutput } from './tower.ts';

/** Nodes of a prefix tree that are computed together: with more, more is shared and more memory needed. */
const CHUNK_NODES = 256;

const LOGIT_SCALE: TowerSlot = {
  kind: 'vector',
  name: 'logit_scale',
  shape: [1],
  range: [0, MAX_STORED_LOGIT_SCALE],
  from: { weight: published([], 'logit_scale', 'logit_scale') },
};

export type TextTower = TowerDefinition<TextTransformer, PlanOptions>;

export interface TextState extends BlockState {
  readonly ids: Pointer;
  readonly positions: Pointer;
  readonly lists: KeyLists;
  /** The lists of the pooled rows; `entries` is shared. */
  readonly pooledLists: KeyLists;
  readonly embeddings: Pointer;
}

/** @param logitScale whether the model has one, as models of both towers do */
export function textTransformer(config: TextConfig, embedDim: number, logitScale: boolean): TextTower {
  const { width, layers, contextLength } = config;
  return {
    description: 'transformer',
    summary: `a transformer of ${layers} layers of width ${width}`,
    shape: describeShape(config),
    scratch: { width: longestRow(config), keys: contextLength },
    slots: () => [...(logitScale ? [LOGIT_SCALE] : []), ...slots(config, embedDim)],
    plan(memory, options) {
      const state = TextTransformer.plan(memory, options, config, embedDim);
      return (weights, engine) => new TextTransformer(config, weights, state, engine);
    },
  };
}

function slots(config: TextConfig, embedDim: number): TowerSlot[] {
  const { width, layers, vocabSize, contextLength, projection, projectionBias } = config;
  const embeddings = 'text_model.embeddings';
  return [
    {
      kind: 'table',
      name: 'token_embedding',
      rows: vocabSize,
      width,
      from: {
        weight: published([vocabSize, width], 'token_embedding.weight', `${embeddings}.token_embedding.weight`),
      },
    },
    {
      kind: 'vector',
      name: 'positional_embedding',
      shape: [contextLength, width],
      from: {
        weight: published([contextLength, width], 'positional_embedding', `${embeddings}.position_embedding.weight`),
      },
    },
    ...Array.from({ length: layers }, (_, i) =>
      blockSlots(`transformer.resblocks.${i}`, `text_model.encoder.layers.${i}`, config),
    ).flat(),
    ...normSlots('ln_final', width, 'text_model.final_layer_norm'),
    ...(projection
      ? [projectionSlot('text_projection', embedDim, width, 'text_projection.weight', projectionBias)]
      : []),
  ];
}

export class TextTransformer {
  readonly config: TextConfig;
  readonly #engine: Engine;
  readonly #state: TextState;
  readonly #table: { rows: Pointer; scale: Pointer };
  readonly #positions: Pointer;
  readonly #blocks: BlockWeights[];
  readonly #lnFinal: Norm;
  readonly #projection: Linear | undefined;

  constructor(config: TextConfig, weights: Weights, state: TextState, engine: Engine) {
    this.config = config;
    this.#engine = engine;
    this.#state = state;
    this.#table = { rows: weights.pointer('token_embedding.rows'), scale: weights.pointer('token_embedding.scale') };
    this.#positions = weights.pointer('positional_embedding');
    this.#blocks = Array.from({ length: config.layers }, (_, i) => blockWeights(weights, `transformer.resblocks.${i}`));
    this.#lnFinal = weights.norm('ln_final');
    this.#projection = config.projection ? weights.linear('text_projection') : undefined;
  }

  /** Bytes from one embedding that `encode` gives to the next. */
  get embeddingBytes(): number {
    return (this.#projection ? roundUp(this.#projection.n, PANEL_COLUMNS) : this.config.width) * 4;
  }

  /** The most nodes a chunk may have for this model: at least one whole text. */
  static chunkNodes({ contextLength }: TextConfig): number {
    return Math.max(CHUNK_NODES, contextLength);
  }

  static plan(plan: MemoryPlan, { precision, threads }: PlanOptions, config: TextConfig, embedDim: number): TextState {
    const name = 'text activations';
    const nodes = TextTransformer.chunkNodes(config);
    const ints = (n: number) => plan.reserve(name, n * 4);
    const lists = { starts: ints(nodes), lengths: ints(nodes), entries: ints(nodes * config.contextLength) };
    return {
      ids: ints(nodes),
      positions: ints(nodes),
      lists,
      pooledLists: { starts: ints(nodes), lengths: ints(nodes), entries: lists.entries },
      embeddings: config.projection ? plan.reserve(name, nodes * roundUp(embedDim, PANEL_COLUMNS) * 4) : 0,
      ...planBlocks(plan, name, precision, config, nodes, nodes, threads),
    };
  }

  /**
   * One chunk of texts to the embeddings of its leaves, not normalized: f32 [leaves, embedDim rounded up to 8].
   * @param probe sees the layers as they are computed; it changes nothing
   */
  encode(chunk: Chunk, output: TowerOutput = 'pooled', probe?: Probe): Pointer {
    const engine = this.#engine;
    const { arithmetic, kernels } = engine;
    const { config } = this;
    const { width } = config;
    const s = this.#state;
    const rows = chunk.tokens.length;
    const pooled = Int32Array.from(chunk.leaves, (leaf) => leaf.node);
    const see = (name: string) => probe?.(name, [rows, width], engine.view(s.x, rows * width).slice());
    engine.writeInts(s.ids, chunk.tokens);
    engine.writeInts(s.positions, chunk.positions);
    engine.writeInts(s.lists.entries, chunk.ancestors);
    engine.writeInts(s.lists.starts, chunk.listStart);
    engine.writeInts(s.lists.lengths, chunk.listLength);
    engine.writeInts(s.pooledLists.starts, pooled.map((node) => chunk.listStart[node]!)); // biome-ignore format: a pair
    engine.writeInts(s.pooledLists.lengths, pooled.map((node) => chunk.listLength[node]!)); // biome-ignore format: a pair

    const { rows: table, scale } = this.#table;
    const lookup = { ids: s.ids, at: s.positions, n: rows, table, scale, positions: this.#positions, width, out: s.x };
    if (arithmetic.precision === 'int8')
      kernels.embedInt8(lookup); // [rows, width]
    else kernels.embedF32(lookup); // [rows, width]
    const last = config.layers - 1;
    for (let i = 0; i < last; i++) {
      block(engine, config, this.#blocks[i]!, s, rows, s.lists); // [rows, width]
      see(`text.block.${i}`);
    }
    if (output === 'tokens') {
      block(engine, config, this.#blocks[last]!, s, rows, s.lists); // [rows, width]
      see(`text.block.${last}`);
      pooled.forEach((node, i) => {
        engine.copyFloats(s.x + node * width * 4, s.y + i * width * 4, width);
      });
    } else {
      lastBlock(engine, config, this.#blocks[last]!, s, rows, pooled, s.pooledLists); // [leaves, width]
    }
    return project(engine, config, this.#lnFinal, this.#projection, s, pooled.length, s.embeddings); // [leaves, embedDim]
  }
}
