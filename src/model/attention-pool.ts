/**
 * Attention pooling (OpenAI's `model.py`, AttentionPool2d): the mean of all pixels comes before them as one more token, all get
 * a positional embedding, and the mean attends to all.
 *
 * There is one query, so no token needs a key or a value of its own. With the tokens t, in each head with its query q:
 *
 *   scores   q . (Wk t + bk) = (Wk' q) . t + q . bk      the last term is the same for all t, and softmax ignores it
 *   output   sum_t a(t) (Wv t + bv) = Wv (sum_t a(t) t) + bv                         because the weights a sum to 1
 *
 * So the tokens are keys and values themselves, for a query of their width: 4 width² products instead of 2 tokens width².
 */

import { Arithmetic, type KeyLists, type Linear, type Precision, type RowBuffer } from '../engine/arithmetic.ts';
import { PANEL_COLUMNS } from '../engine/contract.ts';
import type { Engine } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { Weights } from '../engine/layout.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import { roundUp } from '../engine/numerics.ts';
import { type PositionGrid, published, type TowerSlot } from './slots.ts';

export interface AttentionPoolShape {
  /** Before the names of its weights. */
  readonly name: string;
  readonly pixels: number;
  /** The square of pixels that its positions are for. */
  readonly grid: PositionGrid;
  /** Length of a pixel's vector. */
  readonly width: number;
  readonly heads: number;
  readonly embedDim: number;
}

export interface AttentionPoolState {
  /** f32 [pixels + 1, width]: the mean first. */
  readonly attending: Pointer;
  /** A packed row. */
  readonly row: RowBuffer;
  readonly lists: KeyLists;
  /** f32 [heads, headDim]. */
  readonly query: Pointer;
  /** Wk' q and sum_t a(t) t of each head: f32 [heads, width]. */
  readonly tokenQueries: Pointer;
  readonly tokenSums: Pointer;
  readonly attended: Pointer;
  readonly embedding: Pointer;
}

export class AttentionPool {
  readonly #engine: Engine;
  readonly #shape: AttentionPoolShape;
  readonly #state: AttentionPoolState;
  readonly #positions: Pointer;
  readonly #query: Linear;
  readonly #key: Linear;
  readonly #value: Linear;
  readonly #out: Linear;

  constructor(shape: AttentionPoolShape, weights: Weights, state: AttentionPoolState, engine: Engine) {
    const { name } = shape;
    this.#engine = engine;
    this.#shape = shape;
    this.#state = state;
    this.#positions = weights.pointer(`${name}.positional_embedding`);
    this.#query = weights.linear(`${name}.q_proj`);
    this.#key = weights.linear(`${name}.k_proj`);
    this.#value = weights.linear(`${name}.v_proj`);
    this.#out = weights.linear(`${name}.c_proj`);
  }

  static slots({ name, pixels, grid, width, heads, embedDim }: AttentionPoolShape): TowerSlot[] {
    const shape = [pixels + 1, width];
    const linear = (part: string, n: number): TowerSlot => ({
      kind: 'linear',
      name: `${name}.${part}`,
      n,
      k: width,
      bias: true,
      from: {
        weight: published([n, width], `${name}.${part}.weight`),
        bias: published([n], `${name}.${part}.bias`),
      },
    });
    const positions = `${name}.positional_embedding`;
    return [
      {
        kind: 'vector',
        name: positions,
        shape,
        from: { weight: published([grid.trained ** 2 + 1, width], positions), grid },
      },
      linear('q_proj', width),
      {
        kind: 'linear',
        name: `${name}.k_proj`,
        n: heads * width,
        k: width / heads,
        bias: false,
        from: {
          weight: published([width, width], `${name}.k_proj.weight`),
          transposedHeads: heads,
          unused: [published([width], `${name}.k_proj.bias`)],
        },
      },
      linear('v_proj', width),
      linear('c_proj', embedDim),
    ];
  }

  static plan(
    plan: MemoryPlan,
    name: string,
    precision: Precision,
    { pixels, width, heads, embedDim }: AttentionPoolShape,
  ): AttentionPoolState {
    const tokens = pixels + 1;
    return {
      attending: plan.reserve(name, tokens * width * 4),
      row: Arithmetic.reserveRows(plan, name, precision, [[1, width]]),
      lists: {
        starts: plan.reserve(name, tokens * 4),
        lengths: plan.reserve(name, tokens * 4),
        entries: plan.reserve(name, tokens * 4),
      },
      query: plan.reserve(name, width * 4),
      tokenQueries: plan.reserve(name, heads * width * 4),
      tokenSums: plan.reserve(name, heads * width * 4),
      attended: plan.reserve(name, width * 4),
      embedding: plan.reserve(name, roundUp(embedDim, PANEL_COLUMNS) * 4),
    };
  }

  /** x, f32 [pixels, width], to the embedding, not normalized: f32 [embedDim]. */
  encode(x: Pointer): Pointer {
    const { arithmetic, kernels } = this.#engine;
    const { pixels, width, heads } = this.#shape;
    const s = this.#state;
    const tokens = pixels + 1;
    const headDim = width / heads;
    const row = width * 4;

    kernels.listAll({ n: tokens, ...s.lists }); // again: texts use the same memory
    kernels.meanRows({ x, m: pixels, n: width, out: s.attending }); // [1, width]
    kernels.addFloats({ x: s.attending, y: this.#positions, n: width, out: s.attending }); // [1, width]
    kernels.addFloats({ x, y: this.#positions + row, n: pixels * width, out: s.attending + row }); // [pixels, width]
    arithmetic.linear(arithmetic.pack(s.attending, 1, width, s.row), this.#query, s.query); // [heads, headDim]
    for (let head = 0; head < heads; head++) {
      const q = arithmetic.pack(s.query + head * headDim * 4, 1, headDim, s.row); // [1, headDim]
      arithmetic.linear(q, arithmetic.columns(this.#key, head * width, width), s.tokenQueries + head * row); // [1, width]
    }
    arithmetic.attention({
      q: s.tokenQueries,
      k: s.attending,
      v: s.attending,
      heads,
      headDim: width,
      qSlab: row,
      kvSlab: 0,
      out: s.tokenSums,
      rows: 1,
      lists: s.lists,
      scale: 1 / Math.sqrt(headDim),
    }); // [heads, width]
    for (let head = 0; head < heads; head++) {
      const sum = arithmetic.pack(s.tokenSums + head * row, 1, width, s.row); // [1, width]
      const value = arithmetic.columns(this.#value, head * headDim, headDim);
      arithmetic.linear(sum, value, s.attended + head * headDim * 4); // [1, headDim]
    }
    arithmetic.linear(arithmetic.pack(s.attended, 1, width, s.row), this.#out, s.embedding); // [embedDim]
    return s.embedding;
  }
}
