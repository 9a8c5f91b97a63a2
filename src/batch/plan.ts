/**
 * The plan of a batch: which pictures go into which part. It lies with the output, in files of JSON Lines: the first line says what
 * the batch is and which shards follow, each other one is a shard, and each ends with a check of itself. A file never changes; what
 * does not fit into one, and pictures that were added later, have files of their own.
 */
import { ClipError } from '../errors.ts';
import { isObject, show } from '../json.ts';
import { sha256 } from './checksum.ts';
import { concurrently } from './concurrent.ts';
import { planGone } from './output-error.ts';
import type { Storage, StoredFile } from './storage.ts';

/** What the pictures are: files under a folder or prefix, members of tar files under it, or names in a list. */
export type InputKind = 'files' | 'tars' | 'list';
/** How parts are written: see `parts.ts`. */
export type Layout = 'parquet' | 'clip-retrieval';

export interface PlanHead {
  /** Names the batch's queue. */
  readonly id: string;
  /** Where the pictures are. It may change from one file to the next: they were moved. */
  readonly input: string;
  readonly kind: InputKind;
  /** Where relative paths in a list begin. It may change, too. */
  readonly base: string;
  readonly layout: Layout;
  /** Embeddings as float16 instead of float32. */
  readonly half: boolean;
}

/** A unit of work, and of output. */
export interface Shard {
  /** Number of the part, from 0. */
  readonly part: number;
  /** The pictures: names relative to the input, or what the list says. */
  readonly keys?: readonly string[];
  /** A tar file, whose members are the pictures. */
  readonly tar?: string;
}

/** A shard as the plan has it. */
export interface PlannedShard extends Shard {
  /** Of its line: the same for the same pictures in the same part. */
  readonly check: string;
}

/** A shard's place in the plan, so that a worker reads only its line. */
export interface ShardPlace {
  readonly part: number;
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

/** A plan by the first lines of its files. */
export interface Plan {
  /** That of the last file. */
  readonly head: PlanHead;
  readonly files: readonly StoredFile[];
  /** How many shards it has: their parts are numbered from 0. */
  readonly shards: number;
  /** Of the other files, where pictures were before they were moved. */
  readonly earlier: readonly PlanHead[];
}

const VERSION = 'batch-plan-1';
const FOLDER = 'plan/';
const DIGITS = 5;
/** The first line is read with this much; it has some 300 bytes and two paths. */
const HEAD_BYTES = 1 << 14;
/** `,"check":"0123456789abcdef"}` */
const CHECK_BYTES = 28;

export const numbered = (n: number): string => String(n).padStart(DIGITS, '0');

/** The name of the next file of a plan that has `count`. */
export const planName = (count: number): string => `${FOLDER}plan-${numbered(count)}.jsonl`;

/** The first line of a file that begins with the shard `first`. */
export const headLine = (head: PlanHead, first: number, shards: number): Uint8Array =>
  line({ edgeclip: VERSION, ...head, first, shards });

export const shardLine = (shard: Shard): Uint8Array => line(shard);

/** JSON whose last field is a check of what is before it. */
function line(value: object): Uint8Array {
  const text = JSON.stringify(value).slice(0, -1);
  return Buffer.from(`${text},"check":"${check(Buffer.from(text))}"}\n`);
}

const check = (text: Uint8Array): string => sha256(text).slice(0, 16);

/**
 * Reads the first lines of a plan's files.
 * @returns undefined if there is no plan
 * @throws ClipError PLAN_FORMAT, IO
 */
export async function readPlan(output: Storage): Promise<Plan | undefined> {
  let head: PlanHead | undefined;
  const earlier: PlanHead[] = [];
  let shards = 0;
  const files = await planFiles(output);
  for await (const { name, own, first, count } of concurrently(files, (file) => readHead(output, file))) {
    const where = `${output.place}: ${name}, line 1`;
    if (head && !isSameBatch(head, own)) throw damaged(where, 'it belongs to another batch');
    if (first !== shards) throw damaged(where, `expected its first part to be ${shards}, got ${first}`);
    if (head && (head.input !== own.input || head.base !== own.base)) earlier.push(head);
    head = own;
    shards += count;
  }
  return head && { head, files, shards, earlier };
}

async function planFiles(output: Storage): Promise<StoredFile[]> {
  const files: StoredFile[] = [];
  for await (const file of output.list(FOLDER)) {
    if (!/\/plan-\d+\.jsonl$/.test(file.name)) continue;
    const expected = planName(files.length);
    if (file.name !== expected) throw damaged(`${output.place}: ${expected}`, 'there is no such file');
    files.push(file);
  }
  return files;
}

async function readHead(output: Storage, { name, bytes: size }: StoredFile) {
  const where = `${output.place}: ${name}, line 1`;
  const beginning = size === 0 ? undefined : await output.read(name, { start: 0, end: Math.min(size, HEAD_BYTES) });
  if (!beginning) throw damaged(where, 'it is empty: remove it, and plan again');
  const isWhole = beginning.includes(10) || beginning.length === size;
  const bytes = isWhole ? beginning : await output.read(name);
  return { name, ...planHead(firstLine(bytes!), where) };
}

const firstLine = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, (bytes.indexOf(10) + 1 || bytes.length + 1) - 1);

