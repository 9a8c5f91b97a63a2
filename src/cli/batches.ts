/** `edgeclip batch`: more pictures than one run, or one machine, can embed. */
import type { Command } from 'commander';
import { addBatchForget } from './batch-forget.ts';
import { addBatchLoad } from './batch-load.ts';
import { addBatchPlan } from './batch-plan.ts';
import { addBatchStatus } from './batch-status.ts';
import { addBatchWork } from './batch-work.ts';

export function addBatch(program: Command): void {
  const batch = program
    .command('batch')
    .summary('embed millions of pictures, on any number of machines')
    .description('Embeds a folder, bucket or list of pictures in shards, on one machine or on many with a queue.');
  addBatchPlan(batch);
  addBatchWork(batch);
  addBatchStatus(batch);
  addBatchLoad(batch);
  addBatchForget(batch);
}
