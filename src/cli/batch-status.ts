/** `edgeclip batch status`: what is done, what is left, and what failed. */
import type { Command } from 'commander';
import type { QueueStatus } from '../batch/bull-queue.ts';
import { checkParts, failedRows } from '../batch/part-reader.ts';
import type { DonePart } from '../batch/parts.ts';
import { type Plan, readShards, type ShardPlace } from '../batch/plan.ts';
import { plannedParts } from '../batch/planned-parts.ts';
import { openSharedQueue, queueName } from '../batch/queues.ts';
import type { Storage } from '../batch/storage.ts';
import { outputMaker } from '../batch/work.ts';
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

/** The pace is that of the parts of this last while. */
const RECENT_MS = 3_600_000;

const HELP = `
The figures come from the parts that are there and, with --queue, from the queue. The rate is that of the last hour.
With --queue alone all batches that were planned with it are shown. Of each part the size, and what it says of itself at its end,
are compared with the plan and its other parts; --check also finds what has changed in between.

Exit code: 0 success; 1 a part or the plan is damaged, or the output or the queue cannot be read; 2 invalid command line.`;

export function addBatchStatus(batch: Command): void {
  const command = batch
    .command('status')
    .summary('show what is done and what is left')
    .description('Shows how far a batch is, its rate, the time left, and what failed.');
  addBatchOptions(command)
    .option('--errors', 'list the pictures that failed, each with its reason')
    .option('--retry', 'let shards be tried again that were set aside, or whose part is gone')
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

/** What the rate follows from. */
interface WholePart {
  readonly pictures: number;
  /** Milliseconds since 1970. */
  readonly written: number;
}

async function statusOf(batch: NamedBatch, options: StatusOptions, progress: Progress): Promise<void> {
  const { errors = false, retry = false, json = false, check = false } = options;
  const out = standardOutput();
  const opened = await openPlanned(batch);
  const { output } = opened;
  const { plan, parts } = await plannedParts(output, opened.plan);
  const { checks, left: missing } = await plannedShards(output, plan, parts);
  const queue = options.queue === undefined ? undefined : await openSharedQueue(options.queue, plan.head.id);
  try {
    const retried = retry && queue ? await queue.retry(missing) : 0;
    const local: QueueStatus = { waiting: missing.length, running: 0, failed: [] };
    const { waiting, running, failed } = queue ? await queue.status() : local;
    const made = await outputMaker(output, plan.head.layout);
    const expected = { head: plan.head, maker: made?.maker, shards: checks };
    const found = { pictures: 0, failed: 0 };
    const whole: WholePart[] = [];
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
    const { perSecond, left } = pace(whole, plan.shards);
    const shards = { done: whole.length, total: plan.shards, waiting, running, failed };
    if (json) {
      const of = {
        output: output.place,
        queue: queueName(plan.head.id),
        shards,
        pictures: found,
        damaged,
        perSecond,
        secondsLeft: left,
      };
      await out.write(`${JSON.stringify(of)}\n`);
      return;
    }
    const lines = [
      `shards: ${shards.done} of ${shards.total} done, ${running} running, ${waiting} waiting, ${failed.length} set aside`,
      `pictures: ${found.pictures} done, ${found.failed} of them failed (--errors lists them)`,
      ...(perSecond === undefined
        ? []
        : [`rate: ${perSecond.toFixed(1)} pictures a second, ${duration(left ?? 0)} left`]),
      ...failed.map(({ part, reason }) => `part ${part} is set aside: ${visible(reason)}`),
      ...damaged.map(visible),
      ...(retried > 0 ? [`${counted(retried, 'shard')} ${retried === 1 ? 'is' : 'are'} tried again`] : []),
    ];
    await out.write(`${lines.join('\n')}\n`);
  } finally {
    await queue?.close();
  }
}

/** The check of each shard, and those that have no part. */
async function plannedShards(output: Storage, plan: Plan, parts: readonly DonePart[]) {
  const done = new Set(parts.map(({ part }) => part));
  const checks: string[] = [];
  const left: ShardPlace[] = [];
  for await (const { shard, place } of readShards(output, plan)) {
    checks.push(shard.check);
    if (!done.has(place.part)) left.push(place);
  }
  return { checks, left };
}

/** From when the parts of the last hour were written, and how many pictures each has; unknown before a second part has any. */
function pace(parts: readonly WholePart[], total: number) {
  const last = parts.reduce((time, { written }) => Math.max(time, written), 0);
  const recent = parts.filter(({ written }) => written >= last - RECENT_MS).sort((a, b) => a.written - b.written);
  const [first, ...later] = recent;
  if (first === undefined || last === first.written) return {};
  const sum = (some: readonly WholePart[]) => some.reduce((pictures, part) => pictures + part.pictures, 0);
  const perSecond = (sum(later) * 1000) / (last - first.written);
  if (perSecond === 0) return {}; // tars without a picture
  const picturesLeft = (total - parts.length) * (sum(parts) / parts.length);
  return { perSecond, left: Math.round(picturesLeft / perSecond) };
}
