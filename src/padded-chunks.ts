/**
 * Chunks of texts for towers without a causal mask, where a token attends to the whole text, its padding included (OpenCLIP's
 * `no_causal_mask`). What comes later changes every row, so texts share nothing; only equal texts are computed once.
 */

import { yieldIfDue } from './scheduler.ts';
import type { Chunk } from './text/prefix-tree.ts';

/** Texts that are looked at, or numbers of a chunk, without a look at the clock. */
const SLICE = 256;

/**
 * Chunks of at most `maxNodes` rows; every index of the input is in exactly one leaf.
 * @param texts token ids, padded: each as long as the others
 * @param pooled which token of each text is its embedding, counted from 0
 * @param maxNodes at least the length of a text
 * @throws the signal's reason
 */
export async function* paddedChunks(
  texts: readonly (readonly number[])[],
  pooled: readonly number[],
  maxNodes: number,
  signal?: AbortSignal,
): AsyncGenerator<Chunk, void, undefined> {
  const indices = new Map<string, number[]>();
  for (const [i, text] of texts.entries()) {
    if (i % SLICE === 0) await yieldIfDue(signal);
    const key = text.join();
    const equal = indices.get(key);
    if (equal) equal.push(i);
    else indices.set(key, [i]);
  }
  const distinct = [...indices.values()];
  const length = texts[0]?.length ?? 1;
  const most = Math.floor(maxNodes / length);
  for (let first = 0; first < distinct.length; first += most) {
    await yieldIfDue(signal);
    const group = distinct.slice(first, first + most);
    const nodes = group.length * length;
    yield {
      tokens: Int32Array.from(group.flatMap(([i]) => texts[i!]!)),
      positions: Int32Array.from({ length: nodes }, (_, node) => node % length),
      listStart: Int32Array.from({ length: nodes }, (_, node) => node - (node % length)),
      listLength: new Int32Array(nodes).fill(length),
      ancestors: Int32Array.from({ length: nodes }, (_, node) => node),
      leaves: group.map((sequences, k) => ({ node: k * length + pooled[sequences[0]!]!, sequences })),
    };
  }
}
