/** The queue of a batch on one machine: the parts that are there say what is done. */
import { doneParts } from './parts.ts';
import { type Plan, readShards, type ShardPlace } from './plan.ts';
import { plannedParts } from './planned-parts.ts';
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
    for await (const place of placesLeft(this.#plan, this.#output)) {
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
    const done = await doneParts(this.#output, this.#plan.head.layout);
    const planned = done.filter(({ part }) => part < this.#plan.shards); // it may have grown since
    return { waiting: this.#plan.shards - planned.length, running: 0, failed: [] };
  }

  /** Every run tries what has no part. */
  async retry(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}
}

/** The shards of a plan that have no part. @throws ClipError IO, PLAN_FORMAT */
export async function* placesLeft(plan: Plan, output: Storage): AsyncGenerator<ShardPlace> {
  const { plan: now, parts } = await plannedParts(output, plan);
  const done = new Set(parts.map(({ part }) => part));
  for await (const { place } of readShards(output, now)) if (!done.has(place.part)) yield place;
}
