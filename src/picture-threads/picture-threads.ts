/**
 * The workers of a pool as threads that each take a picture from its file to its embedding. The caller's own thread hands pictures
 * out and does none itself, so its event loop turns.
 */

import { pictureScript } from '#platform';
import type { ThreadPool } from '../engine/threads/pool.ts';
import { ClipError } from '../errors.ts';
import type { Script, Thread } from '../platform/platform.ts';
import { type FlowParts, PictureFlow } from './flow.ts';
import { PictureThread } from './picture-thread.ts';

/** A pool's threads for pictures. */
export class PictureThreads {
  readonly #pool: ThreadPool;
  readonly #known = new WeakMap<Thread, PictureThread>();
  #current: PictureThread[] = [];
  #script: Promise<Script> | undefined;
  #unusable = false;

  constructor(pool: ThreadPool) {
    this.#pool = pool;
  }

  /** False once a worker could not load what it needs: pictures are then decoded by the caller's thread. */
  get usable(): boolean {
    return !this.#unusable;
  }

  /** Bytes of the memories in which the workers decode, as of their last pictures. */
  get decoderBytes(): number {
    return this.#current.reduce((sum, { decoders }) => sum + decoders, 0);
  }

  /** Whether a worker has died. */
  get broken(): boolean {
    return this.#pool.broken;
  }

  /** A batch that will flow over the threads. */
  flow(parts: Omit<FlowParts, 'threads'>): PictureFlow {
    return new PictureFlow({ ...parts, threads: this });
  }

  /**
   * Calls every worker to pictures while `use` runs: the pool's programs must not run meanwhile.
   * @param use gets the threads, one for each of the pool, once all are ready
   * @returns false, without a call of `use`, if they cannot decode here
   */
  async withAll(use: (threads: readonly PictureThread[]) => Promise<void>): Promise<boolean> {
    const threads = await this.#open((pool) => pool.leaveSteps());
    if (!threads) {
      if (!this.#pool.broken) this.#pool.resumeSteps();
      return false;
    }
    try {
      await held(threads, () => use(threads));
    } finally {
      this.#pool.resumeSteps();
    }
    return true;
  }

  /**
   * Runs `use` with the thread that is there beside the pool's programs.
   * @returns what `use` returns; undefined, without a call of it, if the thread cannot decode here
   */
  async withOne<T>(use: (thread: PictureThread) => Promise<T>): Promise<T | undefined> {
    const threads = await this.#open((pool) => [pool.listener()]);
    return threads && held(threads, () => use(threads[0]!));
  }

  /** The threads of workers, ready; undefined if they cannot be used. */
  async #open(start: (pool: ThreadPool) => readonly Thread[]): Promise<readonly PictureThread[] | undefined> {
    if (this.#unusable) return undefined;
    try {
      this.#script ??= pictureScript();
      const script = await this.#script;
      const threads = start(this.#pool).map((thread) => this.#threadOf(thread, script));
      this.#current = [...new Set([...this.#current.filter((one) => !one.ended), ...threads])];
      await held(threads, () => Promise.all(threads.map(({ ready }) => ready)));
      return threads;
    } catch (error) {
      // A worker that died is another matter: the next call has new ones.
      if (!(error instanceof ClipError && error.code === 'WORKER')) this.#unusable = true;
      return undefined;
    }
  }

  #threadOf(thread: Thread, script: Script): PictureThread {
    let known = this.#known.get(thread);
    if (!known) {
      known = new PictureThread(thread, script);
      this.#known.set(thread, known);
    }
    return known;
  }

  /** The workers are ended: nothing more comes from them. */
  dispose(): void {
    for (const thread of this.#current) thread.fail(new ClipError('DISPOSED', 'this model was disposed of'));
  }
}

/** Keeps the process alive while the threads are waited for. */
async function held<T>(threads: readonly PictureThread[], use: () => Promise<T>): Promise<T> {
  for (const thread of threads) thread.hold(true);
  try {
    return await use();
  } finally {
    for (const thread of threads) thread.hold(false);
  }
}
