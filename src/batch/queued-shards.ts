/** Which shards a queue has, and in which state. */
import type { ShardTime } from './pace.ts';

/** A shard that was set aside after its last attempt. */
export interface FailedShard {
  readonly part: number;
  readonly reason: string;
}

export type ShardState =
  | { readonly state: 'waiting' }
  /** `start` in milliseconds since 1970. */
  | { readonly state: 'running'; readonly start: number }
  | { readonly state: 'failed'; readonly reason: string };

/** The shards of a queue. */
export interface QueuedShards {
  /** By their parts: each is in one state. */
  readonly shards: ReadonlyMap<number, ShardState>;
  /** How long workers had the last that are done. */
  readonly done: readonly ShardTime[];
}

/** How many shards are in each state. */
export interface ShardCounts {
  readonly waiting: number;
  readonly running: number;
  /** Those that the queue does not have. */
  readonly lost: number;
  readonly failed: readonly FailedShard[];
}

/**
 * Counts shards without a part. A queue may also have some that are done: it is told a little later, or was filled again.
 * @param left the parts that are not there
 * @param queued undefined without a queue: then all wait
 */
export function countByState(
  left: readonly number[],
  queued: ReadonlyMap<number, ShardState> | undefined,
): ShardCounts {
  if (!queued) return { waiting: left.length, running: 0, lost: 0, failed: [] };
  const counts = { waiting: 0, running: 0, lost: 0 };
  const failed: FailedShard[] = [];
  for (const part of left) {
    const shard = queued.get(part);
    if (shard?.state === 'failed') failed.push({ part, reason: shard.reason });
    else counts[shard?.state ?? 'lost']++;
  }
  return { ...counts, failed };
}
