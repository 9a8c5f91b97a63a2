/**
 * A pool of worker threads on one shared memory. Every thread has the same stateless kernels; a call is cut into parts
 * that write different places, so the bits are those of one thread. Between calls the threads sleep.
 */
import { maySleep, processors } from '#platform';
import { ClipError } from '../errors.ts';
import { instantiateKernels, type Kernels, type Pointer } from './kernels.ts';
import { runProgram } from './program.ts';
import { ARGUMENTS, CONTROL_BYTES, CONTROL_WORDS, PROGRAM, THREADED_KERNELS } from './worker-source.ts';

/** A running worker, as the platform gives it. It must not keep the process alive. */
export interface Thread {
  /** Called once, when the worker has ended for whatever reason. */
  onExit(listener: () => void): void;
  stop(): void;
}

/** Starts a worker on WORKER_SOURCE (worker-source.ts) with this message. */
export type StartThread = (message: object) => Thread;

export type ThreadedKernel = (typeof THREADED_KERNELS)[number]['name'];

/** Parts that a call is cut into for each thread: enough that one who is held up leaves the rest to the others. */
const PARTS_A_THREAD = 4;
/** The claim has eight bits for a part. */
const MOST_PARTS = 255;

/** Into how many parts a call is cut at most. */
export const partsFor = (threads: number): number => Math.min(MOST_PARTS, threads * PARTS_A_THREAD);

/**
 * Looks at the claim before a thread sleeps: some 100 microseconds, longer than what lies between two kernels of a call.
 * Where there are more threads than processors, whoever looks holds up whoever works: they sleep at once.
 */
const SPINS = 20_000;

/** After so long without an answer a worker counts as dead; the longest kernel takes a hundredth of it. */
const PATIENCE_MS = 10_000;

export class ThreadPool {
  readonly count: number;
  /** The whole memory as f32. */
  readonly floats: Float32Array;
  /** The kernels on the caller's own thread. */
  readonly own: Kernels;
  readonly #start: StartThread;
  readonly #message: object;
  readonly #state: Int32Array;
  readonly #arguments: Float64Array;
  /** The whole memory as f64: where programs are. */
  readonly words: Float64Array;
  readonly #patience: number;
  readonly #spins: number;
  #threads: Thread[] = [];
  #broken = false;
  #stopped = false;

  /**
   * Starts `count - 1` workers; the caller's thread is the first of `count`.
   * @param control start of `ThreadPool.controlBytes(count)` bytes of `memory`, a multiple of 8
   * @param scratchBytes bytes of scratch a thread: the scratch that is passed to a kernel is the first thread's
   * @param patienceMs after so long without an answer a worker counts as dead
   */
  constructor(
    start: StartThread,
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    control: Pointer,
    count: number,
    scratchBytes: number,
    patienceMs = PATIENCE_MS,
  ) {
    this.count = count;
    this.floats = new Float32Array(memory.buffer);
    this.own = instantiateKernels(module, memory);
    this.#start = start;
    this.#patience = patienceMs;
    this.#spins = count <= processors() ? SPINS : 0;
    this.#state = new Int32Array(memory.buffer, control, CONTROL_WORDS);
    this.#arguments = new Float64Array(memory.buffer, control + CONTROL_BYTES, ARGUMENTS * partsFor(count));
    this.words = new Float64Array(memory.buffer);
    this.#message = { module, memory, control, spins: this.#spins, scratchBytes };
    this.#startThreads();
  }

  static controlBytes(count: number): number {
    return CONTROL_BYTES + partsFor(count) * ARGUMENTS * 8;
  }

  /**
   * Runs one kernel, given the arguments of each part (at most `partsFor(count)`).
   * @throws ClipError WORKER if a worker died with a part, or a kernel failed
   */
  run(kernel: ThreadedKernel, parts: readonly (readonly number[])[]): void {
    const number = THREADED_KERNELS.findIndex(({ name }) => name === kernel);
    this.#run(number, this.own[kernel] as (...args: number[]) => void, parts);
  }

  /**
   * Runs programs (program.ts) side by side, whose first words are at these addresses: at most `partsFor(count)`. Each brings
   * the scratch that its kernels use.
   * @throws ClipError WORKER as `run`
   */
  runPrograms(programs: readonly Pointer[]): void {
    const call = (at: number) => runProgram(this.own, this.words, at / 8);
    this.#run(PROGRAM, call, programs.map((at) => [at])); // biome-ignore format: one line
  }

  #run(number: number, call: (...args: number[]) => void, parts: readonly (readonly number[])[]): void {
    if (parts.length < 2) {
      for (const part of parts) call(...part);
      return;
    }
    const state = this.#state;
    parts.forEach((part, i) => {
      this.#arguments.set(part, i * ARGUMENTS);
    });
    state[1] = 0;
    state[2] = number;
    const turn = ((state[0]! >> 16) + 1) << 16;
    Atomics.store(state, 0, turn | (parts.length << 8));
    Atomics.notify(state, 0);
    for (;;) {
      const claim = Atomics.load(state, 0);
      const part = claim & 255;
      if (part >= parts.length) break;
      if (Atomics.compareExchange(state, 0, claim, claim + 1) !== claim) continue;
      try {
        call(...parts[part]!);
      } catch {
        Atomics.store(state, 3, 1); // the others finish what they took before anyone hears of it
      }
      Atomics.add(state, 1, 1);
    }
    this.#await(parts.length);
  }

  /** Waits until the parts that others took are done. */
  #await(parts: number): void {
    const state = this.#state;
    for (let i = 0; i < this.#spins && Atomics.load(state, 1) < parts; i++);
    for (let done = Atomics.load(state, 1); done < parts; done = Atomics.load(state, 1)) {
      const alive = Atomics.load(state, 6);
      if (!this.#changes(done) && Atomics.load(state, 6) === alive) {
        this.#broken = true;
        throw new ClipError('WORKER', 'a worker thread died at work; the next call starts new ones');
      }
    }
    if (Atomics.exchange(state, 3, 0) !== 0) throw new ClipError('WORKER', 'a kernel failed');
  }

  /** Waits until there are more parts done than so many; false if patience ends first. A page's own thread only looks. */
  #changes(done: number): boolean {
    const state = this.#state;
    if (maySleep()) return Atomics.wait(state, 1, done, this.#patience) !== 'timed-out';
    const end = performance.now() + this.#patience;
    while (Atomics.load(state, 1) === done) if (performance.now() > end) return false;
    return true;
  }

  /**
   * Resolves when all workers serve calls; starts new ones first if one has died.
   * @throws ClipError WORKER if they do not come up
   */
  async ready(): Promise<void> {
    if (this.#broken) this.#startThreads();
    const others = this.count - 1;
    for (let waited = 0; Atomics.load(this.#state, 4) < others; waited++) {
      if (this.#broken || waited > this.#patience) {
        this.#broken = true;
        throw new ClipError('WORKER', `worker threads do not start: ${this.#state[4]} of ${others} came up`);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  #startThreads(): void {
    for (const thread of this.#threads) thread.stop();
    this.#broken = false;
    this.#state.fill(0);
    this.#threads = Array.from({ length: this.count - 1 }, (_, i) => {
      const thread = this.#start({ ...this.#message, thread: i + 1 });
      thread.onExit(() => {
        if (!this.#stopped && this.#threads.includes(thread)) this.#broken = true;
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
    for (const thread of this.#threads) thread.stop();
  }
}
