/** What hands shards to workers. */
import type { ShardPlace } from './plan.ts';
import type { ShardResult } from './work.ts';

/** Computes a shard; a failure that is not the signal's is tried again. */
export type ShardHandler = (place: ShardPlace, signal: AbortSignal) => Promise<ShardResult>;

/** A worker that is silent for so long loses its shard. */
export const LOCK_MS = 30_000;

export interface WorkOptions {
  /** How long a worker may be silent before its shard is given to another. Default 30 s. */
  readonly lockMs?: number;
  readonly onDone?: (place: ShardPlace, result: ShardResult) => void;
  /** A shard failed: for good, or it will be tried again. */
  readonly onFailed?: (part: number, error: unknown, isLast: boolean) => void;
  /** The queue could not be reached for the moment. */
  readonly onTrouble?: (error: Error) => void;
}

/** A shard that was set aside after its last attempt. */
export interface FailedShard {
  readonly part: number;
  readonly reason: string;
}

export interface QueueStatus {
  readonly waiting: number;
  readonly running: number;
  readonly failed: readonly FailedShard[];
}

export interface BatchQueue {
  /** Adds shards; those that it has, or that are done, stay as they are. @throws ClipError IO */
  add(places: readonly ShardPlace[]): Promise<void>;
  /**
   * Works until nothing waits or runs anywhere, or until the signal: then the shard that is being computed is given back.
   * @throws ClipError IO
   */
  work(handler: ShardHandler, signal: AbortSignal, options?: WorkOptions): Promise<void>;
  status(): Promise<QueueStatus>;
  /**
   * Lets the shards that were set aside be tried again, and those that count as done but have no part.
   * @param lost the shards without a part
   * @returns how many
   */
  retry(lost: AsyncIterable<ShardPlace>): Promise<number>;
  close(): Promise<void>;
}

/** How often a shard is tried before it is set aside. */
export const ATTEMPTS = 5;
