/** The memory plan: every address is known before the memory exists, and the memory never grows afterwards. */

import { ClipError } from '../errors.ts';
import type { Pointer } from './kernels.ts';
import { roundUp } from './numerics.ts';

const PAGE_BYTES = 65_536;
const MAX_BYTES = 65_536 * PAGE_BYTES;

/** Bytes by what they are for, in the order they were reserved. */
export type MemoryUse = Record<string, number>;

/** A bump allocator over addresses only. Address 0 stays free, so that 0 can mean "none". @internal */
export class MemoryPlan {
  #top = 64;
  #high = 64;
  #use: MemoryUse = {};

  /** Reserves `bytes` at a multiple of 64 (a cache line) and counts them under `name`. */
  reserve(name: string, bytes: number): Pointer {
    const at = roundUp(this.#top, 64);
    this.#top = at + bytes;
    this.#high = Math.max(this.#high, this.#top);
    this.#use[name] = (this.#use[name] ?? 0) + bytes;
    return at;
  }

  /** Plans several states that are never alive at once onto the same addresses. */
  overlap<T extends unknown[]>(...states: { [K in keyof T]: () => T[K] }): T {
    const start = this.#top;
    let high = start;
    const planned = states.map((state) => {
      this.#top = start;
      const result = state();
      high = Math.max(high, this.#top);
      return result;
    });
    this.#top = high;
    return planned as T;
  }

  /** Bytes by name; overlapping states count each by itself. */
  get use(): MemoryUse {
    return { ...this.#use };
  }

  /** Size of the memory in bytes, whole pages. */
  get byteLength(): number {
    return roundUp(this.#high, PAGE_BYTES);
  }

  /**
   * Makes the memory, at its final size.
   * @throws ClipError UNSUPPORTED where the runtime refuses so much memory.
   */
  allocate(shared = false): WebAssembly.Memory {
    const pages = this.byteLength / PAGE_BYTES;
    if (this.byteLength > MAX_BYTES) {
      throw new ClipError(
        'UNSUPPORTED',
        `the model needs ${this.byteLength} bytes; WebAssembly addresses ${MAX_BYTES}`,
      );
    }
    try {
      return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
    } catch (cause) {
      throw new ClipError(
        'UNSUPPORTED',
        `this runtime cannot allocate ${this.byteLength} bytes of WebAssembly memory`,
        {
          cause,
        },
      );
    }
  }
}
