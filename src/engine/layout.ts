/**
 * How a tower's weights are laid out, in memory and in a packed file alike: the same bytes in the same order, so that loading
 * a packed file is one copy. A slot is a weight of the graph; it is one or more tensors, each a multiple of 16 bytes.
 */

import type { Linear, Norm, Precision } from './arithmetic.ts';
import { PANEL_COLUMNS } from './contract.ts';
import type { Pointer } from './kernels.ts';
import { roundUp } from './numerics.ts';

/** Changes whenever the meaning of a packed file's bytes does. */
export const LAYOUT_VERSION = '2';

/** A weight of the graph, as in the paper's formulas. */
export type Slot =
  /** f32 values; `shape` as published. */
  | {
      readonly kind: 'vector';
      readonly name: string;
      readonly shape: readonly number[];
      /** Least and largest value that a model can mean. */
      readonly range?: readonly [number, number];
    }
  /** y = W x + b with W [n, k]. `inputScale`: the value of one unit of the input's integers, where that is fixed. */
  | {
      readonly kind: 'linear';
      readonly name: string;
      readonly n: number;
      readonly k: number;
      readonly bias: boolean;
      readonly inputScale?: number;
      /** The linear slot whose quantization error this one holds. Only in int8. */
      readonly residualOf?: string;
    }
  /** A kernel x kernel filter per channel, with bias. */
  | {
      readonly kind: 'depthwise';
      readonly name: string;
      readonly channels: number;
      readonly kernel: number;
      readonly inputScale: number;
    }
  /** Rows looked up by id. */
  | { readonly kind: 'table'; readonly name: string; readonly rows: number; readonly width: number };

/** One tensor of a packed file. */
export interface PackedTensor {
  readonly name: string;
  readonly dtype: 'F32' | 'I8' | 'I32';
  readonly shape: readonly number[];
  /** Bytes from the tower's first byte. */
  readonly offset: number;
  readonly byteLength: number;
}

/** Taps of a depthwise filter, paired: 5 pairs of 3x3, 13 of 5x5 (assembly/depthwise.ts says in which order). */
export const tapPairs = (kernel: number) => (kernel * kernel + 1) >> 1;

function slotTensors(slot: Slot, precision: Precision): Omit<PackedTensor, 'offset' | 'byteLength'>[] {
  const { name } = slot;
  const int8 = precision === 'int8';
  const f32 = (part: string, ...shape: number[]) => ({ name: name + part, dtype: 'F32', shape }) as const;
  const i8 = (part: string, ...shape: number[]) => ({ name: name + part, dtype: 'I8', shape }) as const;
  switch (slot.kind) {
    case 'vector':
      return [f32('', roundUp(product(slot.shape), 4))];
    case 'table': {
      const { rows, width } = slot;
      return int8 ? [i8('.rows', rows, width), f32('.scale', roundUp(rows, 4))] : [f32('.rows', rows, width)];
    }
    case 'linear': {
      const n = roundUp(slot.n, PANEL_COLUMNS);
      const bias = slot.bias ? [f32('.bias', n)] : [];
      if (!int8) return [f32('.panels', n / PANEL_COLUMNS, slot.k, PANEL_COLUMNS), ...bias];
      const sum = { name: `${name}.sum`, dtype: 'I32', shape: [n] } as const;
      return [
        i8('.panels', n / PANEL_COLUMNS, roundUp(slot.k, 4) / 2, PANEL_COLUMNS, 2),
        f32('.scale', n),
        sum,
        ...bias,
      ];
    }
    case 'depthwise': {
      const { channels, kernel } = slot;
      const bias = f32('.bias', channels);
      if (!int8) return [f32('.taps', channels / PANEL_COLUMNS, kernel * kernel, PANEL_COLUMNS), bias];
      return [i8('.taps', channels / PANEL_COLUMNS, tapPairs(kernel), PANEL_COLUMNS, 2), f32('.scale', channels), bias];
    }
  }
}

export function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** The tensors of a tower, in order, with their offsets. */
export class Layout<S extends Slot = Slot> {
  readonly slots: readonly S[];
  readonly precision: Precision;
  readonly tensors: ReadonlyMap<string, PackedTensor>;
  readonly byteLength: number;

  constructor(slots: readonly S[], precision: Precision) {
    this.slots = slots.filter((slot) => precision === 'int8' || slot.kind !== 'linear' || !slot.residualOf);
    this.precision = precision;
    const tensors = new Map<string, PackedTensor>();
    let offset = 0;
    for (const slot of this.slots) {
      for (const { name, dtype, shape } of slotTensors(slot, precision)) {
        const byteLength = product(shape) * (dtype === 'I8' ? 1 : 4);
        tensors.set(name, { name, dtype, shape, offset, byteLength });
        offset += byteLength;
      }
    }
    this.tensors = tensors;
    this.byteLength = offset;
  }

  /** The addresses of the weights of a tower whose first byte is at `base`. */
  at(base: Pointer): Weights {
    return new Weights(this, base);
  }
}

/** Addresses of a tower's weights by slot name. */
export class Weights {
  readonly #layout: Layout;
  readonly #base: Pointer;

  constructor(layout: Layout, base: Pointer) {
    this.#layout = layout;
    this.#base = base;
  }

  /** Whether the tower has a slot of this name, e.g. `logit_scale`, which a model of one tower lacks. */
  has(name: string): boolean {
    return this.#layout.slots.some((slot) => slot.name === name);
  }

  /** Address of a packed tensor; 0 if there is none (a map without bias, scales in f32). */
  pointer(name: string): Pointer {
    const tensor = this.#layout.tensors.get(name);
    return tensor ? this.#base + tensor.offset : 0;
  }

  /** A LayerNorm's two vectors. */
  norm(name: string): Norm {
    return { weight: this.pointer(`${name}.weight`), bias: this.pointer(`${name}.bias`) };
  }

  linear(name: string): Linear {
    const slot = this.#layout.slots.find((s) => s.name === name && s.kind === 'linear');
    if (slot?.kind !== 'linear') throw new RangeError(`the layout has no linear map "${name}"`);
    return {
      n: roundUp(slot.n, PANEL_COLUMNS),
      k: slot.k,
      panels: this.pointer(`${name}.panels`),
      scale: this.pointer(`${name}.scale`),
      sum: this.pointer(`${name}.sum`),
      bias: this.pointer(`${name}.bias`),
    };
  }
}
