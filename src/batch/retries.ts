/** What may pass is tried again, after pauses that double and vary, so that many workers do not come back at once. */

export interface Retries {
  readonly attempts: number;
  /** The pause before the second attempt; each further one is twice as long. */
  readonly pauseMs: number;
  readonly longestMs: number;
}

export const STORAGE_RETRIES: Retries = { attempts: 8, pauseMs: 200, longestMs: 20_000 };

/** A server may ask for a longer pause than this: then the picture or shard has to wait for another day. */
const LONGEST_ASKED_MS = 30_000;

/** An error after which another attempt may succeed. */
export class PassingError extends Error {
  /** What the server asks to wait, in milliseconds. */
  readonly afterMs: number | undefined;

  constructor(message: string, { afterMs, ...options }: ErrorOptions & { readonly afterMs?: number | undefined } = {}) {
    super(message, options);
    this.afterMs = afterMs;
  }
}

/**
 * Calls `attempt` until it succeeds, or fails with anything but a `PassingError`.
 * @throws what the last attempt threw; the signal's reason
 */
export async function retried<T>(
  attempt: () => Promise<T>,
  signal?: AbortSignal,
  { attempts, pauseMs, longestMs }: Retries = STORAGE_RETRIES,
): Promise<T> {
  for (let n = 1; ; n++) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof PassingError) || n >= attempts || (error.afterMs ?? 0) > LONGEST_ASKED_MS) throw error;
      const pause = Math.min(longestMs, pauseMs * 2 ** (n - 1));
      // "Full jitter": anywhere between nothing and the pause. Nothing that is computed depends on it.
      await wait(Math.max(error.afterMs ?? 0, Math.random() * pause), signal);
    }
  }
}

export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
