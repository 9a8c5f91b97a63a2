/** A memory at its final size, the kernels on it, and typed views that stay valid because it never grows. */

import { Arithmetic, type Precision } from './arithmetic.ts';
import type { TileAutotuner } from './autotuning.ts';
import type { Kernels } from './calls.ts';
import type { Pointer } from './kernels.ts';

export class Engine {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  readonly arithmetic: Arithmetic;
  readonly bytes: Uint8Array;
  readonly floats: Float32Array;
  readonly ints: Int32Array;

  constructor(
    memory: WebAssembly.Memory,
    kernels: Kernels,
    precision: Precision,
    scratch: Pointer,
    autotuner?: TileAutotuner,
  ) {
    this.memory = memory;
    this.kernels = kernels;
    this.arithmetic = new Arithmetic(kernels, precision, scratch, autotuner);
    this.bytes = new Uint8Array(memory.buffer);
    this.floats = new Float32Array(memory.buffer);
    this.ints = new Int32Array(memory.buffer);
  }

  /** n f32 at p, a view. */
  view(p: Pointer, n: number): Float32Array {
    return this.floats.subarray(p >> 2, (p >> 2) + n);
  }

  /** Copies the bytes of `n` f32 from one place to another. */
  copyFloats(from: Pointer, to: Pointer, n: number): void {
    this.kernels.copyBytes({ from, to, bytes: n * 4 });
  }

  /** Writes i32 values at p. */
  writeInts(p: Pointer, values: ArrayLike<number>): void {
    this.ints.set(values, p >> 2);
  }
}

/** Sees the activations of a layer as they are made: name, shape, values (row-major). For tests; costs a copy. */
export type Probe = (name: string, shape: readonly number[], values: Float32Array) => void;
