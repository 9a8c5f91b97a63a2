/** `edgeclip batch status`: what is done, what is left, and what failed. */
import type { Command } from 'commander';
import { failedRows, readSummary } from '../batch/part-reader.ts';
import { doneParts } from '../batch/parts.ts';
import { openQueue, queueName } from '../batch/queues.ts';
import { addBatchOptions, type BatchOptions, openOutput, plannedBatch } from './batch-options.ts';
import { visible } from './failure.ts';
import { standardOutput } from './output.ts';
import { duration, Progress } from './progress.ts';

interface StatusOptions extends BatchOptions {
  readonly errors?: boolean;
  readonly retry?: boolean;
  readonly json?: boolean;
}

/** The pace is that of the parts of this last while. */
const RECENT_MS = 3_600_000;

const HELP = `
The figures come from the parts that are there and, with --queue, from the queue. The rate is that of the last hour.

Exit code: 0 success; 1 the output or the queue cannot be read; 2 invalid command line.`;

export function addBatchStatus(batch: Command): void {
  const command = batch
    .command('status')
    .summary('show what is done and what is left')
    .description('Shows how far a batch is, its rate, the time left, and what failed.');
  addBatchOptions(command)
    .option('--errors', 'list the pictures that failed, each with its reason')
    .option('--retry', 'let shards that were set aside be tried again')
    .option('--json', 'one JSON object')
    .addHelpText('after', HELP)
    .action(status);
}

async function status(options: StatusOptions): Promise<void> {
  const { errors = false, retry = false, json = false } = options;
  const out = standardOutput();
  const progress = new Progress();
  const output = await openOutput(options);
  const plan = await plannedBatch(output);
  const queue = await openQueue(options.queue, plan, output);
  try {
    const retried = retry ? await queue.retry() : 0;
    const { waiting, running, failed } = await queue.status();
    const parts = await doneParts(output, plan.head.layout);
    const found = { pictures: 0, failed: 0 };
    for (const [i, { name, bytes }] of parts.entries()) {
      progress.show('parts', i, parts.length);
      const summary = await readSummary(output, name, bytes);
      found.pictures += summary.pictures;
      found.failed += summary.failed;
      if (!errors) continue;
      for await (const { key, error } of failedRows(output, name, bytes)) {
        progress.clear();
        await out.write(`${visible(key)}: ${visible(error)}\n`);
      }
    }
    progress.clear();
    if (errors) return;
    const { perSecond, left } = pace(parts, found.pictures, plan.shards.length);
    const shards = { done: parts.length, total: plan.shards.length, waiting, running, failed };
    if (json) {
      await out.write(
        `${JSON.stringify({ queue: queueName(plan), shards, pictures: found, perSecond, secondsLeft: left })}\n`,
      );
      return;
    }
    const lines = [
      `shards: ${shards.done} of ${shards.total} done, ${running} running, ${waiting} waiting, ${failed.length} set aside`,
      `pictures: ${found.pictures} done, ${found.failed} of them failed (--errors lists them)`,
      ...(perSecond === undefined
        ? []
        : [`rate: ${perSecond.toFixed(1)} pictures a second, ${duration(left ?? 0)} left`]),
      ...failed.map(({ part, reason }) => `part ${part} is set aside: ${visible(reason)}`),
      ...(retried > 0 ? [`${retried} shards are tried again`] : []),
    ];
    await out.write(`${lines.join('\n')}\n`);
  } finally {
    await queue.close();
  }
}

/** From when the parts of the last hour were written; unknown before the second. */
function pace(parts: readonly { readonly modified: number }[], pictures: number, total: number) {
  const times = parts.map(({ modified }) => modified);
  const last = times.reduce((a, b) => Math.max(a, b), 0);
  const recent = parts.filter(({ modified }) => modified >= last - RECENT_MS);
  const first = recent.reduce((a, { modified }) => Math.min(a, modified), last);
  if (recent.length < 2 || last === first) return {};
  const each = pictures / parts.length;
  const shardsPerSecond = ((recent.length - 1) * 1000) / (last - first);
  return { perSecond: shardsPerSecond * each, left: Math.round((total - parts.length) / shardsPerSecond) };
}
