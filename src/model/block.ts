/** The transformer block of CLIP's towers (OpenAI's `model.py`, ResidualAttentionBlock): pre-norm attention, then MLP. */

import { counted } from '../counted.ts';
import {
  Arithmetic,
  type KeyLists,
  type Linear,
  type Norm,
  type Precision,
  type RowBuffer,
} from '../engine/arithmetic.ts';
import { Mode } from '../engine/calls.ts';
import { MAXIMUM_BYTES, ROW_BLOCK, ROW_GROUP } from '../engine/contract.ts';
import type { Engine } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { Weights } from '../engine/layout.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import { roundUp } from '../engine/numerics.ts';
import { partsFor } from '../engine/threads/control.ts';
import type { TransformerShape } from './config.ts';
import { inMemory, linearSlot, normSlots, published, type TowerSlot } from './slots.ts';

/** The sizes of a transformer in a line. */
export const describeShape = ({ layers, width, heads, mlpWidth, activation }: TransformerShape): string =>
  `${layers} layers of width ${width}, ${counted(heads, 'head')}, MLP of ${mlpWidth}, ${activation}`;

export interface BlockWeights {
  readonly ln1: Norm;
  readonly qkv: Linear;
  readonly out: Linear;
  readonly ln2: Norm;
  readonly fc: Linear;
  readonly proj: Linear;
}

/** The activations of a transformer of at most `rows` rows, of which `pooled` are kept at the end. */
export interface BlockState {
  /** The residual stream, f32 [rows, width]. */
  readonly x: Pointer;
  /** The pooled rows, f32 [pooled, width]. */
  readonly y: Pointer;
  readonly rowsIn: RowBuffer;
  /** f32 [3][heads][rows, head]: queries, keys, values, one slab per head. */
  readonly qkv: Pointer;
  readonly attended: Pointer;
  readonly hidden: Pointer;
  /** Largest magnitudes of the hidden rows, one set per part of a split call; 0 in f32. */
  readonly maxima: Pointer;
  readonly hiddenRows: RowBuffer;
}

/** Widths in memory: of a head, of all heads side by side, and of the MLP's hidden layer. */
function widths({ width, heads, mlpWidth }: TransformerShape) {
  const head = inMemory(width / heads);
  return { head, attention: heads * head, hidden: inMemory(mlpWidth) };
}

/** The longest row of a block. */
export function longestRow(shape: TransformerShape): number {
  const { attention, hidden } = widths(shape);
  return Math.max(shape.width, attention, hidden);
}

/** The slots of one block, in the order in which the graph reads them; its name in both namings. */
export function blockSlots(name: string, huggingface: string, shape: TransformerShape): TowerSlot[] {
  const { width, heads, mlpWidth, layerScale } = shape;
  const { attention: k } = widths(shape);
  const scale = (which: string) => (layerScale ? `${name}.${which}` : undefined);
  const attention = (kind: string) => ['q', 'k', 'v'].map((which) => `${huggingface}.self_attn.${which}_proj.${kind}`);
  const qkv: TowerSlot = {
    kind: 'linear',
    name: `${name}.attn.in_proj`,
    n: 3 * k,
    k: width,
    bias: true,
    from: {
      groups: { rows: 3 * heads },
      weight: published([3 * width, width], `${name}.attn.in_proj_weight`, attention('weight')),
      bias: published([3 * width], `${name}.attn.in_proj_bias`, attention('bias')),
    },
  };
  const out = linearSlot(`${name}.attn.out_proj`, width, width, `${huggingface}.self_attn.out_proj`, scale('ls_1'));
  return [
    ...normSlots(`${name}.ln_1`, width, `${huggingface}.layer_norm1`),
    qkv,
    { ...out, k, from: { ...out.from, groups: { columns: heads } } } as TowerSlot,
    ...normSlots(`${name}.ln_2`, width, `${huggingface}.layer_norm2`),
    linearSlot(`${name}.mlp.c_fc`, mlpWidth, width, `${huggingface}.mlp.fc1`),
    linearSlot(`${name}.mlp.c_proj`, width, mlpWidth, `${huggingface}.mlp.fc2`, scale('ls_2')),
  ];
}

export function blockWeights(weights: Weights, name: string): BlockWeights {
  return {
    ln1: weights.norm(`${name}.ln_1`),
    qkv: weights.linear(`${name}.attn.in_proj`),
    out: weights.linear(`${name}.attn.out_proj`),
    ln2: weights.norm(`${name}.ln_2`),
    fc: weights.linear(`${name}.mlp.c_fc`),
    proj: weights.linear(`${name}.mlp.c_proj`),
  };
}

/** Rows that go through the MLP together: the hidden layer of a band stays in L2. */
function bandRows(rows: number): number {
  return roundUp(Math.ceil(rows / Math.ceil(rows / ROW_BLOCK)), 4 * ROW_GROUP);
}

export function planBlocks(
  plan: MemoryPlan,
  name: string,
  precision: Precision,
  shape: TransformerShape,
  rows: number,
  pooled: number,
  threads: number,
): BlockState {
  const { width } = shape;
  const { attention, hidden } = widths(shape);
  const band = Math.min(rows, ROW_BLOCK);
  return {
    x: plan.reserve(name, rows * width * 4),
    y: plan.reserve(name, pooled * width * 4),
    rowsIn: Arithmetic.reserveRows(plan, name, precision, [
      [rows, width],
      [rows, attention],
    ]),
    qkv: plan.reserve(name, rows * 3 * attention * 4),
    attended: plan.reserve(name, rows * attention * 4),
    hidden: plan.reserve(name, band * hidden * 4),
    maxima: precision === 'int8' ? plan.reserve(name, partsFor(threads) * ROW_BLOCK * MAXIMUM_BYTES) : 0,
    hiddenRows: Arithmetic.reserveRows(plan, name, precision, [[band, hidden]]),
  };
}

