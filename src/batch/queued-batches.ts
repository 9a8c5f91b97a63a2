/** The batches that a queue's server knows, for workers that have only its address: jobs of a queue of their own, which nobody takes. */
import type { Job } from 'bullmq';
import { type BullConnection, connectBull, soon } from './bull-connection.ts';

const BATCHES = 'edgeclip-batches';

/** A batch that workers of a queue can find. */
export interface QueuedBatch {
  readonly id: string;
  /** A bucket, or the path of a folder that all workers have. */
  readonly output: string;
  /** Of the bucket. Default: as the worker's environment has it. */
  readonly endpoint?: string;
}

/** Tells workers of a batch; again changes nothing. @throws as `connectBull` */
export const announce = (url: string, batch: QueuedBatch): Promise<void> =>
  withBatches(url, async (queue) => {
    await queue.add('batch', batch, { jobId: batch.id });
  });

/** The batches that were announced, the oldest first. @throws as `connectBull` */
export const announced = (url: string): Promise<QueuedBatch[]> =>
  withBatches(url, async (queue) => {
    const jobs = (await queue.getJobs(['wait'], 0, -1, true)) as Job<QueuedBatch>[];
    return jobs.map(({ data }) => data);
  });

/** Removes a batch from those that are announced. Its own queue stays. @throws as `connectBull` */
export const unannounce = (url: string, id: string): Promise<void> =>
  withBatches(url, async (queue) => {
    await queue.remove(id);
  });

async function withBatches<T>(url: string, step: (queue: BullConnection['queue']) => Promise<T>): Promise<T> {
  const { queue } = await connectBull(url, BATCHES);
  try {
    return await step(queue);
  } finally {
    await soon(queue.close());
  }
}
