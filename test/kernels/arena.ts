/**
 * A memory in which a kernel's mistakes show: unwritten bytes are 0xff (NaN as f32, -1 as an integer), blocks have guards of
 * 0xff between them, and `check` finds a write outside the outputs or into an input. It names the block by the argument that
 * a kernel got it as.
 */
import { expect } from 'vitest';
import type { Kernels } from '../../src/engine/calls.ts';
import type { Pointer } from '../../src/engine/kernels.ts';
import type { Build } from './builds.ts';

const BYTES = 32 * 1024 * 1024;
const GUARD = 128;
/** Not 0, which kernels take as "none", and a number that no size in the tests has: then a block's address is its own. */
const FIRST = 65_552;

interface Block {
  readonly at: Pointer;
  readonly bytes: number;
  /** The original bytes of an input. */
  readonly input?: Uint8Array;
  /** The first argument that it was given as, e.g. `gemmInt8's c`. */
  name?: string;
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
      this.#opened = {
        kernels: this.#naming(this.#build.open(memory)),
        memory: new Uint8Array(memory.buffer).fill(0xff),
      };
    }
    return this.#opened;
  }

  get kernels(): Kernels {
    return this.#open.kernels;
  }

  /** The kernels, each of which names the blocks among its arguments before it runs. */
  #naming(kernels: Kernels): Kernels {
    return new Proxy(kernels, {
      get: (target, kernel) => {
        const run = Reflect.get(target, kernel) as (call: Record<string, number>) => unknown;
        return (call: Record<string, number>) => {
          const argumentAt = new Map(Object.entries(call).map(([field, value]) => [value, field]));
          for (const block of this.#blocks) {
            const field = argumentAt.get(block.at);
            if (field !== undefined) block.name ??= `${String(kernel)}'s ${field}`;
          }
          return run(call);
        };
      },
    });
  }

  /** Forgets every block. */
  reset(): void {
    this.#open.memory.fill(0xff, 0, this.#top + GUARD);
    this.#blocks = [];
    this.#top = FIRST;
  }

  /** A block for a result, or scratch. */
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
    const nameOf = (i: number) => this.#blocks[i]?.name ?? `block ${i}`;
    this.#blocks.forEach(({ at, bytes, input }, i) => {
      const changed = input?.findIndex((byte, j) => memory[at + j] !== byte) ?? -1;
      if (changed >= 0) expect.fail(`${label}: byte ${changed} of ${nameOf(i)}, an input, was changed`);
      const next = this.#blocks[i + 1]?.at ?? at + bytes + GUARD;
      for (let p = at + bytes; p < next; p++) {
        if (memory[p] !== 0xff)
          expect.fail(
            `${label}: byte ${p - at} of ${nameOf(i)} was written, which has ${bytes} bytes; ${nameOf(i + 1)} follows`,
          );
      }
    });
    for (let p = FIRST - GUARD; p < FIRST; p++) {
      if (memory[p] !== 0xff) expect.fail(`${label}: byte -${FIRST - p} of ${nameOf(0)} was written`);
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
