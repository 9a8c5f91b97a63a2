/** What the commands of `edgeclip batch` have in common. */
import type { Command } from 'commander';
import { openStorage } from '../batch/open-storage.ts';
import { type Plan, readPlan } from '../batch/plan.ts';
import { checkQueueAddress } from '../batch/queue-address.ts';
import { queuedBatches } from '../batch/queues.ts';
import { bucketOf, checkEndpoint, isBucket, type Storage } from '../batch/storage.ts';
import { ClipError } from '../errors.ts';
import { describe, EXIT_FAILED, emptyOption, quote, UsageError } from './failure.ts';
import type { Progress } from './progress.ts';

export interface BatchOptions {
  readonly output?: string;
  readonly queue?: string;
  readonly endpoint?: string;
}

/** A batch that a command is about; its `id` is known where the queue told of it. */
export interface NamedBatch {
  readonly output: string;
  readonly endpoint?: string | undefined;
  readonly id?: string;
}

export const STORAGE_HELP = `
s3://bucket/prefix is object storage: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and
AWS_ENDPOINT_URL say who asks and where; it needs the package aws4fetch. Parts need hyparquet-writer, --queue needs bullmq with
ioredis or pg, tar files need modern-tar.`;

export function addBatchOptions(command: Command): Command {
  return command
    .option('--output <place>', 'where the plan and the parts are: a folder or s3://bucket/prefix')
    .option('--queue <url>', 'redis://, rediss:// or postgres:// that the workers share (default: this machine alone)')
    .option('--endpoint <url>', 'server of s3:// addresses (default: AWS_ENDPOINT_URL, else Amazon)');
}

/**
 * The batch of `--output`, or without it those that were planned with `--queue`, the oldest first.
 * @throws UsageError without both, or for an empty option; ClipError IO if the queue has no batch
 */
export async function namedBatches(options: BatchOptions): Promise<NamedBatch[]> {
  checkPlaces(options);
  const { output, queue, endpoint } = options;
  if (output !== undefined) return [{ output, endpoint }];
  if (queue === undefined)
    throw new UsageError('give --output PLACE, or --queue URL for the batches that were planned with it');
  const batches = await queuedBatches(queue);
  if (batches.length === 0) throw new ClipError('IO', 'no batch was planned with this queue: edgeclip batch plan');
  return batches.map((batch) => ({ ...batch, endpoint: endpoint ?? batch.endpoint }));
}

/**
 * Runs a step for a batch. Of several batches, an error of one is told, and the others go on.
 * @returns undefined if it failed
 * @throws what the step throws, if there is only one batch
 */
export async function attempt<T>(
  batches: readonly NamedBatch[],
  progress: Progress,
  step: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if (batches.length === 1) throw error;
    progress.line(`error: ${describe(error)}`);
    process.exitCode = EXIT_FAILED;
    return undefined;
  }
}

/** @throws ClipError IO */
export const openOutput = ({ output, endpoint }: NamedBatch, create = false): Promise<Storage> =>
  openStorage(output, { create, ...(endpoint !== undefined && { endpoint }) });

/**
 * The output of a batch with its plan. A queue may name a batch whose output was taken away since.
 * @throws ClipError IO, PLAN_FORMAT
 */
export async function openPlanned(batch: NamedBatch): Promise<{ readonly output: Storage; readonly plan: Plan }> {
  const { id } = batch;
  try {
    const output = await openOutput(batch);
    const plan = await plannedBatch(output);
    if (id === undefined || plan.head.id === id) return { output, plan };
    throw new ClipError('PLAN_FORMAT', `${output.place} has another batch now`);
  } catch (error) {
    if (id === undefined || !(error instanceof ClipError)) throw error;
    const advice = `if this batch is over, edgeclip batch forget ${id} --queue URL takes it from the queue`;
    throw new ClipError(error.code, `${error.message}: ${advice}`, { cause: error });
  }
}

/** @throws UsageError for options that are empty, or name what cannot be */
export function checkPlaces({ output, queue, endpoint }: BatchOptions): void {
  checkOption('--output', output, checkPlace);
  checkOption('--queue', queue, checkQueueAddress);
  checkOption('--endpoint', endpoint, checkEndpoint);
}

/** Checks the address of a bucket; a folder may have any name. @throws RangeError */
export function checkPlace(place: string): void {
  if (isBucket(place)) bucketOf(place);
}

/** @throws UsageError if it is given, and empty or refused */
export function checkOption(name: string, value: string | undefined, check: (value: string) => void): void {
  if (value === undefined) return;
  if (value === '') throw emptyOption(name);
  try {
    check(value);
  } catch (error) {
    throw new UsageError(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

/** @throws ClipError IO if there is none, PLAN_FORMAT */
export async function plannedBatch(output: Storage): Promise<Plan> {
  const plan = await readPlan(output);
  if (plan) return plan;
  const place = isBucket(output.place) ? output.place : quote(output.place);
  throw new ClipError('IO', `${place} has no plan: edgeclip batch plan INPUT --output ${place}`);
}
