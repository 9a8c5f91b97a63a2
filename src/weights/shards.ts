/** A packed tower in several files: their names, and the index that says how many there are. */

import { LAYOUT_VERSION } from '../engine/layout.ts';
import { ClipError } from '../errors.ts';
import type { Tower } from '../model/config.ts';
import { parseIndex } from './json-limits.ts';
import { checkRange, type Source } from './source.ts';

/** More shards than this are taken for a mistake. */
const MAX_SHARDS = 10_000;

/** An index has a few members. */
const INDEX_LIMITS = { depth: 8, commas: 1000 };
const MAX_INDEX = 100_000;

export const indexName = (tower: Tower) => `${tower}.safetensors.index.json`;

const digits = (n: number) => String(n).padStart(5, '0');

/** The name of shard i, counted from 0, of `count`. */
export const shardName = (tower: Tower, i: number, count: number) =>
  `${tower}-${digits(i + 1)}-of-${digits(count)}.safetensors`;

export const writeIndex = (shards: number): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify({ format: 'edgeclip', layout: LAYOUT_VERSION, shards })}\n`);

/** The files of a tower as one source: the bytes of the first, then those of the second, and so on. */
export class ShardedSource implements Source {
  readonly name: string;
  readonly byteLength: number;
  readonly shards: readonly Source[];

  constructor(name: string, shards: readonly Source[]) {
    this.name = name;
    this.shards = shards;
    this.byteLength = shards.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  async readInto(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkRange(this, offset, target.byteLength);
    let start = 0;
    for (const shard of this.shards) {
      const from = Math.max(offset, start);
      const to = Math.min(offset + target.byteLength, start + shard.byteLength);
      if (to > from) await shard.readInto(from - start, target.subarray(from - offset, to - offset), signal);
      start += shard.byteLength;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.shards.map((shard) => shard.close?.()));
  }
}

/** What is needed of `ModelFiles`. */
export interface FileStore {
  readonly name: string;
  text(name: string): Promise<string | undefined>;
  source(name: string): Promise<Source | undefined>;
}

/**
 * Opens all these files, or none: if one fails, those opened before are closed.
 * @param missing what to say of a file that is not there
 * @throws ClipError WEIGHTS_MISSING for a file that is not there
 */
export async function openAll(
  files: FileStore,
  names: Iterable<string>,
  missing: (name: string) => string,
): Promise<Source[]> {
  const opened: Source[] = [];
  try {
    for (const name of names) {
      const source = await files.source(name);
      if (!source) throw new ClipError('WEIGHTS_MISSING', `"${files.name}": ${missing(name)}`);
      opened.push(source);
    }
  } catch (error) {
    await Promise.all(opened.map((source) => source.close?.()));
    throw error;
  }
  return opened;
}

/**
 * Opens the shards of a tower, or returns undefined if there is no index.
 * @throws ClipError WEIGHTS_FORMAT for an index that cannot be used; WEIGHTS_MISSING for a shard that is not there
 */
export async function shardedSource(files: FileStore, tower: Tower): Promise<ShardedSource | undefined> {
  const name = indexName(tower);
  const text = await files.text(name);
  if (text === undefined) return undefined;
  const count = readIndex(text, `"${files.name}": ${name}`);
  const names = Array.from({ length: count }, (_, i) => shardName(tower, i, count));
  const shards = await openAll(files, names, (shard) => `${name} says ${count} shards, but there is no ${shard}`);
  return new ShardedSource(name, shards);
}

function readIndex(text: string, name: string): number {
  const fail = (what: string): never => {
    throw new ClipError('WEIGHTS_FORMAT', `${name} ${what}`);
  };
  const index = parseIndex(text, name, MAX_INDEX, INDEX_LIMITS);
  const { format, layout, shards } = (index ?? {}) as Record<string, unknown>;
  if (format !== 'edgeclip') fail('is not the index of a packed model: expected "format": "edgeclip"');
  if (layout !== LAYOUT_VERSION) {
    fail(`has layout ${JSON.stringify(layout) ?? '(none)'}, expected "${LAYOUT_VERSION}"; pack the model again`);
  }
  if (!Number.isInteger(shards) || (shards as number) < 1 || (shards as number) > MAX_SHARDS) {
    fail(`has shards ${JSON.stringify(shards) ?? '(none)'}, expected an integer from 1 to ${MAX_SHARDS}`);
  }
  return shards as number;
}
