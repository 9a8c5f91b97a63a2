/**
 * A pool of worker threads on one shared memory. Every thread has the same stateless kernels; a call is cut into parts
 * that write different places, so the bits are those of one thread. Between calls the threads sleep. What is in the control
 * block, and what a worker does with it, is in worker-source.ts.
 */
import { maySleep, processors } from '#platform';
import { ClipError } from '../../errors.ts';
import { instantiateKernels, type Kernels, type Pointer } from '../kernels.ts';
import { behind, kernelNumber, runPart, runProgram, writeStep } from './program.ts';
import {
  ARGUMENTS,
  CONTROL_BYTES,
  CONTROL_WORDS,
  END,
  PROGRAM,
  STEP_WORDS,
  type THREADED_KERNELS,
} from './worker-source.ts';

/** A running worker, as the platform gives it. It must not keep the process alive. */
export interface Thread {
  /** Called once, when the worker has ended for whatever reason. */
  onExit(listener: () => void): void;
  stop(): void;
}

/** Starts a worker on WORKER_SOURCE (worker-source.ts) with this message. */
export type StartThread = (message: object) => Thread;

export type ThreadedKernel = (typeof THREADED_KERNELS)[number]['name'];

/** Parts that a call may be cut into, a thread: few calls have work for so many (`ranges` in threaded-kernels.ts). */
const PARTS_A_THREAD = 12;
/** The claim has eight bits for a part. */
const MOST_PARTS = 255;

/** Into how many parts a call is cut at most. */
export const partsFor = (threads: number): number => Math.min(MOST_PARTS, threads * PARTS_A_THREAD);

/**
 * Looks at the claim before a thread sleeps: some 100 microseconds, longer than what lies between two steps.
 * Where there are more threads than processors, whoever looks holds up whoever works: they sleep at once.
 */
const SPINS = 20_000;

/** After so long without an answer a worker counts as dead; the longest kernel takes a hundredth of it. */
const PATIENCE_MS = 10_000;

export class ThreadPool {
  readonly threads: number;
  /** The kernels on the caller's own thread. */
  readonly own: Kernels;
  readonly #start: StartThread;
  readonly #message: object;
  readonly #state: Int32Array;
  /** The first word of a single step. */
  readonly #single: number;
  /** The whole memory as f64: where programs are. */
  readonly words: Float64Array;
  readonly #patience: number;
  readonly #spins: number;
  #workers: Thread[] = [];
  #broken = false;
  #stopped = false;

  /**
   * Starts `threads - 1` workers; the caller's thread is the first.
   * @param control start of `ThreadPool.controlBytes(threads)` bytes of `memory`, a multiple of 8
   * @param scratchBytes bytes of scratch a thread: the scratch that is passed to a kernel is the first thread's
   * @param patienceMs after so long without an answer a worker counts as dead
   */
  constructor(
    start: StartThread,
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    control: Pointer,
    threads: number,
    scratchBytes: number,
    patienceMs = PATIENCE_MS,
  ) {
    this.threads = threads;
    this.own = instantiateKernels(module, memory);
    this.#start = start;
    this.#patience = patienceMs;
    this.#spins = threads <= processors() ? SPINS : 0;
    this.#state = new Int32Array(memory.buffer, control, CONTROL_WORDS);
    this.#single = (control + CONTROL_BYTES) / 8;
    this.words = new Float64Array(memory.buffer);
    this.#message = { module, memory, control, spins: this.#spins, scratchBytes };
    this.#startThreads();
  }

  static controlBytes(threads: number): number {
    return CONTROL_BYTES + (STEP_WORDS + partsFor(threads) * ARGUMENTS + 1) * 8;
  }

