/**
 * A search over int8 copies that gives what a plain f32 scan gives: an upper bound of each product, then the f32 products of all
 * vectors whose bound reaches the k-th best (docs/numerics.md, "Search").
 */
import { yieldIfDue } from '../scheduler.ts';
import { Best, type Scored } from './best.ts';
import { EXACT_ROWS, type Query, type Records } from './records.ts';

export interface Searched {
  readonly records: Records;
  readonly dimension: number;
  /** By slot, when its vector was added. */
  readonly added: readonly number[];
  /** Writes the f32 vectors of slots one after the other, NaN for those that are gone; a promise if some must be read. */
  read(slots: readonly number[], target: Float32Array): Promise<void> | undefined;
}

export interface SlotSearchOptions {
  readonly filter?: ((slot: number) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The k slots with the largest products, best first; equal ones in the order of their additions. */
export async function exactSearch(
  searched: Searched,
  query: Query,
  k: number,
  { filter, signal }: SlotSearchOptions,
): Promise<readonly Scored[]> {
  const { records, added } = searched;
  const { count } = records;
  const bounds = new Float32Array(count);
  for (let first = 0; first < count; ) {
    await yieldIfDue(signal);
    const n = records.blockAt(first, count);
    records.bounds(query, first, n, bounds);
    first += n;
  }
  if (filter) {
    for (let slot = 0; slot < count; slot++) {
      if (bounds[slot] !== Number.NEGATIVE_INFINITY && !filter(slot)) bounds[slot] = Number.NEGATIVE_INFINITY;
    }
  }
  const best = new Best(k, added);
  // The k largest bounds first: their products are a floor under the k-th best, which few other bounds reach.
  const first = new Best(k, added);
  let floor = -Number.MAX_VALUE; // above the bounds of what was dropped
  for (let slot = 0; slot < count; slot++) {
    if (bounds[slot]! >= floor) floor = Math.max(floor, first.add(slot, bounds[slot]!));
  }
  const leaders = first.list().map(({ slot }) => slot);
  await addProducts(searched, query, leaders, best, bounds, signal);
  const seen = new Set(leaders);
  const least = Math.max(-Number.MAX_VALUE, best.least());
  const others: number[] = [];
  for (let slot = 0; slot < count; slot++) {
    if (bounds[slot]! >= least && !seen.has(slot)) others.push(slot);
  }
  others.sort((a, b) => bounds[b]! - bounds[a]!);
  await addProducts(searched, query, others, best, bounds, signal);
  return best.list();
}

/** Adds the f32 products of slots with the query, the largest bounds first, until no bound reaches the k-th best. */
async function addProducts(
  { records, dimension, read }: Searched,
  query: Query,
  slots: readonly number[],
  best: Best,
  bounds: Float32Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const vectors = new Float32Array(Math.min(EXACT_ROWS, slots.length) * dimension);
  for (let first = 0; first < slots.length; first += EXACT_ROWS) {
    if (bounds[slots[first]!]! < best.least()) return;
    const some = slots.slice(first, first + EXACT_ROWS).sort((a, b) => a - b);
    await yieldIfDue(signal);
    const reading = read(some, vectors);
    if (reading) await reading;
    const products = records.products(query, vectors, dimension, some.length);
    for (const [i, slot] of some.entries()) {
      if (!Number.isNaN(products[i]!)) best.add(slot, products[i]!);
    }
  }
}
