/** Prefix trees over any number of texts, sorted and built in slices, with turns of the event loop in between. */

import { yieldIfDue } from './scheduler.ts';
import { buildPrefixTree, type Chunk, compare } from './text/prefix-tree.ts';

/** Sequences that are sorted, or put into trees, at one go: some ten milliseconds. */
const SLICE = 4096;

/**
 * The chunks of `buildPrefixTree` over all sequences; only where a slice ends, one more chunk is cut.
 * @throws as `buildPrefixTree`; the signal's reason
 */
export async function* prefixChunks(
  sequences: readonly (readonly number[])[],
  maxNodes: number,
  signal?: AbortSignal,
): AsyncGenerator<Chunk, void, undefined> {
  const order = await sortedOrder(sequences, signal);
  for (let first = 0; first < order.length; first += SLICE) {
    await yieldIfDue(signal);
    const slice = order.subarray(first, first + SLICE);
    for (const chunk of buildPrefixTree(
      Array.from(slice, (i) => sequences[i]!),
      maxNodes,
    )) {
      const leaves = chunk.leaves.map(({ node, sequences }) => ({ node, sequences: sequences.map((i) => slice[i]!) }));
      yield { ...chunk, leaves };
    }
  }
}

/** The indices of the sequences in lexicographic order: a merge sort that begins with sorted slices. */
async function sortedOrder(sequences: readonly (readonly number[])[], signal?: AbortSignal): Promise<Uint32Array> {
  const n = sequences.length;
  let from = Uint32Array.from({ length: n }, (_, i) => i);
  if (n <= SLICE) return from; // buildPrefixTree sorts
  const before = (i: number, j: number) => compare(sequences[i]!, sequences[j]!) || i - j;
  for (let first = 0; first < n; first += SLICE) {
    await yieldIfDue(signal);
    from.subarray(first, first + SLICE).sort(before);
  }
  let to = new Uint32Array(n);
  for (let width = SLICE; width < n; width *= 2) {
    for (let first = 0; first < n; first += 2 * width) {
      const middle = Math.min(first + width, n);
      const end = Math.min(middle + width, n);
      for (let left = first, right = middle, out = first; out < end; out++) {
        if (out % SLICE === 0) await yieldIfDue(signal);
        const isLeft = right === end || (left < middle && before(from[left]!, from[right]!) < 0);
        to[out] = from[isLeft ? left++ : right++]!;
      }
    }
    [from, to] = [to, from];
  }
  return from;
}
