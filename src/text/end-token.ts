/** The token that is pooled, mostly the end token (EOT): in a causal tower what comes after it never matters. */

import { ClipError } from '../errors.ts';
import { describeId } from './token-ids.ts';

/** Which token is pooled. */
export type EndTokenRule =
  | { readonly rule: 'argmax' | 'first' | 'last' }
  | { readonly rule: 'id'; readonly id: number };

/** What says that of a text's ids. */
export interface PooledToken {
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly eot: EndTokenRule;
}

/**
 * Checks one text's ids and says which token is pooled, as how many tokens there are up to it, itself included.
 *
 * Rule `id`: the first token with that id (Hugging Face's `(ids == eos).int().argmax(-1)`). Rule `argmax`: the first of
 * the largest id (OpenAI's `text.argmax(dim=-1)`); that is EOT, the last id of every published vocabulary, unless tokens
 * were added after it: then only the tokenizer knows EOT. Rules `first` and `last`: the first token, and the last of the padded text.
 *
 * Without EOT, the published code pools the first token (the same embedding for all such texts) or some word, without a
 * message. Here that is an error.
 * @param row which row of the caller's list this is, for messages
 * @param tokenizerEot EOT of the model's tokenizer, if it has one; called only where it matters
 * @throws RangeError if there is no token, more than the context length, or what is not an id of the vocabulary; ClipError
 *   `TOKENIZER` if EOT is missing
 */
export function pooledLength(
  ids: readonly number[],
  { contextLength, vocabSize, eot }: PooledToken,
  row: number,
  tokenizerEot?: () => number,
): number {
  if (ids.length === 0 || ids.length > contextLength) {
    throw new RangeError(`row ${row} has ${ids.length} token ids, expected 1 to ${contextLength}`);
  }
  let largest = 0;
  for (const [i, id] of ids.entries()) {
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw new RangeError(`row ${row}, token ${i}: expected an id from 0 to ${vocabSize - 1}, got ${describeId(id)}`);
    }
    if (id > ids[largest]!) largest = i;
  }
  if (eot.rule === 'id') {
    const at = ids.indexOf(eot.id);
    return at < 0 ? noEot(ids, eot.id, row) : at + 1;
  }
  if (eot.rule === 'first') return 1;
  if (eot.rule === 'last') return contextLength;
  const last = vocabSize - 1;
  if (ids[largest] !== last) {
    const end = tokenizerEot?.() ?? last;
    if (!ids.includes(end)) noEot(ids, end, row);
  }
  return largest + 1;
}

function noEot(ids: readonly number[], end: number, row: number): never {
  const shown = ids.length > 8 ? `${ids.slice(0, 8).join(', ')}, ...` : ids.join(', ');
  throw new ClipError(
    'TOKENIZER',
    `row ${row} has no end token: expected the id ${end} after the words, got ${ids.length} ids [${shown}]`,
  );
}
