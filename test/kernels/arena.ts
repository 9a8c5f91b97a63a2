/**
 * A memory in which a kernel's mistakes show: what nobody wrote is 0xff (NaN as f32, -1 as an integer), blocks stand apart
 * with 0xff between them, and `check` finds a write outside the outputs or into an input.
 */
import { expect } from 'vitest';
import type { Kernels } from '../../src/engine/calls.ts';
import type { Pointer } from '../../src/engine/kernels.ts';
import type { Build } from './builds.ts';

const BYTES = 32 * 1024 * 1024;
const GUARD = 128;
/** No block starts at 0, which kernels take as "none". */
const FIRST = 1024;

interface Block {
  readonly at: Pointer;
  readonly bytes: number;
  /** What an input held when it was put there. */
  readonly input?: Uint8Array;
}

export class Arena {
  readonly #build: Build;
  #opened: { kernels: Kernels; memory: Uint8Array } | undefined;
  #blocks: Block[] = [];
  #top = FIRST;

  constructor(build: Build) {
    this.#build = build;
  }

  /** Instantiated at the first use, so that a skipped suite costs nothing. */
  get #open() {
    if (!this.#opened) {
      const memory = new WebAssembly.Memory({ initial: BYTES / 65_536, maximum: BYTES / 65_536 });
      this.#opened = { kernels: this.#build.open(memory), memory: new Uint8Array(memory.buffer).fill(0xff) };
    }
    return this.#opened;
  }

  get kernels(): Kernels {
    return this.#open.kernels;
  }

  /** Forgets every block. */
  reset(): void {
    this.#open.memory.fill(0xff, 0, this.#top + GUARD);
    this.#blocks = [];
    this.#top = FIRST;
  }

  /** Room for a result, or scratch. */
  output(bytes: number): Pointer {
    return this.#block(bytes);
  }

  /** A copy of the array's bytes, which no kernel may change. */
  input(array: ArrayBufferView): Pointer {
    return this.#block(array.byteLength, bytesOf(array).slice());
  }

  /** A copy of the array's bytes that the kernel works on in place. */
  inPlace(array: ArrayBufferView): Pointer {
    const at = this.#block(array.byteLength);
    this.#open.memory.set(bytesOf(array), at);
    return at;
  }

  bytes(at: Pointer, n: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#open.memory.slice(at, at + n));
  }

  floats(at: Pointer, n: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.bytes(at, n * 4).buffer);
  }

  /** Fails if a kernel wrote where it may not. */
  check(label = ''): void {
    const { memory } = this.#open;
    this.#blocks.forEach(({ at, bytes, input }, i) => {
      const changed = input?.findIndex((byte, j) => memory[at + j] !== byte) ?? -1;
      if (changed >= 0) expect.fail(`${label}: byte ${changed} of block ${i}, an input, was changed`);
      const next = this.#blocks[i + 1]?.at ?? at + bytes + GUARD;
      for (let p = at + bytes; p < next; p++) {
        if (memory[p] !== 0xff) expect.fail(`${label}: byte ${p - at} of block ${i} was written; it has ${bytes}`);
      }
    });
    for (let p = FIRST - GUARD; p < FIRST; p++) {
      if (memory[p] !== 0xff) expect.fail(`${label}: ${FIRST - p} bytes before the first block were written`);
    }
  }

  #block(bytes: number, input?: Uint8Array): Pointer {
    const at = this.#top;
    if (at + bytes + GUARD > BYTES) throw new RangeError('the arena is full');
    this.#top = Math.ceil((at + bytes + GUARD) / 16) * 16;
    this.#blocks.push({ at, bytes, ...(input ? { input } : {}) });
    if (input) this.#open.memory.set(input, at);
    return at;
  }
}

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
