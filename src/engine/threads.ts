/**
 * A pool of worker threads on one shared memory. Every thread has the same stateless kernels; a call is cut into parts
 * that write different places, so the bits are those of one thread. Between calls the threads sleep.
 */
import { processors } from '#platform';
import { ClipError } from '../errors.ts';
import { instantiateKernels, type Kernels, type Pointer } from './kernels.ts';
import { ARGUMENTS, CONTROL_BYTES } from './worker-source.ts';

/** A running worker, as the platform gives it. It must not keep the process alive. */
export interface Thread {
  /** Called once, when the worker has ended for whatever reason. */
  onExit(listener: () => void): void;
  stop(): void;
}

/** Starts a worker on WORKER_SOURCE (worker-source.ts) with this message. */
export type StartThread = (message: object) => Thread;

/** Kernels that are ever run by a worker. */
const KERNELS = [
  'gemmInt8',
  'gemmF32',
  'quantizeRows',
  'packRows',
  'layerNorm',
  'layerNormQuantize',
  'layerNormPack',
  'attention',
  'gatherInt8',
  'gatherF32',
  'depthwiseInt8',
  'depthwiseF32',
] as const satisfies readonly (keyof Kernels)[];
export type ThreadedKernel = (typeof KERNELS)[number];

/**
 * Looks at the turn before a thread sleeps: some 50 microseconds, longer than what lies between two kernels of a call.
 * Where there are more threads than processors, whoever looks holds up whoever works: they sleep at once.
 */
const SPINS = 20_000;

/** After so long without an answer a worker counts as dead; the longest kernel takes a hundredth of it. */
const PATIENCE_MS = 10_000;

export class ThreadPool {
  readonly count: number;
  readonly #start: StartThread;
  readonly #module: WebAssembly.Module;
  readonly #memory: WebAssembly.Memory;
  readonly #control: Pointer;
  readonly #state: Int32Array;
  readonly #arguments: Float64Array;
  readonly #own: Kernels;
  readonly #patience: number;
  readonly #spins: number;
  #threads: Thread[] = [];
  #broken = false;
  #stopped = false;

  /**
   * Starts `count - 1` workers; the caller's thread is the first of `count`.
   * @param control start of `ThreadPool.controlBytes(count)` bytes of `memory`, a multiple of 8
   * @param patienceMs after so long without an answer a worker counts as dead
   */
  constructor(
    start: StartThread,
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    control: Pointer,
    count: number,
    patienceMs = PATIENCE_MS,
  ) {
    this.#patience = patienceMs;
    this.#spins = count <= processors() ? SPINS : 0;
    this.count = count;
    this.#start = start;
    this.#module = module;
    this.#memory = memory;
    this.#control = control;
    this.#state = new Int32Array(memory.buffer, control, 5);
    this.#arguments = new Float64Array(memory.buffer, control + CONTROL_BYTES, ARGUMENTS * count);
    this.#own = instantiateKernels(module, memory);
    this.floats = new Float32Array(memory.buffer);
    this.#startThreads();
  }

  static controlBytes(count: number): number {
    return CONTROL_BYTES + count * ARGUMENTS * 8;
  }

  /** The whole memory as f32. */
  readonly floats: Float32Array;

  /** The kernels on the caller's own thread. */
  get own(): Kernels {
    return this.#own;
  }

  /** Runs one kernel with a list of arguments a thread, fewer lists than threads if there is less to do. */
  run(kernel: ThreadedKernel, parts: readonly (readonly number[])[]): void {
    const call = this.#own[kernel] as (...args: number[]) => void;
    if (parts.length < 2) {
      for (const part of parts) call(...part);
      return;
    }
    if (this.#broken) throw new ClipError('WORKER', 'a worker thread died');
    const state = this.#state;
    // A thread without a part gets one of no rows: cheaper than a barrier that knows who takes part.
    for (let thread = 1; thread < this.count; thread++) {
      this.#arguments.set(parts[thread] ?? NOTHING, thread * ARGUMENTS);
    }
    state[1] = 0;
    state[2] = KERNELS.indexOf(kernel);
    Atomics.add(state, 0, 1);
    Atomics.notify(state, 0);
    call(...parts[0]!);
    this.#await();
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
        throw new ClipError(
          'WORKER',
          `worker threads do not start: ${Atomics.load(this.#state, 4)} of ${others} came up`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  #await(): void {
    const state = this.#state;
    const others = this.count - 1;
    for (let i = 0; i < this.#spins && Atomics.load(state, 1) < others; i++);
    for (let done = Atomics.load(state, 1); done < others; done = Atomics.load(state, 1)) {
      if (Atomics.wait(state, 1, done, this.#patience) === 'timed-out') {
        this.#broken = true;
        throw new ClipError(
          'WORKER',
          `a worker thread died: ${others - done} of ${others} gave no answer; the next call starts new ones`,
        );
      }
    }
    if (Atomics.exchange(state, 3, 0) !== 0) throw new ClipError('WORKER', 'a kernel failed in a worker thread');
  }

  #startThreads(): void {
    for (const thread of this.#threads) thread.stop();
    this.#broken = false;
    this.#state.fill(0);
    const { count } = this;
    this.#threads = Array.from({ length: count - 1 }, (_, i) => {
      const thread = this.#start({
        module: this.#module,
        memory: this.#memory,
        control: this.#control,
        thread: i + 1,
        names: KERNELS,
        spins: this.#spins,
      });
      thread.onExit(() => {
        if (!this.#stopped && this.#threads.includes(thread)) this.#broken = true;
      });
      return thread;
    });
  }

  /** Ends the workers. */
  stop(): void {
    this.#stopped = true;
    Atomics.store(this.#state, 2, -1);
    Atomics.add(this.#state, 0, 1);
    Atomics.notify(this.#state, 0);
    for (const thread of this.#threads) thread.stop();
  }
}

/** Arguments of a part with nothing to do: no rows, no columns, no heads. */
const NOTHING: readonly number[] = Array(ARGUMENTS).fill(0);
