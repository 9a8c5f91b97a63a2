/** Lists the pictures of an input and plans those that no earlier plan of the output has. */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { ClipError } from '../errors.ts';
import { ioReason } from '../platform/io-reason.ts';
import { type InputKind, type Layout, type Plan, type PlanHead, PlanWriter, planName, readPlan } from './plan.ts';
import { isPictureMember } from './sources.ts';
import { isBucket, openStorage, type Storage, type StorageOptions } from './storage.ts';

/** A list that comes on standard input. */
const STANDARD_INPUT = '-';

export interface PlanOptions extends StorageOptions {
  readonly kind: InputKind;
  /** Pictures in a part. */
  readonly shardSize: number;
  readonly layout: Layout;
  readonly half: boolean;
  readonly signal?: AbortSignal;
  /** Called with the pictures found so far. */
  readonly onFound?: (count: number) => void;
}

export interface Planned {
  /** What is new: pictures, or tar files. */
  readonly added: number;
  readonly shards: number;
  /** What earlier plans had already. */
  readonly known: number;
  /** The whole plan, the new shards last; none if nothing was found. */
  readonly plan: Plan | undefined;
}

/**
 * Plans the pictures of a folder, a bucket's prefix or a list. Run again, it adds those that are new.
 * The names of all pictures are held while it runs: some 150 bytes each.
 * @throws ClipError IO; PLAN_FORMAT if the plan is damaged, or the output belongs to another input or layout
 */
export async function planBatch(input: string, output: Storage, options: PlanOptions): Promise<Planned> {
  const { kind, shardSize, layout, half, signal, onFound } = options;
  const place = isBucket(input) || input === STANDARD_INPUT ? input : resolve(input);
  const wanted: PlanHead = { id: randomUUID(), input: place, kind, base: process.cwd(), layout, half };
  const known = new Set<string>();
  const before = await readPlan(output, ({ keys, tar }) => {
    for (const key of keys ?? [tar!]) known.add(key);
  });
  if (before) checkSame(output, before.head, wanted);
  const knownCount = known.size;
  const { head, shards, files } = before ?? { head: wanted, shards: [], files: 0 };
  const file = planName(files);
  const writer = new PlanWriter(head, file, shards.length, shardSize);
  for await (const name of names(input, kind, options)) {
    signal?.throwIfAborted();
    if (known.has(name)) continue;
    known.add(name);
    if (kind === 'tars') writer.addTar(name);
    else writer.addPicture(name);
    if (writer.count % 1000 === 0) onFound?.(writer.count);
  }
  const bytes = writer.end();
  if (bytes && !(await output.create(file, bytes, signal))) {
    throw new ClipError('IO', `${output.place}: another run has planned at the same time: run it again`);
  }
  const all = [...shards, ...writer.places];
  const plan = all.length === 0 ? undefined : { head, shards: all };
  return { added: writer.count, shards: writer.places.length, known: knownCount, plan };
}

function checkSame(output: Storage, had: PlanHead, wanted: PlanHead): void {
  const relative = wanted.kind === 'list' ? (['base'] as const) : [];
  for (const name of ['input', 'kind', 'layout', 'half', ...relative] as const) {
    if (had[name] === wanted[name]) continue;
    throw new ClipError(
      'PLAN_FORMAT',
      `${output.place} has a plan whose ${name} is ${JSON.stringify(had[name])}, not ${JSON.stringify(wanted[name])}: choose another output`,
    );
  }
}

async function* names(input: string, kind: InputKind, options: PlanOptions): AsyncGenerator<string> {
  if (kind === 'list') {
    yield* listed(input);
    return;
  }
  const storage = await openStorage(input, options);
  const isWanted = kind === 'tars' ? (name: string) => /\.tar$/i.test(name) : isPictureMember;
  for await (const { name } of storage.list('', options.signal)) if (isWanted(name)) yield name;
}

/** The lines of a file, or of standard input as `-`. */
async function* listed(path: string): AsyncGenerator<string> {
  const stream = path === STANDARD_INPUT ? process.stdin : createReadStream(path);
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      const text = line.replace(/^\ufeff/, '');
      if (text.trim() !== '') yield text;
    }
  } catch (cause) {
    throw new ClipError('IO', `cannot read the list ${JSON.stringify(path)}: ${ioReason(cause)}`, { cause });
  }
}
