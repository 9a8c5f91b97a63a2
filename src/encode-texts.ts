/** Texts to embeddings: tokenized, put into prefix trees or padded, and computed chunk by chunk. */

import type { EncodeOptions } from './encoding.ts';
import { TextTransformer } from './model/text-transformer.ts';
import { paddedChunks } from './padded-chunks.ts';
import { prefixChunks } from './prefix-chunks.ts';
import { yieldIfDue } from './scheduler.ts';
import type { Session } from './session.ts';
import { pooledLength } from './text/end-token.ts';

/** Texts that are tokenized without a look at the clock. */
const TEXTS_A_LOOK = 16;

/** Token ids of each text, BOS ... EOT. */
export async function tokenizeAll(
  session: Session,
  texts: readonly string[],
  signal?: AbortSignal,
): Promise<number[][]> {
  const tokenizer = session.tokenizer();
  const rows: number[][] = [];
  for (const [i, text] of texts.entries()) {
    if (i % TEXTS_A_LOOK === 0) await yieldIfDue(signal);
    rows.push(tokenizer.encode(text));
  }
  return rows;
}

/**
 * Embeds token ids, equal beginnings once.
 * @param rows the call's own
 */
export async function encodeRows(
  session: Session,
  rows: readonly (readonly number[])[],
  options: EncodeOptions,
): Promise<Float32Array[]> {
  const { signal, onProgress, normalize } = options;
  signal?.throwIfAborted();
  const { config } = session.text();
  const { probe, tokenizer } = session.alive();
  const eot = tokenizer && (() => tokenizer().eot);
  const { padding, contextLength, causal } = config;
  const sequences: (readonly number[])[] = [];
  const pooled: number[] = [];
  for (const [i, row] of rows.entries()) {
    if (i % TEXTS_A_LOOK === TEXTS_A_LOOK - 1) await yieldIfDue(signal);
    const length = pooledLength(row, config, i, eot);
    const padded = padding === undefined ? row : [...row, ...Array(contextLength - row.length).fill(padding)];
    // Where attention is causal, what follows the pooled token does not matter.
    sequences.push(probe || causal === false ? padded : padded.slice(0, length));
    pooled.push(length - 1);
  }
  const embeddings = new Array<Float32Array>(rows.length);
  let done = 0;
  const nodes = TextTransformer.chunkNodes(config);
  const chunks =
    causal === false ? paddedChunks(sequences, pooled, nodes, signal) : prefixChunks(sequences, nodes, signal);
  for await (const chunk of chunks) {
    await session.run(async () => {
      const text = session.text();
      const first = text.encode(chunk, probe ? 'tokens' : 'pooled', probe);
      for (const [leaf, { sequences }] of chunk.leaves.entries()) {
        const embedding = session.take(first + leaf * text.embeddingBytes, normalize);
        // Equal texts get vectors of their own, so that changing one changes no other.
        for (const [copy, i] of sequences.entries()) embeddings[i] = copy === 0 ? embedding : embedding.slice();
        done += sequences.length;
      }
    }, signal);
    await onProgress?.({ done, total: rows.length });
  }
  return embeddings;
}
