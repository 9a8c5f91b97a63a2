/** A packed tower in several files: their names, and the index that says how many there are. */

import { LAYOUT_VERSION } from '../engine/layout.ts';
import { ClipError } from '../errors.ts';
import type { Tower } from '../model/config.ts';
import { type FileStore, openAll, parseIndex } from './shard-files.ts';
import { indexName, ShardedSource } from './shards.ts';

/** More shards than this are taken for a mistake. */
const MAX_SHARDS = 10_000;

/** An index has a few members. */
const INDEX_LIMITS = { depth: 8, commas: 1000 };
const MAX_INDEX = 100_000;

const digits = (n: number) => String(n).padStart(5, '0');

/** The name of shard i, counted from 0, of `count`. */
export const shardName = (tower: Tower, i: number, count: number) =>
  `${tower}-${digits(i + 1)}-of-${digits(count)}.safetensors`;

export const writeIndex = (shards: number): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify({ format: 'edgeclip', layout: LAYOUT_VERSION, shards })}\n`);

/**
 * Opens the shards of a tower.
 * @param text the index
 * @throws ClipError WEIGHTS_FORMAT for an index that cannot be used; WEIGHTS_MISSING for a shard that is not there
 */
export async function packedShards(files: FileStore, tower: Tower, text: string): Promise<ShardedSource> {
  const name = indexName(tower);
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
