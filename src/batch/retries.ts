/** What may pass is tried again, after pauses that double and vary, so that many workers do not come back at once. */
import { setTimeout as wait } from 'node:timers/promises';

export interface Pauses {
  /** The pause before the second attempt; each further one is twice as long. */
  readonly pauseMs: number;
  readonly longestMs: number;
}

export interface Retries extends Pauses {
  readonly attempts: number;
}

export const STORAGE_RETRIES: Retries = { attempts: 8, pauseMs: 200, longestMs: 20_000 };

/** The pause after so many attempts, before chance makes it shorter. */
export const longestPause = (attempts: number, { pauseMs, longestMs }: Pauses): number =>
  Math.min(longestMs, pauseMs * 2 ** (attempts - 1));

/** Waits, in milliseconds; ends early if the signal is aborted. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  wait(ms, undefined, signal && { signal }).catch(() => {});

/** A server may ask for a longer pause than this: then the picture or shard has to wait for another day. */
const LONGEST_ASKED_S = 30;

/** An error after which another attempt may succeed. */
export class PassingError extends Error {
  /** What the server asks to wait, in seconds. */
  readonly after: number | undefined;

  constructor(message: string, { after, ...options }: ErrorOptions & { readonly after?: number | undefined } = {}) {
    super(message, options);
    this.after = after;
  }
}

/**
 * Calls `attempt` until it succeeds, or fails with anything but a `PassingError`.
 * @throws what the last attempt threw; the signal's reason
 */
export async function retried<T>(
  attempt: () => Promise<T>,
  signal?: AbortSignal,
  { attempts, ...pauses }: Retries = STORAGE_RETRIES,
): Promise<T> {
  for (let n = 1; ; n++) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof PassingError) || n >= attempts || (error.after ?? 0) > LONGEST_ASKED_S) throw error;
      const longest = longestPause(n, pauses);
      // "Full jitter": anywhere between nothing and the pause. Nothing that is computed depends on it.
      const ms = Math.max(1000 * (error.after ?? 0), Math.random() * longest);
      await pause(ms, signal); // an aborted signal throws above
    }
  }
}
