/**
 * The plan of a batch: which pictures go into which part. It lies with the output, in files of JSON Lines: the first line says what
 * the batch is, each other one is a shard. A plan's file never changes; pictures that were added later get a file of their own.
 */
import { ClipError } from '../errors.ts';
import { isObject, show } from '../json.ts';
import type { Storage } from './storage.ts';

/** What the pictures are: files under a folder or prefix, members of tar files under it, or names in a list. */
export type InputKind = 'files' | 'tars' | 'list';
/** How parts are written: see `parts.ts`. */
export type Layout = 'parquet' | 'clip-retrieval';

export interface PlanHead {
  /** Names the batch's queue. */
  readonly id: string;
  readonly input: string;
  readonly kind: InputKind;
  /** Where relative paths in a list begin. */
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

/** A shard's place in the plan, so that a worker reads only its line. */
export interface ShardPlace {
  readonly part: number;
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

export interface Plan {
  readonly head: PlanHead;
  readonly shards: readonly ShardPlace[];
}

const VERSION = 'batch-plan-1';
const FOLDER = 'plan/';
const DIGITS = 5;

export const numbered = (n: number): string => String(n).padStart(DIGITS, '0');

/** Collects shards into the bytes of a plan's file. */
export class PlanWriter {
  /** Of the shards so far. */
  readonly places: ShardPlace[] = [];
  readonly #lines: Uint8Array[] = [];
  readonly #file: string;
  readonly #firstPart: number;
  readonly #shardSize: number;
  #bytes = 0;
  #keys: string[] = [];
  /** Pictures, or tar files. */
  count = 0;

  constructor(head: PlanHead, file: string, firstPart: number, shardSize: number) {
    this.#file = file;
    this.#firstPart = firstPart;
    this.#shardSize = shardSize;
    this.#write({ edgeclip: VERSION, ...head });
  }

  addPicture(key: string): void {
    this.count++;
    if (this.#keys.push(key) === this.#shardSize) this.#endShard();
  }

  addTar(tar: string): void {
    this.count++;
    this.#writeShard({ tar });
  }

  /** The bytes of the file; undefined if it has no shards. */
  end(): Uint8Array | undefined {
    if (this.#keys.length > 0) this.#endShard();
    return this.places.length === 0 ? undefined : Buffer.concat(this.#lines);
  }

  #endShard(): void {
    this.#writeShard({ keys: this.#keys });
    this.#keys = [];
  }

  #writeShard(pictures: Pick<Shard, 'keys' | 'tar'>): void {
    const part = this.#firstPart + this.places.length;
    const start = this.#bytes;
    this.#write({ part, ...pictures });
    this.places.push({ part, file: this.#file, start, end: this.#bytes - 1 }); // without the line feed
  }

  #write(line: object): void {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    this.#lines.push(bytes);
    this.#bytes += bytes.length;
  }
}

/** The name of the next file of a plan that has `count`. */
export const planName = (count: number): string => `${FOLDER}plan-${numbered(count)}.jsonl`;

/**
 * Reads all files of a plan, one at a time.
 * @param onShard gets each shard; without it only the places are kept
 * @throws ClipError PLAN_FORMAT, IO
 */
export async function readPlan(
  output: Storage,
  onShard?: (shard: Shard) => void,
): Promise<(Plan & { readonly files: number }) | undefined> {
  let head: PlanHead | undefined;
  let files = 0;
  const shards: ShardPlace[] = [];
  for await (const { name } of output.list(FOLDER)) {
    if (!/\/plan-\d+\.jsonl$/.test(name)) continue;
    const bytes = (await output.read(name)) ?? new Uint8Array();
    files++;
    for (let start = 0, line = 1; start < bytes.length; line++) {
      const found = bytes.indexOf(10, start);
      const end = found < 0 ? bytes.length : found;
      const where = `${output.place}: ${name}, line ${line}`;
      const value = parseLine(bytes.subarray(start, end), where);
      if (line === 1) {
        const own = planHead(value, where);
        if (head && JSON.stringify(own) !== JSON.stringify(head)) throw damaged(where, 'it belongs to another batch');
        head = own;
      } else {
        const shard = planShard(value, where);
        if (shard.part !== shards.length) throw damaged(where, `expected part ${shards.length}, got ${shard.part}`);
        shards.push({ part: shard.part, file: name, start, end });
        onShard?.(shard);
      }
      start = end + 1;
    }
  }
  if (files > 0 && !head) throw damaged(`${output.place}: ${planName(0)}`, 'it is empty: remove it, and plan again');
  return head && { head, shards, files };
}

/** @throws ClipError PLAN_FORMAT, IO */
export async function readShard(output: Storage, place: ShardPlace, signal?: AbortSignal): Promise<Shard> {
  const { file, start, end, part } = place;
  const where = `${output.place}: ${file}, bytes ${start} to ${end}`;
  const bytes = await output.read(file, { start, end, signal });
  if (!bytes) throw damaged(where, 'there is no such file');
  const shard = planShard(parseLine(bytes, where), where);
  if (shard.part !== part) throw damaged(where, `expected part ${part}, got ${shard.part}`);
  return shard;
}

function parseLine(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw damaged(where, 'it is not JSON', cause);
  }
}

function planHead(value: unknown, where: string): PlanHead {
  const { edgeclip, id, input, kind, base, layout, half } = (isObject(value) ? value : {}) as Record<string, unknown>;
  if (edgeclip !== VERSION) throw damaged(where, `expected a plan of version ${VERSION}, got ${show(edgeclip)}`);
  const isHead =
    typeof id === 'string' &&
    typeof input === 'string' &&
    typeof base === 'string' &&
    typeof half === 'boolean' &&
    ['files', 'tars', 'list'].includes(kind as string) &&
    ['parquet', 'clip-retrieval'].includes(layout as string);
  if (!isHead) throw damaged(where, 'it does not say what the batch is');
  return { id, input, kind: kind as InputKind, base, layout: layout as Layout, half };
}

function planShard(value: unknown, where: string): Shard {
  const { part, keys, tar } = (isObject(value) ? value : {}) as Record<string, unknown>;
  const hasKeys = Array.isArray(keys) && keys.every((key) => typeof key === 'string');
  if (!Number.isSafeInteger(part) || (part as number) < 0 || hasKeys === (typeof tar === 'string')) {
    throw damaged(where, 'expected a shard: { part, keys } or { part, tar }');
  }
  return { part: part as number, ...(hasKeys ? { keys: keys as string[] } : { tar: tar as string }) };
}

const damaged = (where: string, what: string, cause?: unknown): ClipError =>
  new ClipError('PLAN_FORMAT', `${where}: ${what}`, { cause });
