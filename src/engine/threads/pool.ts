/**
 * A pool of worker threads on one shared memory. Every thread has the same stateless kernels; a call is cut into parts
 * that write different places, so the bits are those of one thread. Between calls the threads sleep.
 */
import { maySleep, processors } from '#platform';
import { ClipError } from '../../errors.ts';
import type { StartThread, Thread } from '../../platform/platform.ts';
import { type Call, type KernelExports, type Kernels, namedKernels } from '../calls.ts';
import { kernelExports, type Pointer } from '../kernels.ts';
import { CONTROL, CONTROL_BYTES, CONTROL_WORDS, partsFor } from './control.ts';
import { Patience } from './patience.ts';
import {
  behind,
  END,
  MOST_ARGUMENTS,
  PROGRAM,
  runPart,
  STEP_WORDS,
  type ThreadedKernel,
  writePrograms,
  writeStep,
} from './steps.ts';
import { WORKER_SOURCE } from './worker-source.ts';

/**
 * How often a thread looks at the claim before it sleeps: some 100 microseconds, longer than the time between two steps.
 * With more threads than processors, a thread that spins delays one that works: they sleep at once.
 */
const SPINS = 20_000;

/** A worker that finishes no kernel for this long counts as dead, unless the caller's own kernels are slow (patience.ts). */
const PATIENCE_MS = 1000;
/** The patience is waited in slices, as a process that was suspended finds one wait timed out at once. */
const SLICES = 5;
/** As it is when this module loads: a test runner's fake timers would never let the workers start. */
const realTimeout = globalThis.setTimeout;

/** Workers get this long to start. */
const START_MS = 10_000;

export interface PoolOptions {
  /** Threads of the pool; the caller's is the first. */
  readonly threads: number;
  /** Starts a worker. */
  readonly start: StartThread;
  readonly module: WebAssembly.Module;
  /** Shared memory. */
  readonly memory: WebAssembly.Memory;
  /** Start of `ThreadPool.controlBytes(threads)` bytes of the memory, a multiple of 8. */
  readonly control: Pointer;
  /** Bytes of scratch for each thread: the scratch that is passed to a kernel is the first thread's. */
  readonly scratchBytes: number;
  /** Milliseconds without progress after which a worker counts as dead. Default 1000. */
  readonly patienceMs?: number;
  /** Milliseconds for workers to start. Default 10,000. */
  readonly startMs?: number;
}

export class ThreadPool {
  readonly threads: number;
  /** The kernels on the caller's own thread. */
  readonly own: Kernels;
  /** The whole memory as f64: where programs are. */
  readonly words: Float64Array;
  readonly #exports: KernelExports;
  readonly #start: StartThread;
  readonly #message: object;
  readonly #state: Int32Array;
  /** The first word of a single step. */
  readonly #single: number;
  readonly #patience: Patience;
  readonly #startMs: number;
  readonly #spins: number;
  #workers: Thread[] = [];
  #startFailure: unknown;
  #broken = false;
  #stopped = false;

