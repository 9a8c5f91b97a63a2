/**
 * What the threads of a pool do with pictures, written down as programs. One picture: every kernel is cut into parts, and
 * the threads go from step to step by themselves. Several: each picture has a thread of its own, and nobody waits for anybody;
 * each has a seat, which is the tower's activations once more.
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
import type { EfficientNet } from './efficientnet.ts';
import type { VisionTransformer } from './vision-transformer.ts';

/** Puts the image tower on the activations of a seat. */
export type SeatTower = (engine: Engine) => VisionTransformer | EfficientNet;

/** A program and what it needs to be written anew. */
interface Written {
  readonly at: Pointer;
  readonly pixels: Pointer;
  readonly embedding: Pointer;
  record(variant: TileVariant): Program;
}

export class ImagePrograms {
  /** The first seat's picture on all threads. */
  readonly #together: Written;
  /** A picture at each seat, each on one thread. */
  readonly #apart: readonly Written[];
  /** The variant of the tile that the programs in memory have. */
  #variant: TileVariant | undefined;

  private constructor(together: Written, apart: readonly Written[]) {
    this.#together = together;
    this.#apart = apart;
  }

  /**
   * Reserves room for the programs.
   * @param towers the tower on each seat, one a thread; scratch of `scratch.bytes` bytes a thread begins at `scratch.at`
   * @param split `splitKernels`, which are loaded only where there are threads
   */
  static plan(
    plan: MemoryPlan,
    precision: Precision,
    towers: readonly SeatTower[],
    scratch: { readonly at: Pointer; readonly bytes: number },
    split: typeof splitKernels,
  ): ImagePrograms {
    const nowhere = new WebAssembly.Memory({ initial: 0 }); // what is written down touches no memory
    const write = (tower: SeatTower, threads: number, ownScratch: Pointer): Written => {
      const record = (variant: TileVariant) =>
        recordProgram((recorder) => {
          const kernels = threads > 1 ? split({ ...recorder, threads }) : recorder.own;
          const on = tower(new Engine(nowhere, kernels, precision, ownScratch, new TileAutotuner(variant)));
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
      write(towers[0]!, towers.length, scratch.at),
      towers.map((tower, i) => write(tower, 1, scratch.at + i * scratch.bytes)),
    );
  }

  /** Pictures that can be computed at once. */
  get size(): number {
    return this.#apart.length;
  }

  /** Where the crop of the picture at a seat goes, as at a tower's `pixels`. */
  pixels(seat: number): Pointer {
    return this.#apart[seat]!.pixels;
  }

  /**
   * The pictures in the first n batch slots to their embeddings, not normalised: one on all threads, several on one each.
   * @returns the embeddings' addresses; undefined for a picture that was lost with a worker that died
   * @throws ClipError WORKER if a single picture is lost
   */
  encode(pool: ThreadPool, n: number, variant: TileVariant): (Pointer | undefined)[] {
    this.#write(pool.words, variant);
    if (n === 1) {
      pool.runProgram(this.#together.at);
      return [this.#together.embedding];
    }
    const some = this.#apart.slice(0, n);
    const finished = pool.runPrograms(some.map(({ at }) => at));
    return some.map(({ embedding }, i) => (finished[i] ? embedding : undefined));
  }

  #write(words: Float64Array, variant: TileVariant): void {
    if (this.#variant === variant) return;
    for (const { at, record } of [this.#together, ...this.#apart]) words.set(record(variant), at / 8);
    this.#variant = variant;
  }
}
