/** Lists the pictures of an input and plans those that no earlier plan of the output has. */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { ClipError } from '../errors.ts';
import { nameFromBytes } from '../file-name.ts';
import { byteLines, isUtf16, LineTooLong } from '../lines.ts';
import { ioReason } from '../platform/io-reason.ts';
import { NameSet } from './name-set.ts';
import { openStorage, type StorageOptions } from './open-storage.ts';
import { doneParts } from './parts.ts';
import {
  type InputKind,
  type Layout,
  type Plan,
  type PlanHead,
  readPlan,
  readShards,
  type ShardPlace,
} from './plan.ts';
import { PlanWriter } from './plan-writer.ts';
import { plannedParts } from './planned-parts.ts';
import { isPictureMember } from './shard-picture.ts';
import { isBucket, type Storage } from './storage.ts';

/** A list that comes on standard input. */
const STANDARD_INPUT = '-';
/** A line of a list: no address or path is longer. */
const LINE_BYTES = 1 << 16;

export interface PlanOptions extends StorageOptions {
  readonly kind: InputKind;
  /** Pictures in a part. */
  readonly shardSize: number;
  readonly layout: Layout;
  readonly half: boolean;
  /** Whether the names of a list end with NUL instead of a line feed. */
  readonly nulls?: boolean;
  /** Whether the pictures of the plan are now at this input. */
  readonly moved?: boolean;
  readonly signal?: AbortSignal;
  /** Called with the pictures found so far. */
  readonly onFound?: (count: number) => void;
  /** Called for a folder that cannot be listed; without it, it ends the plan. */
  readonly onUnlisted?: (error: ClipError) => void;
}

export interface Planned {
  /** What is new: pictures, or tar files. */
  readonly added: number;
  readonly shards: number;
  /** What earlier plans had already. */
  readonly known: number;
  /** The whole plan; none if nothing was found. */
  readonly plan: Plan | undefined;
  /** Its shards that have no part, the new ones last. */
  readonly places: readonly ShardPlace[];
}

/**
 * Plans the pictures of a folder, a bucket's prefix or a list. Run again, it adds those that are new, also after it was stopped.
 * @throws ClipError IO; PLAN_FORMAT if the plan is damaged, or the output belongs to another input or layout
 */
export async function planBatch(input: string, output: Storage, options: PlanOptions): Promise<Planned> {
  const { kind, shardSize, layout, half, moved = false, signal, onFound } = options;
  const place = isBucket(input) || input === STANDARD_INPUT ? input : resolve(input);
  const wanted: PlanHead = { id: randomUUID(), input: place, kind, base: process.cwd(), layout, half };
  const before = await readPlan(output);
  const done = new Set<number>();
  if (before) {
    checkSame(output, before.head, wanted, moved);
    for (const { part } of (await plannedParts(output, before)).parts) done.add(part);
  } else if ((await doneParts(output, layout)).length > 0) {
    throw new ClipError('PLAN_FORMAT', `${output.place} has parts but no plan: choose another output`);
  }
  const places: ShardPlace[] = [];
  const known = new NameSet();
  if (before) {
    for await (const { shard, place } of readShards(output, before, signal)) {
      if (!done.has(place.part)) places.push(place);
      for (const key of shard.keys ?? [shard.tar!]) known.add(key);
    }
  }
  const knownCount = known.size;
  const head = before ? { ...before.head, input: place, base: wanted.base } : wanted;
  const files = before?.files.length ?? 0;
  const writer = new PlanWriter({ output, head, files, shards: before?.shards ?? 0, shardSize, signal });
  const mayRepeat = before !== undefined || kind === 'list'; // else the names need not be held
  for await (const name of names(input, kind, options)) {
    signal?.throwIfAborted();
    if (mayRepeat && !known.add(name)) continue;
    await (kind === 'tars' ? writer.addTar(name) : writer.addPicture(name));
    if (writer.count % 1000 === 0) onFound?.(writer.count);
  }
  await writer.end(before !== undefined && moved);
  places.push(...writer.places);
  const plan = await readPlan(output);
  return { added: writer.count, shards: writer.places.length, known: knownCount, plan, places };
}

function checkSame(output: Storage, had: PlanHead, wanted: PlanHead, moved: boolean): void {
  const names: (keyof PlanHead)[] = ['kind', 'layout', 'half'];
  if (!moved) names.push('input', ...(wanted.kind === 'list' ? (['base'] as const) : []));
  for (const name of names) {
    if (had[name] === wanted[name]) continue;
    if (name === 'base') {
      throw new ClipError(
        'PLAN_FORMAT',
        `the list of ${output.place} was planned in ${JSON.stringify(had.base)}, where its relative paths begin, not in ${JSON.stringify(wanted.base)}: plan there, add --moved if the same pictures are here now, or choose another output`,
      );
    }
    const instead = name === 'input' ? 'add --moved if the same pictures are there now, or ' : '';
    throw new ClipError(
      'PLAN_FORMAT',
      `${output.place} has a plan whose ${name} is ${JSON.stringify(had[name])}, not ${JSON.stringify(wanted[name])}: ${instead}choose another output`,
    );
  }
}

async function* names(input: string, kind: InputKind, options: PlanOptions): AsyncGenerator<string> {
  if (kind === 'list') {
    yield* listed(input, options);
    return;
  }
  const storage = await openStorage(input, options);
  const isWanted = kind === 'tars' ? (name: string) => /\.tar$/i.test(name) : isPictureMember;
  for await (const { name } of storage.list('', options.signal, options.onUnlisted)) if (isWanted(name)) yield name;
}

/** The names in a file, here or in a bucket, or in standard input as `-`: any bytes but those that end a line. */
async function* listed(path: string, options: PlanOptions): AsyncGenerator<string> {
  const { nulls = false, signal } = options;
  const where = `cannot read the list ${JSON.stringify(path)}`;
  const [, bucket, name] = /^(s3:\/\/[^/]+)\/(.+)$/i.exec(path) ?? [];
  const storage = bucket === undefined ? undefined : await openStorage(bucket, options);
  let count = 0;
  try {
    const stream = storage
      ? await storage.stream(name!, signal)
      : path === STANDARD_INPUT
        ? process.stdin
        : createReadStream(path);
    for await (const line of byteLines(stream, { end: nulls ? 'nul' : 'line feed', maxBytes: LINE_BYTES })) {
      count++;
      if (line instanceof LineTooLong) throw new RangeError(`line ${count} has more than ${line.maxBytes} bytes`);
      if (count === 1 && isUtf16(line)) throw new RangeError('it is UTF-16: save it as UTF-8');
      if (!nulls && line.includes(0)) {
        throw new RangeError(`line ${count} has a NUL: names that end with NUL, as by find -print0, need --null; UTF-16 is not read`); // biome-ignore format: one line
      }
      const name = nameFromBytes(line);
      if (name.trim() !== '') yield name;
    }
  } catch (cause) {
    const reason = cause instanceof RangeError || cause instanceof ClipError ? cause.message : ioReason(cause);
    throw new ClipError('IO', `${where}: ${reason}`, { cause });
  }
}