  /**
   * Runs one kernel, given the arguments of each part (at most `partsFor(threads)`).
   * @throws ClipError WORKER if a worker died with a part, or a kernel failed
   */
  run(kernel: ThreadedKernel, parts: readonly (readonly number[])[]): void {
    if (parts.length > 1) this.#runSingle(kernelNumber(kernel), parts);
    else for (const part of parts) (this.own[kernel] as (...args: readonly number[]) => void)(...part);
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
   * @throws ClipError WORKER as `run`
   */
  runPrograms(programs: readonly Pointer[]): void {
    this.#runSingle(PROGRAM, programs.map((at) => [at / 8])); // biome-ignore format: one line
  }

  #runSingle(kernel: number, parts: readonly (readonly number[])[]): void {
    this.words[writeStep(this.words, this.#single, kernel, parts)] = END;
    this.#runSteps(this.#single);
  }

  /** Puts up the first step, and works on all of them until there is none left. */
  #runSteps(first: number): void {
    const state = this.#state;
    this.#putUp(first, state[0]!);
    for (let idle = 0, seen = 0; ; ) {
      const claim = Atomics.load(state, 0);
      const parts = (claim >> 8) & 255;
      const part = claim & 255;
      if (parts === 0) break;
      if (part >= parts) {
        if (claim !== seen) idle = 0;
        seen = claim;
        if (++idle > this.#spins) this.#sleep(claim);
        continue;
      }
      if (Atomics.compareExchange(state, 0, claim, claim + 1) !== claim) continue;
      const step = state[2]!;
      try {
        if (this.words[step] === PROGRAM) runProgram(this.own, this.words, this.words[step + STEP_WORDS + part]!);
        else runPart(this.own, this.words, step, part);
      } catch {
        Atomics.store(state, 3, 1); // all steps are run to the end before anyone hears of it
      }
      if (Atomics.add(state, 1, 1) + 1 === parts) this.#putUp(behind(this.words, step), claim);
    }
    if (Atomics.exchange(state, 3, 0) !== 0) throw new ClipError('WORKER', 'a kernel failed');
  }

  /** The next step: its parts may be taken from now on. */
  #putUp(step: number, claim: number): void {
    const state = this.#state;
    const parts = this.words[step] === END ? 0 : this.words[step + 1]!;
    state[1] = 0;
    state[2] = step;
    Atomics.store(state, 0, (((claim >> 16) + 1) << 16) | (parts << 8));
    Atomics.notify(state, 0);
  }

  /** Waits until another step is put up. */
  #sleep(claim: number): void {
    const alive = Atomics.load(this.#state, 6);
    if (this.#changes(claim) || Atomics.load(this.#state, 6) !== alive) return;
    this.#broken = true;
    throw new ClipError('WORKER', 'a worker thread died at work; the next call starts new ones');
  }

  /** Waits until the claim is another one; false if patience ends first. A page's own thread only looks. */
  #changes(claim: number): boolean {
    const state = this.#state;
    if (maySleep()) return Atomics.wait(state, 0, claim, this.#patience) !== 'timed-out';
    const end = performance.now() + this.#patience;
    while (Atomics.load(state, 0) === claim) if (performance.now() > end) return false;
    return true;
  }

  /**
   * Resolves when all workers serve calls; starts new ones first if one has died.
   * @throws ClipError WORKER if they do not come up
   */
  async ready(): Promise<void> {
    if (this.#broken) this.#startThreads();
    const others = this.threads - 1;
    for (let waited = 0; Atomics.load(this.#state, 4) < others; waited++) {
      if (this.#broken || waited > this.#patience) {
        this.#broken = true;
        throw new ClipError('WORKER', `worker threads do not start: ${this.#state[4]} of ${others} came up`);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  #startThreads(): void {
    for (const thread of this.#workers) thread.stop();
    this.#broken = false;
    this.#state.fill(0);
    this.#workers = Array.from({ length: this.threads - 1 }, (_, i) => {
      const thread = this.#start({ ...this.#message, thread: i + 1 });
      thread.onExit(() => {
        if (!this.#stopped && this.#workers.includes(thread)) this.#broken = true;
      });
      return thread;
    });
  }

  /** Ends the workers. */
  stop(): void {
    this.#stopped = true;
    Atomics.store(this.#state, 5, 1);
    Atomics.add(this.#state, 0, 1 << 16); // another word, so that nobody goes on sleeping
    Atomics.notify(this.#state, 0);
    for (const thread of this.#workers) thread.stop();
  }
}
