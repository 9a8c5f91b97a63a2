/** `edgeclip batch work`: a worker that embeds shards until none is left. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { InputError } from '../batch/input-error.ts';
import { OutputError } from '../batch/output-error.ts';
import { batchPackage } from '../batch/packages.ts';
import { checkParts } from '../batch/part-reader.ts';
import { type PartMaker, partFolders } from '../batch/parts.ts';
import { PictureError } from '../batch/picture-error.ts';
import { type Plan, type PlanHead, readShard, shardChecks } from '../batch/plan.ts';
import { plannedParts } from '../batch/planned-parts.ts';
import { ATTEMPTS, LOCK_MS } from '../batch/queue.ts';
import { openQueue, openSharedQueue } from '../batch/queues.ts';
import { PictureSource } from '../batch/sources.ts';
import { isBucket, type Storage } from '../batch/storage.ts';
import { claimOutput, type ShardPictureOptions, workShard } from '../batch/work.ts';
import type { Clip } from '../clip.ts';
import { counted } from '../counted.ts';
import { ClipError } from '../errors.ts';
import { indexModel } from '../search/index-model.ts';
import { addBatchOptions, attempt, type BatchOptions, checkOption, checkPlace, type NamedBatch, namedBatches, openPlanned, STORAGE_HELP } from './batch-options.ts'; // biome-ignore format: one line
import { describe, EXIT_FAILED, positiveInteger, visible } from './failure.ts';
import { Heartbeat } from './heartbeat.ts';
import { ORIENT_HELP, SCALED_HELP } from './input-options.ts';
import { rowMakers } from './maker.ts';
import { addMaxPixels, addModelOptions, loadModel, type ModelOptions } from './model.ts';
import { Progress } from './progress.ts';
import { type Ending, endOnSignals } from './signals.ts';
import { packageVersion } from './version.ts';

interface WorkCommandOptions extends BatchOptions, ModelOptions {
  readonly orient?: boolean;
  readonly scaled?: boolean;
  readonly input?: string;
  readonly allowMissing?: boolean;
  readonly attempts: number;
  readonly lock: number;
  readonly alive?: string;
}

const HELP = `
Takes shards from the queue, or without one all of the plan, embeds their pictures and writes a part for each:
part-00042.parquet with key, embedding, width, height, sha256 and error. A part is written once, whatever happens: a worker that
was stopped and comes back changes nothing. A picture that cannot be read as one has a row with the reason; a shard whose storage
fails is tried again later, and set aside after the fifth time (--attempts). If the folder of the pictures is not there or empty (of a
list: the folders of all pictures of a shard, or of a tenth of them and of ten at least), or the output cannot be written (the disk
is full), the worker ends at once and its shard is given back. If pictures were removed with their folders, --allow-missing gives
them rows. On SIGTERM or Ctrl-C the shard at work is given back.

With --queue alone it takes the batches of that queue in which shards wait or run, the oldest first; of the others it says which
have no part. Folders of the plan must have the same path on every machine, or --input names the one that holds the pictures here
(of a list: the one where its relative paths begin).

All workers of an output must have the same model, version and options. Then a part has the same bytes on every machine.
${STORAGE_HELP}

Exit code: 0 every shard has its part; 1 some have not, or without --queue a part is damaged; 2 invalid command line.`;

export function addBatchWork(batch: Command): void {
  const command = batch
    .command('work')
    .summary('embed shards until none is left')
    .description('Embeds the shards of a plan and writes the parts of the output.');
  addBatchOptions(command)
    .addOption(
      new Option('--attempts <n>', 'how often a shard is tried before it is set aside')
        .argParser(positiveInteger('--attempts'))
        .default(ATTEMPTS),
    )
    .addOption(
      new Option('--lock <seconds>', 'a worker that is silent for so long has lost its shard')
        .argParser(positiveInteger('--lock'))
        .default(LOCK_MS / 1000),
    )
    .option('--alive <file>', 'touch this file after pictures and while waiting for a shard: for a probe of its time')
    .option('--input <place>', 'where the pictures are here, if not where the plan says')
    .option('--allow-missing', 'pictures have rows that say they are missing, also where their folder is gone or empty')
    .option('--orient', ORIENT_HELP)
    .option('--scaled', SCALED_HELP);
  addMaxPixels(command);
  addModelOptions(command).addHelpText('after', HELP).action(work);
}

async function work(options: WorkCommandOptions): Promise<void> {
  const { queue: url, input } = options;
  const progress = new Progress();
  const batches = await namedBatches(options);
  checkOption('--input', input, checkPlace);
  let worker: Worker | undefined;
  try {
    for (const batch of batches) {
      const opened = await attempt(batches, progress, () => openBatch(batch, url, progress));
      if (!opened) continue;
      worker ??= await loadWorker(options, progress);
      const loaded = worker;
      await attempt(batches, progress, () => workBatch(loaded, opened));
      if (loaded.ending.signal.aborted) break;
    }
  } finally {
    worker?.ending.forget();
    worker?.heartbeat?.end();
    worker?.clip.dispose();
  }
  if (worker?.ending.signal.aborted) process.exit(EXIT_FAILED); // a client that cannot reach its queue would keep the process
}

interface OpenedBatch {
  readonly output: Storage;
  readonly plan: Plan;
  readonly endpoint: string | undefined;
}

/** Undefined if nothing of the batch waits or runs: then it is only said what is missing. */
async function openBatch(
  batch: NamedBatch,
  url: string | undefined,
  progress: Progress,
): Promise<OpenedBatch | undefined> {
  if (batch.id !== undefined) {
    const { waiting, running, failed } = await statusOf(url!, batch.id);
    if (waiting + running === 0) {
      await checkOver(batch, failed.length, progress);
      return undefined;
    }
  }
  const planned = await openPlanned(batch);
  await checkPackages(planned.plan);
  return { ...planned, endpoint: batch.endpoint };
}

