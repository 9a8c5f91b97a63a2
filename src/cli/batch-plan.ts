/** `edgeclip batch plan`: which pictures go into which part. */
import { rmdir } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { InputKind, Layout } from '../batch/plan.ts';
import { planBatch } from '../batch/planner.ts';
import { enqueue, queuedBatches } from '../batch/queues.ts';
import { isBucket } from '../batch/storage.ts';
import { counted } from '../counted.ts';
import { ClipError } from '../errors.ts';
import {
  addBatchOptions,
  type BatchOptions,
  checkOption,
  checkPlace,
  checkPlaces,
  openOutput,
  STORAGE_HELP,
} from './batch-options.ts';
import { describe, EXIT_FAILED, positiveInteger, quote, UsageError, visible } from './failure.ts';
import { standardOutput } from './output.ts';
import { Progress } from './progress.ts';
import { fileKind } from './walk.ts';

interface PlanCommandOptions extends BatchOptions {
  readonly list?: boolean;
  readonly null?: boolean;
  readonly tars?: boolean;
  readonly moved?: boolean;
  readonly shardSize: number;
  readonly layout: Layout;
  readonly half?: boolean;
}

const HELP = `
INPUT is a folder or s3://bucket/prefix with pictures, in folders of any depth; with --tars, WebDataset tar files under it, each
of which is a shard; with --list, a file (here or s3://; - is standard input) with one path, s3:// or http(s):// address per line.

The plan is written to OUTPUT/plan/ as JSON Lines: the first line says what the batch is, each other one is a shard with its
pictures. Run again, it adds the pictures that are new, also after it was stopped. If the input has another place now, --moved says so;
also for a list that is planned in another folder, as its relative paths begin where the command runs. A folder that cannot be listed
is an error; the rest is planned.
${STORAGE_HELP}

Examples:
  $ edgeclip batch plan photos --output embeddings
  $ edgeclip batch plan s3://photos/2026 --output s3://embeddings/2026 --queue redis://10.0.0.1:6379
  $ edgeclip batch plan urls.txt --list --output embeddings

Exit code: 0 success; 1 the input, a folder in it or the output failed, or there are no pictures; 2 invalid command line.`;

export function addBatchPlan(batch: Command): void {
  const command = batch
    .command('plan')
    .summary('split pictures into shards')
    .description('Lists pictures and splits them into shards, each of which becomes a part of the output.')
    .argument('<input>', 'a folder, s3://bucket/prefix, or a list');
  addBatchOptions(command)
    .option('--list', 'the input is a list of paths and addresses')
    .addOption(new Option('-0, --null', 'names in the list end with NUL, as by find -print0'))
    .addOption(new Option('--tars', 'the input holds tar files of pictures').conflicts('list'))
    .addOption(
      new Option('--shard-size <n>', 'pictures in a part').argParser(positiveInteger('--shard-size')).default(10_000),
    )
    .addOption(
      new Option('--layout <name>', 'what the parts are').choices(['parquet', 'clip-retrieval']).default('parquet'),
    )
    .option('--moved', 'the pictures that the plan has are now at this input')
    .option('--half', 'embeddings as float16 instead of float32')
    .addHelpText('after', HELP)
    .action(plan);
}

async function plan(input: string, options: PlanCommandOptions): Promise<void> {
  const { list = false, tars = false, moved = false, shardSize, layout, half = false, queue, endpoint } = options;
  const { output: place } = options;
  if (place === undefined) throw new UsageError("required option '--output <place>' not specified");
  checkPlaces(options);
  checkOption("argument 'input'", input, checkPlace);
  if (options.null && !list) throw new UsageError('--null goes with --list');
  const kind: InputKind = list ? 'list' : tars ? 'tars' : 'files';
  if (kind !== 'list' && !isBucket(input) && fileKind(input) === 'file') {
    throw new UsageError(`${quote(input)} is a file: add --list if it names pictures, one per line`);
  }
  if (kind !== 'list' && /^https?:\/\//i.test(input)) {
    throw new UsageError(`${quote(input)} is an address: write addresses into a file, one per line, and add --list`);
  }
  const progress = new Progress();
  if (queue !== undefined) await queuedBatches(queue); // a listing may take hours
  const isNew = !isBucket(place) && fileKind(place) === undefined;
  const output = await openOutput({ output: place, endpoint }, true);
  const settings = {
    kind,
    shardSize,
    layout,
    half,
    moved,
    nulls: options.null ?? false,
    ...(endpoint !== undefined && { endpoint }),
    onFound: (count: number) => progress.show('found', count, count, 'plain'),
    onUnlisted: (error: Error) => {
      progress.clear();
      progress.line(`error: ${describe(error)}`);
      process.exitCode = EXIT_FAILED;
    },
  };
  const planned = await planBatch(input, output, settings).finally(async () => {
    progress.clear();
    if (isNew) await rmdir(place).catch(() => {}); // unless it has a plan
  });
  const thing = tars ? 'tar file' : 'picture';
  if (!planned.plan) throw new ClipError('IO', `${visible(input)} has no ${thing}s`);
  if (queue !== undefined) await enqueue(queue, { id: planned.plan.head.id, output, endpoint }, planned.places);
  const known = planned.known > 0 ? `, ${planned.known} ${planned.known === 1 ? 'was' : 'were'} planned before` : '';
  await standardOutput().write(`${counted(planned.added, thing)} in ${counted(planned.shards, 'shard')}${known}\n`); // biome-ignore format: one line
}
