/** The queue of a batch on one machine: the parts that are there say what is done. */
import { doneParts, partName } from './parts.ts';
import type { Plan, ShardPlace } from './plan.ts';
import { ATTEMPTS, type BatchQueue, type QueueStatus, type ShardHandler, type WorkOptions } from './queue.ts';
import { PassingError, type Retries, retried } from './retries.ts';
import type { Storage } from './storage.ts';

const RETRIES: Retries = { attempts: ATTEMPTS, pauseMs: 1000, longestMs: 30_000 };

export class LocalQueue implements BatchQueue {
  readonly #plan: Plan;
  readonly #output: Storage;
  readonly #retries: Retries;

  constructor(plan: Plan, output: Storage, retries = RETRIES) {
    this.#plan = plan;
    this.#output = output;
    this.#retries = retries;
  }

  async add(): Promise<void> {}

  async work(handler: ShardHandler, signal: AbortSignal, events: WorkOptions = {}): Promise<void> {
    for (const place of await shardsLeft(this.#plan, this.#output)) {
      if (signal.aborted) return;
      let attempt = 0;
      const work = async () => {
        attempt++;
        try {
          return await handler(place, signal);
        } catch (error) {
          if (signal.aborted) throw error;
          events.onFailed?.(place.part, error, attempt >= this.#retries.attempts);
          throw new PassingError((error as Error).message, { cause: error });
        }
      };
      try {
        events.onDone?.(place, await retried(work, signal, this.#retries));
      } catch (error) {
        if (!signal.aborted && !(error instanceof PassingError)) throw error;
      }
    }
  }

  async status(): Promise<QueueStatus> {
    return { waiting: (await shardsLeft(this.#plan, this.#output)).length, running: 0, failed: [] };
  }

  /** Every run tries what has no part. */
  async retry(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}
}

/** The shards of a plan that have no part. @throws ClipError IO */
export async function shardsLeft({ head, shards }: Plan, output: Storage): Promise<readonly ShardPlace[]> {
  const done = new Set((await doneParts(output, head.layout)).map(({ name }) => name));
  return shards.filter(({ part }) => !done.has(partName(head.layout, part)));
}
