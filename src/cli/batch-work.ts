/** `edgeclip batch work`: a worker that embeds shards until none is left. */
import { type Command, Option } from 'commander';
import { shardsLeft } from '../batch/local-queue.ts';
import { batchPackage } from '../batch/packages.ts';
import type { PartMaker } from '../batch/parts.ts';
import { type Plan, readShard } from '../batch/plan.ts';
import { LOCK_MS } from '../batch/queue.ts';
import { openQueue } from '../batch/queues.ts';
import { PictureSource } from '../batch/sources.ts';
import { claimOutput, type PictureOptions, workShard } from '../batch/work.ts';
import type { Clip } from '../clip.ts';
import { indexModel } from '../search/index-model.ts';
import { addBatchOptions, type BatchOptions, openOutput, plannedBatch, STORAGE_HELP } from './batch-options.ts';
import { describe, EXIT_FAILED, positiveInteger } from './failure.ts';
import { ORIENT_HELP, SCALED_HELP } from './input-options.ts';
import { rowMakers } from './maker.ts';
import { addMaxPixels, addModelOptions, loadModel, type ModelOptions } from './model.ts';
import { Progress } from './progress.ts';
import { SignOfLife } from './sign-of-life.ts';
import { packageVersion } from './version.ts';

interface WorkCommandOptions extends BatchOptions, ModelOptions {
  readonly orient?: boolean;
  readonly scaled?: boolean;
  readonly lock: number;
  readonly alive?: string;
}

const HELP = `
Takes shards from the queue, or without one all of the plan, embeds their pictures and writes a part for each:
part-00042.parquet with key, embedding, width, height and error. A part is written once, whatever happens: a worker that was
stopped and comes back changes nothing. A picture that cannot be read as one has a row with the reason; a shard whose storage
fails is tried again later, and set aside after the fifth time. On SIGTERM or Ctrl-C the shard at work is given back.

All workers of an output must have the same model, version and options. Then a part has the same bytes on every machine.
${STORAGE_HELP}

Exit code: 0 every shard has its part; 1 some have not; 2 invalid command line.`;

export function addBatchWork(batch: Command): void {
  const command = batch
    .command('work')
    .summary('embed shards until none is left')
    .description('Embeds the shards of a plan and writes the parts of the output.');
  addBatchOptions(command)
    .addOption(
      new Option('--lock <seconds>', 'a worker that is silent for so long has lost its shard')
        .argParser(positiveInteger('--lock'))
        .default(LOCK_MS / 1000),
    )
    .option('--alive <file>', 'touch this file after pictures and while waiting for a shard: for a probe of its time')
    .option('--orient', ORIENT_HELP)
    .option('--scaled', SCALED_HELP);
  addMaxPixels(command);
  addModelOptions(command).addHelpText('after', HELP).action(work);
}

async function work(options: WorkCommandOptions): Promise<void> {
  const { orient = false, scaled = false, maxPixels, imageSize, queue: url, endpoint, lock, alive } = options;
  const progress = new Progress();
  const output = await openOutput(options);
  const plan = await plannedBatch(output);
  await checkPackages(plan);
  using clip = await loadModel(options, ['image'], progress);
  const pictures = { orient, scaled, ...(maxPixels !== undefined && { maxPixels }) };
  const made = await maker(clip, pictures, imageSize);
  const stop = new AbortController();
  const ended = endOnSignals(stop);
  const source = new PictureSource(plan.head, { ...(endpoint !== undefined && { endpoint }) });
  const life = alive === undefined ? undefined : new SignOfLife(alive);
  const queue = await openQueue(url, plan, output);
  try {
    await output.tidy();
    await claimOutput(output, made, stop.signal); // once nothing else is in the way of writing parts
    await queue.work(
      async (place, signal) => {
        life?.busy();
        try {
          const shard = await readShard(output, place, signal);
          const onPicture = (done: number) => {
            life?.busy();
            progress.show(`part ${place.part}`, done, shard.keys?.length ?? done);
          };
          return await workShard(shard, { clip, head: plan.head, output, source, made, options: pictures, signal, onPicture }); // biome-ignore format: one line
        } finally {
          life?.idle();
        }
      },
      stop.signal,
      {
        lockMs: 1000 * lock,
        onDone: (place, { pictures, failed, wasThere }) => {
          progress.clear();
          const bad = failed > 0 ? `, ${failed} failed` : '';
          progress.line(`part ${place.part}: ${wasThere ? 'was there' : `${pictures} pictures${bad}`}`);
        },
        onFailed: (part, error, isLast) => {
          progress.clear();
          progress.line(`error: part ${part}${isLast ? ' is set aside' : ', it is tried again'}: ${describe(error)}`);
        },
        onTrouble: (error) => progress.line(`warning: the queue: ${describe(error)}`),
      },
    );
  } finally {
    progress.clear();
    life?.end();
    await queue.close();
    ended();
  }
  if (stop.signal.aborted) process.exit(EXIT_FAILED); // a client that cannot reach its queue would keep the process
  const { length: left } = await shardsLeft(plan, output);
  if (left > 0) {
    progress.line(`error: ${left} of ${plan.shards.length} shards have no part`);
    process.exitCode = EXIT_FAILED;
  }
}

/** A worker that lacks one would fail every shard of the queue. */
async function checkPackages({ head }: Plan): Promise<void> {
  await batchPackage('hyparquet-writer', 'to write parts');
  if (head.kind === 'tars') await batchPackage('modern-tar', 'to read tar files');
}

async function maker(clip: Clip, { orient, scaled }: PictureOptions, imageSize?: number): Promise<PartMaker> {
  const { file } = await rowMakers(clip, { normalize: true, orient, scaled });
  const prepared = { orient, scaled, ...(imageSize !== undefined && { imageSize }) };
  return { model: indexModel(clip), maker: file, version: packageVersion(), dimension: clip.config.embedDim, prepared };
}

/** The first signal ends the work in order; the second does what it always does. */
function endOnSignals(stop: AbortController): () => void {
  const signals = ['SIGTERM', 'SIGINT'] as const;
  const end = () => {
    forget();
    stop.abort(new DOMException('the worker was asked to end', 'AbortError'));
  };
  const forget = () => {
    for (const signal of signals) process.off(signal, end);
  };
  for (const signal of signals) process.on(signal, end);
  return forget;
}