/** 1 / sqrt of a head's width as published: its zeros in memory are not counted. */
const scoreScale = ({ width, heads }: TransformerShape) => 1 / Math.sqrt(width / heads);

/** x += attention(ln_1(x)); x += mlp(ln_2(x)), over all rows of x. */
export function block(
  engine: Engine,
  shape: TransformerShape,
  w: BlockWeights,
  s: BlockState,
  rows: number,
  lists: KeyLists,
): void {
  const { arithmetic } = engine;
  const { width, heads, layerNormEps } = shape;
  const { head, attention } = widths(shape);
  const slab = rows * head * 4;
  const keys = s.qkv + heads * slab;
  const values = keys + heads * slab;

  const a = arithmetic.norm(s.x, rows, width, w.ln1, layerNormEps, s.rowsIn); // [rows, width]
  arithmetic.linear(a, w.qkv, s.qkv, { stride: head * 4, slab: { columns: head, stride: slab } }); // [3, heads, rows, head]
  arithmetic.attention({
    q: s.qkv,
    k: keys,
    v: values,
    heads,
    headDim: head,
    qSlab: slab,
    kvSlab: slab,
    out: s.attended,
    rows,
    lists,
    scale: scoreScale(shape),
  }); // [rows, heads head]
  const o = arithmetic.pack(s.attended, rows, attention, s.rowsIn); // [rows, heads head]
  arithmetic.linear(o, w.out, s.x, { mode: Mode.add }); // [rows, width]
  mlp(engine, shape, w, s, s.x, rows);
}

/**
 * The last block where only pooled rows are needed: keys and values of all rows, everything else only of the rows in
 * `pooled`. `lists` has one list per pooled row, in that order. The result is in s.y.
 */
export function lastBlock(
  engine: Engine,
  shape: TransformerShape,
  w: BlockWeights,
  s: BlockState,
  rows: number,
  pooled: ArrayLike<number>,
  lists: KeyLists,
): void {
  const { arithmetic } = engine;
  const { width, heads, layerNormEps } = shape;
  const { head, attention } = widths(shape);
  const kv = rows * head * 4;
  const q = pooled.length * head * 4;
  const keys = s.qkv;
  const values = keys + heads * kv;
  const queries = values + heads * kv;

  for (let i = 0; i < pooled.length; i++) {
    engine.copyFloats(s.x + pooled[i]! * width * 4, s.y + i * width * 4, width);
  }
  const all = arithmetic.norm(s.x, rows, width, w.ln1, layerNormEps, s.rowsIn); // [rows, width]
  arithmetic.linear(all, arithmetic.columns(w.qkv, attention, 2 * attention), keys, {
    stride: head * 4,
    slab: { columns: head, stride: kv },
  }); // [2, heads, rows, head]
  const few = arithmetic.norm(s.y, pooled.length, width, w.ln1, layerNormEps, s.rowsIn); // [pooled, width]
  arithmetic.linear(few, arithmetic.columns(w.qkv, 0, attention), queries, {
    stride: head * 4,
    slab: { columns: head, stride: q },
  }); // [heads, pooled, head]
  arithmetic.attention({
    q: queries,
    k: keys,
    v: values,
    heads,
    headDim: head,
    qSlab: q,
    kvSlab: kv,
    out: s.attended,
    rows: pooled.length,
    lists,
    scale: scoreScale(shape),
  }); // [pooled, heads head]
  const o = arithmetic.pack(s.attended, pooled.length, attention, s.rowsIn); // [pooled, heads head]
  arithmetic.linear(o, w.out, s.y, { mode: Mode.add }); // [pooled, width]
  mlp(engine, shape, w, s, s.y, pooled.length);
}

/** x += c_proj(gelu(c_fc(ln_2(x)))), a band of rows at a time. */
function mlp(engine: Engine, shape: TransformerShape, w: BlockWeights, s: BlockState, x: Pointer, rows: number): void {
  const { arithmetic } = engine;
  const { width, layerNormEps, activation } = shape;
  const { hidden } = widths(shape);
  const mode = activation === 'quick_gelu' ? Mode.quickGelu : Mode.gelu;
  const step = bandRows(rows);
  for (let r = 0; r < rows; r += step) {
    const band = Math.min(step, rows - r);
    const at = x + r * width * 4;
    const a = arithmetic.norm(at, band, width, w.ln2, layerNormEps, s.rowsIn); // [band, width]
    arithmetic.linear(a, w.fc, s.hidden, { mode, maxima: s.maxima }); // [band, mlp]
    const h = arithmetic.pack(s.hidden, band, hidden, s.hiddenRows, s.maxima); // [band, mlp]
    arithmetic.linear(h, w.proj, at, { mode: Mode.add }); // [band, width]
  }
}

/**
 * The embeddings of the pooled rows in s.y: LayerNorm, then the projection into `out`, f32 [rows, embedDim rounded up to 8].
 * Without a projection the normalized rows are the embeddings, where they are.
 */
export function project(
  engine: Engine,
  { width, layerNormEps: eps }: TransformerShape,
  norm: Norm,
  projection: Linear | undefined,
  s: BlockState,
  rows: number,
  out: Pointer,
): Pointer {
  const { arithmetic, kernels } = engine;
  if (!projection) {
    const { weight: gamma, bias: beta } = norm;
    kernels.layerNorm({ x: s.y, stride: width * 4, m: rows, k: width, gamma, beta, eps }); // [rows, width]
    return s.y;
  }
  const pooled = arithmetic.norm(s.y, rows, width, norm, eps, s.rowsIn); // [rows, width]
  arithmetic.linear(pooled, projection, out); // [rows, embedDim]
  return out;
}
