/**
 * Whole pictures on the threads of a pool, each by a thread of its own: nobody waits for anybody between two kernels. Each
 * picture has a seat, which is the tower's activations once more; what is done on a seat is written down as a program.
 */
import type { Precision } from '../engine/arithmetic.ts';
import { Engine } from '../engine/engine.ts';
import { Mode, type Pointer } from '../engine/kernels.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import { type Program, recordProgram } from '../engine/program.ts';
import type { ThreadPool } from '../engine/threads.ts';
import { type Form, TileTrial } from '../engine/tile-trial.ts';
import type { EfficientNet } from './efficientnet.ts';
import type { VisionTransformer } from './vision-transformer.ts';

/** Puts the image tower on the activations of a seat. */
export type SeatTower = (engine: Engine) => VisionTransformer | EfficientNet;

interface Seat {
  readonly pixels: Pointer;
  readonly embedding: Pointer;
  readonly program: Pointer;
  /** What the thread at this seat does, with this form of the tile. */
  record(form: Form): Program;
}

export class ImageBatch {
  readonly #seats: readonly Seat[];
  /** The form of the tile that the programs in memory have. */
  #written: Form | undefined;

  private constructor(seats: readonly Seat[]) {
    this.#seats = seats;
  }

  /**
   * Reserves room for the programs.
   * @param towers the tower on each seat; scratch of `scratch.bytes` bytes a seat begins at `scratch.at`
   */
  static plan(
    plan: MemoryPlan,
    precision: Precision,
    towers: readonly SeatTower[],
    scratch: { readonly at: Pointer; readonly bytes: number },
  ): ImageBatch {
    const nowhere = new WebAssembly.Memory({ initial: 0 }); // what is written down touches no memory
    const seats = towers.map((seatTower, i): Seat => {
      const record = (form: Form) =>
        recordProgram((kernels) => {
          const engine = new Engine(nowhere, kernels, precision, scratch.at + i * scratch.bytes, new TileTrial(form));
          const tower = seatTower(engine);
          return { pixels: tower.pixels, embedding: tower.encode() };
        });
      const { program, result } = record(Mode.none);
      return {
        ...result,
        program: plan.reserve('programs', program.length * 8),
        record: (form) => record(form).program,
      };
    });
    return new ImageBatch(seats);
  }

  /** Pictures that can be computed at once. */
  get size(): number {
    return this.#seats.length;
  }

  /** Where the crop of the picture at a seat goes, as at a tower's `pixels`. */
  pixels(seat: number): Pointer {
    return this.#seats[seat]!.pixels;
  }

  /**
   * The pictures at the first n seats to their embeddings, not normalised.
   * @throws ClipError WORKER
   */
  encode(pool: ThreadPool, n: number, form: Form): Pointer[] {
    this.#write(pool.words, form);
    const seats = this.#seats.slice(0, n);
    pool.runPrograms(seats.map(({ program }) => program));
    return seats.map(({ embedding }) => embedding);
  }

  #write(words: Float64Array, form: Form): void {
    if (this.#written === form) return;
    for (const { program, record } of this.#seats) words.set(record(form), program / 8);
    this.#written = form;
  }
}
