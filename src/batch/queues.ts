/** The queue that a command line names, or that of one machine. */
import { LocalQueue } from './local-queue.ts';
import type { Plan } from './plan.ts';
import type { BatchQueue } from './queue.ts';
import type { Storage } from './storage.ts';

/**
 * @param url of Redis, Valkey or PostgreSQL. Default: this machine alone
 * @throws as `BullQueue.open`
 */
export async function openQueue(url: string | undefined, plan: Plan, output: Storage): Promise<BatchQueue> {
  if (url === undefined) return new LocalQueue(plan, output);
  const { BullQueue } = await import('./bull-queue.ts');
  return BullQueue.open(url, queueName(plan));
}

/** A batch's own: many batches may share a server. */
export const queueName = ({ head }: Plan): string => `edgeclip-${head.id}`;
