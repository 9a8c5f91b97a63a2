/** Which token is pooled, and so where a text ends: what comes after it never matters in a causal tower. */

import type { TextConfig } from '../model/config.ts';

/**
 * Tokens up to and with the pooled one. `argmax`: the first of the largest id (OpenAI's `text.argmax(dim=-1)`). `id`: the
 * first with that id, or the very first token if none has it (Hugging Face's `(ids == eos).int().argmax(-1)`).
 * @param row which row of the caller's list this is, for messages
 * @throws RangeError if there is no token, more than the context length, or an id outside the vocabulary
 */
export function pooledLength(
  ids: readonly number[],
  { contextLength, vocabSize, eot }: Pick<TextConfig, 'contextLength' | 'vocabSize' | 'eot'>,
  row: number,
): number {
  if (!Array.isArray(ids)) throw new TypeError(`token ids must be arrays of numbers, row ${row} is ${typeof ids}`);
  if (ids.length === 0 || ids.length > contextLength) {
    throw new RangeError(`row ${row} has ${ids.length} token ids, expected 1 to ${contextLength}`);
  }
  let largest = 0;
  for (const [i, id] of ids.entries()) {
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw new RangeError(`row ${row}, token ${i}: ${id} is no id from 0 to ${vocabSize - 1}`);
    }
    if (id > ids[largest]!) largest = i;
  }
  return (eot.rule === 'argmax' ? largest : Math.max(0, ids.indexOf(eot.id))) + 1;
}