const isSameBatch = (a: PlanHead, b: PlanHead): boolean =>
  (['id', 'kind', 'layout', 'half'] as const).every((name) => a[name] === b[name]);

/**
 * Reads all shards of a plan, one file at a time.
 * @throws ClipError PLAN_FORMAT, IO
 */
export async function* readShards(
  output: Storage,
  { files }: Plan,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly shard: PlannedShard; readonly place: ShardPlace }> {
  for (const { name: file } of files) {
    const bytes = (await output.read(file, { signal })) ?? new Uint8Array();
    const { first, count } = planHead(firstLine(bytes), `${output.place}: ${file}, line 1`);
    let part = first;
    for (let start = firstLine(bytes).length + 1; start < bytes.length; part++) {
      const found = bytes.indexOf(10, start);
      const end = found < 0 ? bytes.length : found;
      const where = `${output.place}: ${file}, line ${part - first + 2}`;
      const shard = planShard(bytes.subarray(start, end), where);
      if (shard.part !== part) throw damaged(where, `expected part ${part}, got ${shard.part}`);
      yield { shard, place: { part, file, start, end } };
      start = end + 1;
    }
    if (part - first === count) continue;
    throw damaged(`${output.place}: ${file}`, `it has ${part - first} shards of ${count}: it was cut`);
  }
}

/** The checks of all shards of a plan, in their order. @throws ClipError PLAN_FORMAT, IO */
export async function shardChecks(output: Storage, plan: Plan, signal?: AbortSignal): Promise<string[]> {
  const checks: string[] = [];
  for await (const { shard } of readShards(output, plan, signal)) checks.push(shard.check);
  return checks;
}

/** @throws ClipError PLAN_FORMAT, IO; OutputError if the plan's file is gone */
export async function readShard(output: Storage, place: ShardPlace, signal?: AbortSignal): Promise<PlannedShard> {
  const { file, start, end, part } = place;
  const where = `${output.place}: ${file}, bytes ${start} to ${end}`;
  const bytes = await output.read(file, { start, end, signal });
  if (!bytes) throw planGone(output, file);
  const shard = planShard(bytes, where);
  if (shard.part !== part) throw damaged(where, `expected part ${part}, got ${shard.part}`);
  return shard;
}

function planHead(bytes: Uint8Array, where: string) {
  const { edgeclip, id, input, kind, base, layout, half, first, shards } = parseLine(bytes, where);
  if (edgeclip !== VERSION) throw damaged(where, `expected a plan of version ${VERSION}, got ${show(edgeclip)}`);
  const isHead =
    typeof id === 'string' &&
    typeof input === 'string' &&
    typeof base === 'string' &&
    typeof half === 'boolean' &&
    ['files', 'tars', 'list'].includes(kind as string) &&
    ['parquet', 'clip-retrieval'].includes(layout as string) &&
    [first, shards].every(isCount);
  if (!isHead) throw damaged(where, 'it does not say what the batch is');
  const own: PlanHead = { id, input, kind: kind as InputKind, base, layout: layout as Layout, half };
  return { own, first: first as number, count: shards as number };
}

function planShard(bytes: Uint8Array, where: string): PlannedShard {
  const { part, keys, tar, check } = parseLine(bytes, where);
  const hasKeys = Array.isArray(keys) && keys.every((key) => typeof key === 'string');
  if (!isCount(part) || hasKeys === (typeof tar === 'string')) {
    throw damaged(where, 'expected a shard: { part, keys } or { part, tar }');
  }
  const pictures = hasKeys ? { keys: keys as string[] } : { tar: tar as string };
  return { part: part as number, ...pictures, check: check as string };
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

function parseLine(bytes: Uint8Array, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw damaged(where, 'it is not JSON', cause);
  }
  const fields = isObject(value) ? (value as Record<string, unknown>) : {};
  if (fields.check !== check(bytes.subarray(0, -CHECK_BYTES)))
    throw damaged(where, 'it was changed: its check differs');
  return fields;
}

const damaged = (where: string, what: string, cause?: unknown): ClipError =>
  new ClipError('PLAN_FORMAT', `${where}: ${what}`, { cause });
