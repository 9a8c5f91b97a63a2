/** The queue of a batch on one machine: the parts that are there say what is done. */
import { type Plan, readShards, type ShardPlace } from './plan.ts';
import { plannedParts } from './planned-parts.ts';
import { ATTEMPTS, type BatchQueue, type ShardHandler, type WorkOptions } from './queue.ts';
import { PassingError, type Pauses, retried } from './retries.ts';
import type { Storage } from './storage.ts';

const PAUSES: Pauses = { pauseMs: 1000, longestMs: 30_000 };

export class LocalQueue implements BatchQueue {
  readonly #plan: Plan;
  readonly #output: Storage;
  readonly #pauses: Pauses;

  constructor(plan: Plan, output: Storage, pauses = PAUSES) {
    this.#plan = plan;
    this.#output = output;
    this.#pauses = pauses;
  }

  async work(
    handler: ShardHandler,
    signal: AbortSignal,
    { attempts = ATTEMPTS, ...events }: WorkOptions = {},
  ): Promise<void> {
    for await (const place of placesLeft(this.#plan, this.#output)) {
      if (signal.aborted) return;
      let attempt = 0;
      const work = async () => {
        attempt++;
        try {
          return await handler(place, signal);
        } catch (error) {
          if (signal.aborted) throw error;
          events.onFailed?.(place.part, error, attempt >= attempts);
          throw new PassingError((error as Error).message, { cause: error });
        }
      };
      try {
        events.onDone?.(place, await retried(work, signal, { ...this.#pauses, attempts }));
      } catch (error) {
        if (!signal.aborted && !(error instanceof PassingError)) throw error;
      }
    }
  }

  async close(): Promise<void> {}
}

/** The shards of a plan that have no part. @throws ClipError IO, PLAN_FORMAT */
async function* placesLeft(plan: Plan, output: Storage): AsyncGenerator<ShardPlace> {
  const { plan: now, parts } = await plannedParts(output, plan);
  const done = new Set(parts.map(({ part }) => part));
  for await (const { place } of readShards(output, now)) if (!done.has(place.part)) yield place;
}