  /** Starts the workers; `ready` tells when they serve. */
  constructor(options: PoolOptions) {
    const {
      threads,
      start,
      module,
      memory,
      control,
      scratchBytes,
      patienceMs = PATIENCE_MS,
      startMs = START_MS,
    } = options;
    this.threads = threads;
    this.#exports = kernelExports(module, memory);
    this.own = namedKernels(this.#exports);
    this.#start = start;
    this.#patience = new Patience(patienceMs);
    this.#startMs = startMs;
    this.#spins = threads <= processors() ? SPINS : 0;
    this.#state = new Int32Array(memory.buffer, control, CONTROL_WORDS);
    this.#single = (control + CONTROL_BYTES) / 8;
    this.words = new Float64Array(memory.buffer);
    this.#message = { kind: 'start', module, memory, control, spins: this.#spins, scratchBytes };
    this.#startThreads();
  }

  static controlBytes(threads: number): number {
    return CONTROL_BYTES + (STEP_WORDS + partsFor(threads) * MOST_ARGUMENTS + 1) * 8;
  }

  /**
   * Runs one kernel, given its parts (at most `partsFor(threads)`).
   * @throws ClipError WORKER if a worker died with a part, or a kernel failed
   */
  run<K extends ThreadedKernel>(kernel: K, parts: readonly Call<K>[]): void {
    if (parts.length > 1) {
      this.words[writeStep(this.words, this.#single, kernel, parts)] = END;
      this.#runSteps(this.#single);
    } else {
      const own: (call: Call<K>) => void = this.own[kernel];
      for (const part of parts) own(part);
    }
  }

  /**
   * Runs the program (program.ts) whose first word is at this address, step after step, each on all threads.
   * @throws ClipError WORKER as `run`
   */
  runProgram(at: Pointer): void {
    this.#runSteps(at / 8);
  }

  /**
   * Runs programs of steps of one part side by side, each on one thread; at most `partsFor(threads)`. Each brings the scratch
   * that its kernels use.
   * @returns for each program, whether it ran to its end: one whose worker died, or whose kernel failed, did not
   */
  runPrograms(programs: readonly Pointer[]): boolean[] {
    const state = this.#state;
    const first = CONTROL.finished;
    state.fill(0, first, first + programs.length);
    this.words[
      writePrograms(
        this.words,
        this.#single,
        programs.map((at) => at / 8),
      )
    ] = END;
    try {
      this.#runSteps(this.#single);
    } catch (error) {
      if (!(error instanceof ClipError && error.code === 'WORKER')) throw error;
    }
    return programs.map((_, part) => Atomics.load(state, first + part) === 1);
  }

  /** Publishes the first step, and works on all of them until there is none left. */
  #runSteps(first: number): void {
    const state = this.#state;
    this.#publish(first, state[CONTROL.claim]!);
    for (let idle = 0, seen = 0; ; ) {
      const claim = Atomics.load(state, CONTROL.claim);
      const parts = (claim >> 8) & 255;
      const part = claim & 255;
      if (parts === 0) break;
      if (part >= parts) {
        if (claim !== seen) idle = 0;
        seen = claim;
        if (++idle > this.#spins) this.#sleep(claim);
        continue;
      }
      if (Atomics.compareExchange(state, CONTROL.claim, claim, claim + 1) !== claim) continue;
      const step = state[CONTROL.step]!;
      try {
        this.#runOwn(step, part);
      } catch {
        Atomics.store(state, CONTROL.failed, 1); // the other parts still run to their end
      }
      if (Atomics.add(state, CONTROL.done, 1) + 1 === parts) this.#publish(behind(this.words, step), claim);
    }
    if (Atomics.exchange(state, CONTROL.failed, 0) !== 0) throw new ClipError('WORKER', 'a kernel failed');
  }

  /** A part on the caller's thread: of a kernel, or a program. */
  #runOwn(step: number, part: number): void {
    const { words } = this;
    if (words[step] !== PROGRAM) {
      this.#runTimed(step, part);
      return;
    }
    for (let own = words[step + STEP_WORDS + part]!; words[own] !== END; own = behind(words, own))
      this.#runTimed(own, 0);
    Atomics.store(this.#state, CONTROL.finished + part, 1);
  }

  #runTimed(step: number, part: number): void {
    const start = performance.now();
    runPart(this.#exports, this.words, step, part);
    this.#patience.add(performance.now() - start);
  }

  /** Makes the parts of a step available. */
  #publish(step: number, claim: number): void {
    const state = this.#state;
    const parts = this.words[step] === END ? 0 : this.words[step + 1]!;
    state[CONTROL.done] = 0;
    state[CONTROL.step] = step;
    Atomics.store(state, CONTROL.claim, (((claim >> 16) + 1) << 16) | (parts << 8));
    Atomics.notify(state, CONTROL.claim);
  }

  /**
   * Waits until another step is published.
   * @throws ClipError WORKER if no thread makes progress
   */
  #sleep(claim: number): void {
    const { milliseconds } = this.#patience;
    const alive = Atomics.load(this.#state, CONTROL.alive);
    for (let slice = 0; slice < SLICES; slice++) {
      if (this.#changes(claim, milliseconds / SLICES)) return;
      if (Atomics.load(this.#state, CONTROL.alive) !== alive) return;
    }
    this.#broken = true;
    throw new ClipError('WORKER', 'a worker thread died at work; the next call starts new ones');
  }

  /** Waits until the claim changes; false if the time ends first. A page's own thread may not sleep and only looks. */
  #changes(claim: number, milliseconds: number): boolean {
    const state = this.#state;
    if (maySleep()) return Atomics.wait(state, CONTROL.claim, claim, milliseconds) !== 'timed-out';
    const end = performance.now() + milliseconds;
    while (Atomics.load(state, CONTROL.claim) === claim) if (performance.now() > end) return false;
    return true;
  }

  /**
   * Resolves when all workers serve calls; starts new ones first if one has died.
   * @throws ClipError WORKER if they do not start
   */
  async ready(): Promise<void> {
    if (this.#broken) this.#startThreads();
    const others = this.threads - 1;
    for (let waited = 0; Atomics.load(this.#state, CONTROL.started) < others; waited++) {
      if (this.#broken || waited > this.#startMs) {
        this.#broken = true;
        const cause = this.#startFailure;
        const why = cause === undefined ? '' : `: ${cause instanceof Error ? cause.message : String(cause)}`;
        throw new ClipError(
          'WORKER',
          `worker threads do not start: ${this.#state[CONTROL.started]} of ${others} did${why}`,
          { cause },
        );
      }
      await new Promise((resolve) => realTimeout(resolve, 1));
    }
  }

  #startThreads(): void {
    for (const thread of this.#workers) thread.stop();
    this.#workers = [];
    this.#broken = false;
    this.#startFailure = undefined;
    this.#state.fill(0);
    try {
      for (let i = 1; i < this.threads; i++) this.#startThread(i);
    } catch (error) {
      this.#startFailure = error;
      this.#broken = true;
    }
  }

  /** Those after the pool's own number never attend to steps. */
  #startThread(number: number): void {
    const thread = this.#start({ ...this.#message, thread: number, attends: number < this.threads }, WORKER_SOURCE);
    this.#workers.push(thread);
    thread.onExit(() => {
      if (!this.#stopped && this.#workers.includes(thread)) this.#broken = true;
    });
  }

  /** Whether a worker has died, so that the next `ready` starts new ones. */
  get broken(): boolean {
    return this.#broken;
  }

  /**
   * A worker for each thread of the pool that reads its messages, until `resumeSteps`. The last is there for messages alone: the
   * caller's thread hands out work meanwhile, and does none. Steps that come nevertheless run on the caller's thread.
   * @throws what starting that worker throws
   */
  leaveSteps(): readonly Thread[] {
    this.listener();
    Atomics.store(this.#state, CONTROL.listen, 1);
    this.#wake();
    return [...this.#workers];
  }

  /** Calls the workers back to the steps. */
  resumeSteps(): void {
    Atomics.store(this.#state, CONTROL.listen, 0);
    for (const thread of this.#workers.slice(0, this.threads - 1)) thread.post({ kind: 'attend' });
  }

  /** The worker that is there for messages alone. @throws what starting it throws */
  listener(): Thread {
    if (this.#workers.length < this.threads) this.#startThread(this.threads);
    return this.#workers[this.threads - 1]!;
  }

  /** Ends the workers. */
  stop(): void {
    this.#stopped = true;
    Atomics.store(this.#state, CONTROL.stop, 1);
    this.#wake();
    for (const thread of this.#workers) thread.stop();
  }

  /** Makes workers that sleep look at the control block. */
  #wake(): void {
    Atomics.add(this.#state, CONTROL.claim, 1 << 16); // another word, so that nobody goes on sleeping
    Atomics.notify(this.#state, CONTROL.claim);
  }
}