async function loadWorker(options: WorkCommandOptions, progress: Progress): Promise<Worker> {
  const { orient = false, scaled = false, maxPixels, imageSize, alive } = options;
  const clip = await loadModel(options, ['image'], progress);
  const pictures = { orient, scaled, ...(maxPixels !== undefined && { maxPixels }) };
  const made = await maker(clip, pictures, imageSize);
  const heartbeat = alive === undefined ? undefined : new Heartbeat(alive);
  return { clip, pictures, made, options, progress, heartbeat, ending: endOnSignals() };
}

/** What works on batches, one after the other. */
interface Worker {
  readonly clip: Clip;
  readonly pictures: ShardPictureOptions;
  readonly made: PartMaker;
  readonly options: WorkCommandOptions;
  readonly progress: Progress;
  readonly heartbeat: Heartbeat | undefined;
  readonly ending: Ending;
}

async function statusOf(url: string, id: string) {
  const queue = await openSharedQueue(url, id);
  try {
    return await queue.status();
  } finally {
    await queue.close();
  }
}

/** A batch of which nothing waits. Its output may have been taken away since, unless shards were set aside. */
async function checkOver(batch: NamedBatch, setAside: number, progress: Progress): Promise<void> {
  const planned = await openPlanned(batch).catch((error) => {
    if (setAside > 0) throw error;
    progress.line(`warning: ${describe(error)}`);
  });
  if (planned) await checkOutput(planned.plan, planned.output, undefined, progress);
}

