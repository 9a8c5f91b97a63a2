/**
 * The image tower as recorded programs that the threads of a pool run. One picture: every kernel is split into parts, and
 * the threads advance from step to step without the caller. Several: each picture has a thread and a batch slot (activations)
 * of its own, and no thread waits for another.
 */
import type { Precision } from '../engine/arithmetic.ts';
import { TileAutotuner, type TileVariant } from '../engine/autotuning.ts';
import { Mode } from '../engine/calls.ts';
import { Engine } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import type { ThreadPool } from '../engine/threads/pool.ts';
import { type Program, recordProgram } from '../engine/threads/program.ts';
import type { splitKernels } from '../engine/threads/split.ts';
import type { ImageEncoder } from './tower.ts';

/** Puts the image tower on the activations of a batch slot. */
export type SlotEncoder = (engine: Engine) => ImageEncoder;

/** A program, and what it takes to record it again. */
interface Recorded {
  readonly at: Pointer;
  readonly pixels: Pointer;
  readonly embedding: Pointer;
  record(variant: TileVariant): Program;
}

export class ImagePrograms {
  /** The first batch slot's picture on all threads. */
  readonly #together: Recorded;
  /** Each batch slot's picture on one thread. */
  readonly #apart: readonly Recorded[];
  /** Room for an embedding that came from elsewhere, f32[embedDim]. */
  readonly received: Pointer;
  /** The variant of the tile in the programs that are in memory. */
  #variant: TileVariant | undefined;

  private constructor(together: Recorded, apart: readonly Recorded[], received: Pointer) {
    this.#together = together;
    this.#apart = apart;
    this.received = received;
  }

  /**
   * Reserves room for the programs.
   * @param encoders the tower on each batch slot, one per thread
   * @param scratch where the first thread's scratch begins, and bytes per thread
   * @param embedDim dimension of an embedding
   * @param split `splitKernels`, which are loaded only where there are threads
   */
  static plan(
    plan: MemoryPlan,
    precision: Precision,
    encoders: readonly SlotEncoder[],
    scratch: { readonly at: Pointer; readonly bytes: number },
    embedDim: number,
    split: typeof splitKernels,
  ): ImagePrograms {
    // Recorded calls touch no memory, and even an empty WebAssembly.Memory reserves gigabytes of address space.
    const nowhere = { buffer: new ArrayBuffer(0) } as WebAssembly.Memory;
    const reserve = (encoder: SlotEncoder, threads: number, ownScratch: Pointer): Recorded => {
      const record = (variant: TileVariant) =>
        recordProgram((recorder) => {
          const kernels = threads > 1 ? split({ ...recorder, threads }) : recorder.own;
          const on = encoder(new Engine(nowhere, kernels, precision, ownScratch, new TileAutotuner(variant)));
          return { pixels: on.pixels, embedding: on.encode() };
        });
      const { program, result } = record(Mode.none);
      return {
        ...result,
        at: plan.reserve('programs', program.length * 8),
        record: (variant) => record(variant).program,
      };
    };
    return new ImagePrograms(
      reserve(encoders[0]!, encoders.length, scratch.at),
      encoders.map((encoder, i) => reserve(encoder, 1, scratch.at + i * scratch.bytes)),
      plan.reserve('programs', embedDim * 4),
    );
  }

  /** Pictures that can be computed at once. */
  get size(): number {
    return this.#apart.length;
  }

  /** Where the crop of a batch slot's picture goes, as a tower's `pixels`. */
  pixels(batchSlot: number): Pointer {
    return this.#apart[batchSlot]!.pixels;
  }

  /** The addresses of a batch slot's picture on one thread. */
  slot(batchSlot: number): { readonly pixels: Pointer; readonly program: Pointer; readonly embedding: Pointer } {
    const { pixels, at, embedding } = this.#apart[batchSlot]!;
    return { pixels, program: at, embedding };
  }

  /**
   * The pictures in the first n batch slots to their embeddings, not normalized: one on all threads, several on one each.
   * @returns the embeddings' addresses; undefined for a picture that was lost with a worker that died
   * @throws ClipError WORKER if a single picture is lost
   */
  encode(pool: ThreadPool, n: number, variant: TileVariant): (Pointer | undefined)[] {
    this.write(pool.words, variant);
    if (n === 1) {
      pool.runProgram(this.#together.at);
      return [this.#together.embedding];
    }
    const some = this.#apart.slice(0, n);
    const finished = pool.runPrograms(some.map(({ at }) => at));
    return some.map(({ embedding }, i) => (finished[i] ? embedding : undefined));
  }

  /** Writes the programs for a variant of the tile, if those in memory are for another. No thread may be at work on them. */
  write(words: Float64Array, variant: TileVariant): void {
    if (this.#variant === variant) return;
    for (const { at, record } of [this.#together, ...this.#apart]) words.set(record(variant), at / 8);
    this.#variant = variant;
  }
}
