/** A batch that flows over threads: each takes the next picture as soon as it is free, so a huge one keeps nobody waiting. */

import type { TakenImage } from '../image/input.ts';
import type { Lookahead } from '../lookahead.ts';
import type { PictureThread, Preparation } from './picture-thread.ts';
import type { BatchSlot } from './protocol.ts';

/** What a batch reads ahead: a picture, or the crop of one, u8[size, size, 3]. */
export type ReadPicture = TakenImage | Uint8Array;

/** The threads that a batch flows over (picture-threads.ts). */
export interface FlowThreads {
  readonly usable: boolean;
  readonly broken: boolean;
  withAll(use: (threads: readonly PictureThread[]) => Promise<void>): Promise<boolean>;
}

export interface FlowParts {
  readonly threads: FlowThreads;
  readonly ahead: Pick<Lookahead<unknown, ReadPicture>, 'shift' | 'head' | 'isOver'>;
  readonly preparation: Preparation;
  /** Stops what is at work. */
  readonly signal: AbortSignal;
  /** Checks an embedding, as a thread computed it, and makes it the caller's. */
  take(embedding: Float32Array): Float32Array;
}

/** Results that wait at most, for a picture before them: some megabytes. */
const MOST_WAITING = 1024;

export class PictureFlow {
  /** Pictures that are done and not delivered, by their position. */
  readonly #outcomes = new Map<number, PromiseSettledResult<Float32Array>>();
  /** Position of the next picture. */
  #next = 0;
  readonly #parts: FlowParts;
  #refused = false;
  /** Whether the consumer waits: only then more is done than there are threads. */
  #wanted = false;
  /** What the next event resolves. */
  #event: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #watching = false;

  constructor(parts: FlowParts) {
    this.#parts = parts;
  }

  /** Whether threads can take pictures. */
  get usable(): boolean {
    return !this.#refused && this.#parts.threads.usable;
  }

  /** The outcome of a picture, once, if it is done. */
  take(index: number): PromiseSettledResult<Float32Array> | undefined {
    const outcome = this.#outcomes.get(index);
    this.#outcomes.delete(index);
    return outcome;
  }

  /**
   * Computes pictures until there are none that are ready, or other work waits for the model's memory and each thread has done
   * one. Resolves when all threads are at rest. Does nothing, and is not `usable` any more, if the threads cannot decode.
   * @param index position of the next picture
   * @param slots where each thread computes
   * @param isAwaited whether other work waits; `wake` is called when that changes
   */
  async run(index: number, slots: readonly BatchSlot[], isAwaited: () => boolean): Promise<void> {
    const { threads, signal } = this.#parts;
    this.#next = index;
    const served = await threads.withAll(async (all) => {
      let idle = 0;
      let over = false;
      const serve = async (thread: PictureThread, slot: BatchSlot) => {
        for (let done = 0; ; ) {
          const isLast = () => signal.aborted || threads.broken || (done > 0 && isAwaited());
          if (over || isLast()) break;
          const picture = this.#isRoom(slots.length) ? this.#parts.ahead.shift() : undefined;
          if (picture) {
            await this.#compute(this.#next++, picture, thread, slot);
            done++;
            continue;
          }
          idle++;
          if (idle === all.length) break;
          this.#watch(slots.length);
          await this.#nextEvent();
          idle--;
        }
        over = true;
        this.wake();
      };
      await Promise.all(all.map((thread, i) => serve(thread, slots[(i + 1) % slots.length]!)));
    });
    this.#refused ||= !served;
  }

  /** Resolves when something has changed for a consumer that waits for its picture; rejects as `running` does. */
  async progress(running: Promise<void>): Promise<void> {
    this.#wanted = true;
    this.wake(); // there is room for more now
    try {
      await Promise.race([running, this.#nextEvent()]);
    } finally {
      this.#wanted = false;
    }
  }

  /** Something has changed: threads that wait look again. */
  wake(): void {
    this.#event?.resolve();
    this.#event = undefined;
  }

  #nextEvent(): Promise<void> {
    if (!this.#event) {
      let resolve = () => {};
      const promise = new Promise<void>((resolved) => {
        resolve = resolved;
      });
      this.#event = { promise, resolve };
    }
    return this.#event.promise;
  }

  #isRoom(threads: number): boolean {
    return this.#outcomes.size < (this.#wanted ? MOST_WAITING : threads);
  }

  /** Wakes those who wait when the next picture is ready. */
  #watch(threads: number): void {
    const { ahead } = this.#parts;
    if (this.#watching || ahead.isOver || !this.#isRoom(threads)) return;
    this.#watching = true;
    void ahead.head().then(() => {
      this.#watching = false;
      this.wake();
    });
  }

  async #compute(
    index: number,
    picture: PromiseSettledResult<ReadPicture>,
    thread: PictureThread,
    slot: BatchSlot,
  ): Promise<void> {
    const { preparation, signal, take } = this.#parts;
    try {
      if (picture.status === 'rejected') throw picture.reason;
      const embedding = await thread.take(picture.value, preparation, slot, signal);
      this.#outcomes.set(index, { status: 'fulfilled', value: take(embedding as Float32Array) });
    } catch (reason) {
      this.#outcomes.set(index, { status: 'rejected', reason });
    }
    this.wake();
  }
}
