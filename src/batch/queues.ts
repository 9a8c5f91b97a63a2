/** The queue that a command line names, or that of one machine. */
import { resolve } from 'node:path';
import { counted } from '../counted.ts';
import { ClipError } from '../errors.ts';
import type { BullQueue } from './bull-queue.ts';
import { LocalQueue } from './local-queue.ts';
import type { Plan, ShardPlace } from './plan.ts';
import type { BatchQueue } from './queue.ts';
import type { QueuedBatch } from './queued-batches.ts';
import { isBucket, type Storage } from './storage.ts';

/**
 * @param url of Redis, Valkey or PostgreSQL. Default: this machine alone
 * @throws as `BullQueue.open`
 */
export async function openQueue(url: string | undefined, plan: Plan, output: Storage): Promise<BatchQueue> {
  return url === undefined ? new LocalQueue(plan, output) : openSharedQueue(url, plan.head.id);
}

/** @param id of the batch */
export async function openSharedQueue(url: string, id: string): Promise<BullQueue> {
  const { BullQueue } = await import('./bull-queue.ts');
  return BullQueue.open(url, queueName(id));
}

/** A batch's own: many batches may share a server. */
export const queueName = (id: string): string => `edgeclip-${id}`;

/** A batch as it is enqueued. */
export interface PlannedOutput {
  readonly id: string;
  readonly output: Storage;
  readonly endpoint?: string | undefined;
}

/** Adds a batch's shards to its queue, where workers find them. @throws as `BullQueue.open` */
export async function enqueue(url: string, batch: PlannedOutput, places: readonly ShardPlace[]): Promise<void> {
  const queue = await openSharedQueue(url, batch.id);
  try {
    await queue.add(places);
  } finally {
    await queue.close();
  }
  await announceBatch(url, batch);
}

/** Lets workers find a batch that know only the queue. @throws as `BullQueue.open` */
export async function announceBatch(url: string, { id, output, endpoint }: PlannedOutput): Promise<void> {
  const place = isBucket(output.place) ? output.place : resolve(output.place);
  await (await batchesOf()).announce(url, { id, output: place, ...(endpoint !== undefined && { endpoint }) });
}

/** The batches that were planned with this queue, the oldest first. @throws as `BullQueue.open` */
export const queuedBatches = async (url: string): Promise<QueuedBatch[]> => (await batchesOf()).announced(url);

/**
 * Removes a batch and its shards from a queue.
 * @param evenRunning whether also while workers have shards of it
 * @returns how many shards waited
 * @throws ClipError IO if shards run; as `BullQueue.open`
 */
export async function forgetBatch(url: string, { id, output }: QueuedBatch, evenRunning: boolean): Promise<number> {
  const queue = await openSharedQueue(url, id);
  try {
    const { waiting, running } = await queue.status();
    if (running > 0 && !evenRunning) {
      throw new ClipError('IO', `${output}: ${counted(running, 'shard')} ${running === 1 ? 'is' : 'are'} at work: end the workers first, or add --force`); // biome-ignore format: one line
    }
    await queue.clear();
    await (await batchesOf()).unannounce(url, id); // last: until then it can be tried again
    return waiting;
  } finally {
    await queue.close();
  }
}

const batchesOf = () => import('./queued-batches.ts');
