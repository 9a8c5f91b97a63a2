/**
 * Attention pooling (OpenAI's `model.py`, AttentionPool2d): the mean of all pixels comes before them as one more token, all get
 * a positional embedding, and the mean attends to all.
 */
import { Arithmetic, type KeyLists, type Linear, type Precision, type RowBuffer } from '../engine/arithmetic.ts';
import type { Engine } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { Weights } from '../engine/layout.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import { roundUp } from '../engine/numerics.ts';
import { published, type TowerSlot } from './slots.ts';

export interface AttentionPoolShape {
  /** Before the names of its weights. */
  readonly name: string;
  readonly pixels: number;
  /** Length of a pixel's vector. */
  readonly width: number;
  readonly heads: number;
  readonly embedDim: number;
}

export interface AttentionPoolState {
  /** f32 [pixels + 1, width]: the mean first. */
  readonly attending: Pointer;
  readonly attendingRows: RowBuffer;
  readonly lists: KeyLists;
  /** f32 [heads][pixels + 1, head], a slab a head. */
  readonly keys: Pointer;
  readonly values: Pointer;
  /** Of the mean alone: f32 [width]. */
  readonly query: Pointer;
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
    this.#key = weights.linear(`${name}.k_proj`);
    this.#value = weights.linear(`${name}.v_proj`);
    this.#query = weights.linear(`${name}.q_proj`);
    this.#out = weights.linear(`${name}.c_proj`);
  }

  static slots({ name, pixels, width, embedDim }: AttentionPoolShape): TowerSlot[] {
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
      { kind: 'vector', name: positions, shape, from: { weight: published(shape, positions) } },
      linear('k_proj', width),
      linear('v_proj', width),
      linear('q_proj', width),
      linear('c_proj', embedDim),
    ];
  }

  static plan(
    plan: MemoryPlan,
    name: string,
    precision: Precision,
    { pixels, width, embedDim }: AttentionPoolShape,
  ): AttentionPoolState {
    const tokens = pixels + 1;
    return {
      attending: plan.reserve(name, tokens * width * 4),
      attendingRows: Arithmetic.reserveRows(plan, name, precision, [[tokens, width]]),
      lists: {
        starts: plan.reserve(name, tokens * 4),
        lengths: plan.reserve(name, tokens * 4),
        entries: plan.reserve(name, tokens * 4),
      },
      keys: plan.reserve(name, tokens * width * 4),
      values: plan.reserve(name, tokens * width * 4),
      query: plan.reserve(name, width * 4),
      attended: plan.reserve(name, width * 4),
      embedding: plan.reserve(name, roundUp(embedDim, 8) * 4),
    };
  }

  /** x, f32 [pixels, width], to the embedding, not normalised: f32 [embedDim]. */
  encode(x: Pointer): Pointer {
    const { arithmetic, kernels } = this.#engine;
    const { pixels, width, heads } = this.#shape;
    const s = this.#state;
    const tokens = pixels + 1;
    const headDim = width / heads;
    const slab = tokens * headDim * 4;
    const row = width * 4;

    kernels.listAll({ n: tokens, ...s.lists }); // again: texts use the same memory
    kernels.meanRows({ x, m: pixels, n: width, out: s.attending }); // [1, width]
    kernels.addFloats({ x: s.attending, y: this.#positions, n: width, out: s.attending }); // [1, width]
    kernels.addFloats({ x, y: this.#positions + row, n: pixels * width, out: s.attending + row }); // [pixels, width]
    const all = arithmetic.pack(s.attending, tokens, width, s.attendingRows); // [tokens, width]
    const byHead = { stride: headDim * 4, slab: { columns: headDim, stride: slab } };
    arithmetic.linear(all, this.#key, s.keys, byHead); // [heads, tokens, headDim]
    arithmetic.linear(all, this.#value, s.values, byHead); // [heads, tokens, headDim]
    const mean = arithmetic.pack(s.attending, 1, width, s.attendingRows); // [1, width]
    arithmetic.linear(mean, this.#query, s.query); // [heads, 1, headDim]
    arithmetic.attention({
      q: s.query,
      k: s.keys,
      v: s.values,
      heads,
      headDim,
      qSlab: headDim * 4,
      kvSlab: slab,
      out: s.attended,
      rows: 1,
      lists: s.lists,
    }); // [1, width]
    const attended = arithmetic.pack(s.attended, 1, width, s.attendingRows); // [1, width]
    arithmetic.linear(attended, this.#out, s.embedding); // [embedDim]
    return s.embedding;
  }
}
