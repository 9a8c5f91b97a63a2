/** What hands shards to workers. */
import type { ShardPlace } from './plan.ts';
import type { ShardResult } from './work.ts';

/** Computes a shard; a failure that is not the signal's is tried again. */
export type ShardHandler = (place: ShardPlace, signal: AbortSignal) => Promise<ShardResult>;

/** A worker that is silent for so long loses its shard. */
export const LOCK_MS = 30_000;

/** How often a shard is tried by default. */
export const ATTEMPTS = 5;

export interface WorkOptions {
  /** How long a worker may be silent before its shard is given to another. Default 30 s. */
  readonly lockMs?: number;
  /** How often a shard is tried before it is set aside. Default 5. */
  readonly attempts?: number;
  readonly onDone?: (place: ShardPlace, result: ShardResult) => void;
  /** A shard failed: for good, or it will be tried again. */
  readonly onFailed?: (part: number, error: unknown, isLast: boolean) => void;
  /** The queue could not be reached for the moment. */
  readonly onTrouble?: (error: Error) => void;
}

export interface BatchQueue {
  /**
   * Works until nothing waits or runs anywhere, or until the signal: then the shard that is being computed is given back.
   * @throws ClipError IO
   */
  work(handler: ShardHandler, signal: AbortSignal, options?: WorkOptions): Promise<void>;
  close(): Promise<void>;
}
