/** `edgeclip batch status`: what is done, what is left, and what failed. */
import type { Command } from 'commander';
import { pace, timeLeft, timesOfParts, type WrittenPart } from '../batch/pace.ts';
import { checkParts, failedRows } from '../batch/part-reader.ts';
import type { DonePart } from '../batch/parts.ts';
import { type Plan, readShards, type ShardPlace } from '../batch/plan.ts';
import { plannedParts } from '../batch/planned-parts.ts';
import { countByState } from '../batch/queued-shards.ts';
import { announceBatch, openSharedQueue, queueName } from '../batch/queues.ts';
import type { Storage } from '../batch/storage.ts';
import { begunAt, outputMaker } from '../batch/work.ts';
import { counted } from '../counted.ts';
import {
  addBatchOptions,
  attempt,
  type BatchOptions,
  type NamedBatch,
  namedBatches,
  openPlanned,
} from './batch-options.ts';
import { EXIT_FAILED, visible } from './failure.ts';
import { standardOutput } from './output.ts';
import { duration, Progress } from './progress.ts';

interface StatusOptions extends BatchOptions {
  readonly errors?: boolean;
  readonly retry?: boolean;
  readonly json?: boolean;
  readonly check?: boolean;
}

const HELP = `
The figures come from the parts that are there and, with --queue, from the queue. The rate is that of the last hour in which workers
were at work; without --queue, one worker is taken to have written the parts, and far longer pauses between them than the others are
left out. With --queue alone all batches that were planned with it are shown. Of each part the size, and what it says of itself at its end,
are compared with the plan and its other parts; --check also finds what has changed in between.

Exit code: 0 success; 1 a part or the plan is damaged, or the output or the queue cannot be read; 2 invalid command line.`;

export function addBatchStatus(batch: Command): void {
  const command = batch
    .command('status')
    .summary('show what is done and what is left')
    .description('Shows how far a batch is, its rate, the time left, and what failed.');
  addBatchOptions(command)
    .option('--errors', 'list the pictures that failed, each with its reason')
    .option('--retry', 'let shards be tried again that were set aside, whose part is gone, or that the queue has lost')
    .option('--check', 'read the parts whole and compare their checksums')
    .option('--json', 'one JSON object a batch, each on a line')
    .addHelpText('after', HELP)
    .action(status);
}

async function status(options: StatusOptions): Promise<void> {
  const batches = await namedBatches(options);
  const progress = new Progress();
  for (const batch of batches) {
    if (batch.id !== undefined && !options.json && !options.errors)
      await standardOutput().write(`${visible(batch.output)}\n`);
    await attempt(batches, progress, () => statusOf(batch, options, progress));
  }
}

async function statusOf(batch: NamedBatch, options: StatusOptions, progress: Progress): Promise<void> {
  const { errors = false, retry = false, json = false, check = false } = options;
  const out = standardOutput();
  const { output, plan: opened } = await openPlanned(batch);
  const queue = options.queue === undefined ? undefined : await openSharedQueue(options.queue, opened.head.id);
  try {
    let retried = 0;
    if (retry && queue) {
      const { parts, plan } = await plannedParts(output, opened);
      retried = await queue.retry((await plannedShards(output, plan, parts)).left.map(({ place }) => place));
      await announceBatch(options.queue!, { id: plan.head.id, output, endpoint: batch.endpoint });
    }
    const queued = await queue?.shards(); // before the parts are listed: one that is done meanwhile has its part
    const { plan, parts } = await plannedParts(output, opened);
    const { checks, left } = await plannedShards(output, plan, parts);
    const made = await outputMaker(output, plan.head.layout);
    const expected = { head: plan.head, maker: made?.maker, shards: checks };
    const found = { pictures: 0, failed: 0 };
    const whole: WrittenPart[] = [];
    const damaged: string[] = [];
    let seen = 0;
    for await (const part of checkParts(output, expected, parts, check)) {
      progress.show('parts', seen++, parts.length);
      if ('damage' in part) {
        damaged.push(part.damage.message);
        continue;
      }
      whole.push({ pictures: part.summary.pictures, written: part.files.at(-1)!.modified });
      found.pictures += part.summary.pictures;
      found.failed += part.summary.failed;
      if (!errors) continue;
      for await (const { key, error } of failedRows(output, part)) {
        progress.clear();
        await out.write(`${visible(key)}: ${visible(error)}\n`);
      }
    }
    progress.clear();
    if (damaged.length > 0) process.exitCode = EXIT_FAILED;
    if (errors) {
      for (const message of damaged) progress.line(`error: ${visible(message)}`);
      return;
    }
    const done = queued?.done.some(({ pictures }) => pictures > 0) ? queued.done : timesOfParts(whole, await begunAt(output)); // biome-ignore format: one line
    const begun = [...(queued?.shards.values() ?? [])].flatMap((shard) =>
      shard.state === 'running' ? [shard.start] : [],
    );
    const perSecond = pace(done, begun);
    const known = (whole.length > 0 ? whole : done).map(({ pictures }) => pictures);
    const secondsLeft = timeLeft(left.map(({ pictures }) => pictures), perSecond, known); // biome-ignore format: one line
    const unfinished = left.map(({ place }) => place.part);
    const shards = { done: whole.length, total: plan.shards, ...countByState(unfinished, queued?.shards) };
    if (json) {
      const of = { output: output.place, queue: queueName(plan.head.id), shards, pictures: found, damaged, perSecond, secondsLeft }; // biome-ignore format: one line
      await out.write(`${JSON.stringify(of)}\n`);
      return;
    }
    const lines = [
      `shards: ${shards.done} of ${shards.total} done, ${shards.running} running, ${shards.waiting} waiting, ${shards.failed.length} set aside`,
      `pictures: ${found.pictures} done, ${found.failed} of them failed (--errors lists them)`,
      ...(perSecond === undefined
        ? []
        : [
            `rate: ${perSecond.toFixed(1)} pictures a second${secondsLeft === undefined ? '' : `, ${duration(secondsLeft)} left`}`,
          ]),
      ...shards.failed.map(({ part, reason }) => `part ${part} is set aside: ${visible(reason)}`),
      ...(shards.lost > 0
        ? [`not in the queue: ${counted(shards.lost, 'shard')} without a part (--retry adds them)`]
        : []),
      ...damaged.map(visible),
      ...(retried > 0 ? [`${counted(retried, 'shard')} ${retried === 1 ? 'is' : 'are'} tried again`] : []),
    ];
    await out.write(`${lines.join('\n')}\n`);
  } finally {
    await queue?.close();
  }
}

/** A shard without a part. */
interface ShardLeft {
  readonly place: ShardPlace;
  /** Unknown of a tar file. */
  readonly pictures: number | undefined;
}

/** The check of each shard, and those that have no part. */
async function plannedShards(output: Storage, plan: Plan, parts: readonly DonePart[]) {
  const done = new Set(parts.map(({ part }) => part));
  const checks: string[] = [];
  const left: ShardLeft[] = [];
  for await (const { shard, place } of readShards(output, plan)) {
    checks.push(shard.check);
    if (!done.has(place.part)) left.push({ place, pictures: shard.keys?.length });
  }
  return { checks, left };
}
