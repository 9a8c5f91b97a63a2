/** `edgeclip batch forget`: takes a batch from the queue that workers share. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { checkQueueAddress } from '../batch/queue-address.ts';
import { forgetBatch, queuedBatches, queueName } from '../batch/queues.ts';
import { isBucket } from '../batch/storage.ts';
import { counted } from '../counted.ts';
import { ClipError } from '../errors.ts';
import { checkOption } from './batch-options.ts';
import { quote, UsageError, visible } from './failure.ts';
import { standardOutput } from './output.ts';

const HELP = `
A queue keeps its batches when they are done, for batch status, and when their output was removed. BATCH is an output, as batch
status shows it, or the batch's id, or its queue as batch status --json shows it. The plan and the parts stay; edgeclip batch plan
with --queue puts the batch back.

Examples:
  $ edgeclip batch forget s3://embeddings/2026 --queue redis://10.0.0.1:6379

Exit code: 0 success; 1 the queue has no such batch or cannot be reached, or shards are at work; 2 invalid command line.`;

export function addBatchForget(batch: Command): void {
  batch
    .command('forget')
    .summary('take a batch from the queue')
    .description('Takes a batch and its shards from the queue that workers share.')
    .argument('<batch>', 'its output, its id or the name of its queue')
    .requiredOption('--queue <url>', 'redis://, rediss:// or postgres://')
    .option('--force', 'also while shards are at work, or seem to be as their workers died')
    .addHelpText('after', HELP)
    .action(forget);
}

async function forget(name: string, { queue, force = false }: { queue: string; force?: boolean }): Promise<void> {
  if (name === '') throw new UsageError("argument 'batch' is empty (an unset variable of the shell?)");
  checkOption('--queue', queue, checkQueueAddress);
  const place = placeOf(name);
  const found = (await queuedBatches(queue)).filter(
    ({ id, output }) => [id, queueName(id)].includes(name) || placeOf(output) === place,
  );
  if (found.length === 0) throw new ClipError('IO', `the queue has no batch ${quote(name)}: edgeclip batch status --queue URL shows them`); // biome-ignore format: one line
  for (const batch of found) {
    const waiting = await forgetBatch(queue, batch, force);
    const left = waiting > 0 ? `, with ${counted(waiting, 'shard')} that waited` : '';
    await standardOutput().write(`${visible(batch.output)} (${batch.id}) is forgotten${left}\n`);
  }
}

/** Two names of a place that differ in how it is written are one. */
const placeOf = (name: string): string => (isBucket(name) ? name.replace(/\/+$/, '') : resolve(name));
