/**
 * When work runs: one picture or chunk of texts after the other, in the order of the calls, and the event loop turns in
 * between. A promise chain alone never leaves the microtask queue, so no timer, socket, message or abort would arrive.
 */

/**
 * Work may run this long before the event loop turns: half of a frame at 60 Hz. Measured with Node 20 on an idle loop, a turn
 * takes 5 us by `setImmediate`, 70 us by a `MessageChannel` and 1.3 ms by `setTimeout`: 0.1 % and 1 % of the time where there
 * is one of the first two.
 */
const TURN_AFTER_MS = 8;

/** When the event loop last turned for us, by `performance.now()`. */
let lastTurn = 0;
/** The turn that is awaited now: calls on several models share it. */
let turning: Promise<void> | undefined;

/**
 * Lets the event loop turn if 8 ms have passed since it last did. Called before each unit of work.
 * @throws the signal's reason if it is aborted, before or after the turn
 */
export async function yieldIfDue(signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const elapsed = performance.now() - lastTurn;
  // Cloudflare's clock stands still while code runs: there, every unit of work is followed by a turn.
  if (elapsed > 0 && elapsed < TURN_AFTER_MS) return;
  turning ??= macrotask().then(() => {
    lastTurn = performance.now();
    turning = undefined;
  });
  await turning;
  signal?.throwIfAborted();
}

/**
 * Resolves after the event loop has served what waits. `setImmediate` (Node, Deno, Bun) runs after timers and I/O;
 * `MessageChannel` (browsers, workerd) queues behind other tasks; `setTimeout` is all that is left in Vercel's
 * edge-runtime. Not `scheduler.yield`: Chromium resumes it ahead of timers, which would then never fire.
 */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    const { setImmediate, MessageChannel, setTimeout } = globalThis;
    // Next.js puts functions that throw in place of those that its edge runtime does not have.
    if (isReal(setImmediate) && succeeds(() => setImmediate(resolve))) return;
    if (isReal(MessageChannel) && succeeds(() => postTurn(new MessageChannel(), resolve))) return;
    setTimeout(resolve, 0);
  });
}

function postTurn({ port1, port2 }: MessageChannel, resolve: () => void): void {
  port1.onmessage = () => {
    port1.close(); // an open port keeps a Node process alive
    resolve();
  };
  port2.postMessage(0);
}

function succeeds(run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch {
    return false;
  }
}

/** Whether the runtime has this function. Fake timers of test runners carry a `clock`, and would wait for the test. */
function isReal(task: unknown): boolean {
  return typeof task === 'function' && !('clock' in task);
}

/** What the promise gives, or the signal's reason as soon as it is aborted. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => reject(signal.reason));
    promise.then(resolve, reject).finally(forget);
  });
}

/** Who waits for a signal, and the one listener for all: Node warns of a leak where a signal has more than ten. */
const waiting = new WeakMap<AbortSignal, { readonly callbacks: Set<() => void>; readonly listener: () => void }>();

/** Calls back when the signal is aborted, or now if it is. The returned function forgets about it. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  if (signal.aborted) {
    callback();
    return () => {};
  }
  let entry = waiting.get(signal);
  if (!entry) {
    const callbacks = new Set<() => void>();
    const listener = () => {
      for (const callback of callbacks) callback();
    };
    entry = { callbacks, listener };
    waiting.set(signal, entry);
    signal.addEventListener('abort', listener, { once: true });
  }
  const { callbacks, listener } = entry;
  callbacks.add(callback);
  return () => {
    // A listener that stayed would keep a signal of AbortSignal.any in memory.
    if (!callbacks.delete(callback) || callbacks.size > 0) return;
    signal.removeEventListener('abort', listener);
    waiting.delete(signal);
  };
}

/** The queue of one model: its memory holds one unit of work at a time. */
export class Scheduler {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** Called when work begins to wait: what runs may be of any length, and then comes to an end. */
  onWaiting: (() => void) | undefined;

  /** Whether work waits for what runs. */
  get isAwaited(): boolean {
    return this.#waiting > 0;
  }

  /**
   * Runs `work` after all that was given before; failures stay with their own callers.
   * @throws what `work` throws; the signal's reason as soon as it is aborted: work that waits is then skipped
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#waiting++;
    this.onWaiting?.();
    const result = this.#last.then(async () => {
      this.#waiting--;
      await yieldIfDue(signal);
      return work();
    });
    this.#last = result.catch(() => {});
    return untilAborted(result, signal);
  }
}