async function workBatch(worker: Worker, { output, plan, endpoint }: OpenedBatch): Promise<void> {
  const { clip, pictures, made, progress, heartbeat } = worker;
  const stop = worker.ending.signal;
  const hopeless = new AbortController();
  const { queue: url, attempts, lock, input, allowMissing = false } = worker.options;
  const { head } = plan;
  const place: Partial<PlanHead> = input === undefined ? {} : head.kind === 'list' ? { base: resolve(input) } : { input }; // biome-ignore format: one line
  const source = new PictureSource(
    { ...head, ...place },
    { allowMissing, ...(endpoint !== undefined && { endpoint }) },
  );
  const queue = await openQueue(url, plan, output);
  try {
    await output.tidy(['plan/', ...partFolders(head.layout)], (error) => progress.line(`warning: ${describe(error)}`));
    await claimOutput(output, head.layout, made, stop); // once nothing else is in the way of writing parts
    await queue.work(
      async (place, signal) => {
        heartbeat?.busy();
        try {
          const shard = await readShard(output, place, signal);
          const onPicture = (done: number) => {
            heartbeat?.busy();
            progress.show(`part ${place.part}`, done, shard.keys?.length ?? done);
          };
          return await workShard(shard, { clip, head, output, source, made, options: pictures, signal, onPicture });
        } catch (error) {
          if (isHopeless(error)) hopeless.abort(error); // the shard is given back
          throw error;
        } finally {
          heartbeat?.idle();
        }
      },
      AbortSignal.any([stop, hopeless.signal]),
      {
        attempts,
        lockMs: 1000 * lock,
        onDone: (place, { pictures, failed, wasThere }) => {
          progress.clear();
          const bad = failed > 0 ? `, ${failed} failed` : '';
          progress.line(`part ${place.part}: ${wasThere ? 'was there' : `${counted(pictures, 'picture')}${bad}`}`);
          if (wasThere || pictures === 0 || failed < pictures) return;
          progress.line(`warning: part ${place.part} has no embedding: to try its pictures again, remove the part first`); // biome-ignore format: one line
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
    await queue.close();
  }
  if (hopeless.signal.aborted) throw withAdvice(hopeless.signal.reason, place.input ?? head.input);
  if (!stop.aborted) await checkOutput(plan, output, url === undefined ? made : undefined, progress);
}

/** Reasons of the file system for which a place cannot be written. */
const UNWRITABLE = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);

/** Whether every other shard would fail on this machine for the same reason. */
function isHopeless(error: unknown): boolean {
  if (error instanceof InputError || error instanceof OutputError) return true;
  const isOwn = error instanceof PictureError || !(error instanceof ClipError);
  return !isOwn && UNWRITABLE.has((error.cause as NodeJS.ErrnoException | undefined)?.code ?? '');
}

function withAdvice(error: ClipError, input: string): ClipError {
  if (!(error instanceof InputError) || isBucket(input)) return error;
  const advice = 'if the pictures are elsewhere on this machine, give --input PLACE; if everywhere, edgeclip batch plan PLACE --moved'; // biome-ignore format: one line
  return new ClipError(error.code, `the pictures' place ${error.message}: ${advice}`, { cause: error });
}

/**
 * Says what is missing, and which parts are damaged.
 * @param made what has made the parts; undefined where a queue is shared, as many workers would read all of them
 */
async function checkOutput(
  before: Plan,
  output: Storage,
  made: PartMaker | undefined,
  progress: Progress,
): Promise<void> {
  const { plan, parts } = await plannedParts(output, before);
  const left = plan.shards - parts.length;
  if (left > 0) {
    const again = made ? '' : ': edgeclip batch status says why, and with --retry they are tried again';
    progress.line(`error: ${visible(output.place)}: ${left} of ${counted(plan.shards, 'shard')} ${left === 1 ? 'has' : 'have'} no part${again}`); // biome-ignore format: one line
    process.exitCode = EXIT_FAILED;
  }
  if (!made) return;
  const expected = { head: plan.head, maker: made.maker, shards: await shardChecks(output, plan) };
  for await (const part of checkParts(output, expected, parts)) {
    if (!('damage' in part)) continue;
    progress.line(`error: ${describe(part.damage)}`);
    process.exitCode = EXIT_FAILED;
  }
}

/** A worker that lacks one would fail every shard of the queue. */
async function checkPackages({ head }: Plan): Promise<void> {
  await batchPackage('hyparquet-writer', 'to write parts');
  if (head.kind === 'tars') await batchPackage('modern-tar', 'to read tar files');
}

async function maker(clip: Clip, { orient, scaled }: ShardPictureOptions, imageSize?: number): Promise<PartMaker> {
  const { file } = await rowMakers(clip, { normalize: true, orient, scaled });
  const prepared = { orient, scaled, ...(imageSize !== undefined && { imageSize }) };
  return { model: indexModel(clip), maker: file, version: packageVersion(), dimension: clip.config.embedDim, prepared };
}
