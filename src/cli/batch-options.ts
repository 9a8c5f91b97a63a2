/** What the commands of `edgeclip batch` have in common. */
import type { Command } from 'commander';
import { type Plan, readPlan } from '../batch/plan.ts';
import { isBucket, openStorage, type Storage } from '../batch/storage.ts';
import { ClipError } from '../errors.ts';
import { emptyOption, quote } from './failure.ts';

export interface BatchOptions {
  readonly output: string;
  readonly queue?: string;
  readonly endpoint?: string;
}

export const STORAGE_HELP = `
s3://bucket/prefix is object storage: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and
AWS_ENDPOINT_URL say who asks and where; it needs the package aws4fetch. Parts need hyparquet-writer, --queue needs bullmq with
ioredis or pg, tar files need modern-tar.`;

export function addBatchOptions(command: Command): Command {
  return command
    .requiredOption('--output <place>', 'where the plan and the parts are: a folder or s3://bucket/prefix')
    .option('--queue <url>', 'redis://, rediss:// or postgres:// that the workers share (default: this machine alone)')
    .option('--endpoint <url>', 'server of s3:// addresses (default: AWS_ENDPOINT_URL, else Amazon)');
}

/** @throws UsageError for an empty option; ClipError IO */
export function openOutput({ output, queue, endpoint }: BatchOptions, create = false): Promise<Storage> {
  for (const [name, value] of Object.entries({ output, queue, endpoint }))
    if (value === '') throw emptyOption(`--${name}`);
  return openStorage(output, { create, ...(endpoint !== undefined && { endpoint }) });
}

/** @throws ClipError IO if there is none, PLAN_FORMAT */
export async function plannedBatch(output: Storage): Promise<Plan> {
  const plan = await readPlan(output);
  if (plan) return plan;
  const place = isBucket(output.place) ? output.place : quote(output.place);
  throw new ClipError('IO', `${place} has no plan: edgeclip batch plan INPUT --output ${place}`);
}
