/** Reads a `tokenizer.json` with a WordPiece model, as BERT has it, and checks that it is what it claims to be. */

import {
  type AddedToken,
  fail,
  isRecord,
  parseTokenizerJson,
  readAddedTokens,
  readIds,
  show,
} from './tokenizer-file.ts';

export interface WordPieceFile {
  readonly vocabulary: Readonly<Record<string, number>>;
  /** Begins every piece of a word but the first: `##`. */
  readonly continuation: string;
  /** Stands for words that the vocabulary cannot make. */
  readonly unknown: string;
  /** Most characters of a word; a longer one is unknown. */
  readonly longestWord: number;
  readonly cleanText: boolean;
  readonly spaceChinese: boolean;
  readonly stripAccents: boolean;
  readonly lowercase: boolean;
  readonly added: readonly AddedToken[];
}

/** BERT's special tokens, which OpenCLIP's code relies on. */
const SPECIAL = ['[CLS]', '[SEP]', '[PAD]'];

/** BERT has five added tokens; all are searched at once. */
const MAX_ADDED = 1000;

/**
 * @param rows of the text tower, so that no vocabulary is read that it cannot use
 * @throws ClipError `TOKENIZER` that names what is wrong
 */
export function readWordPieceFile(json: string | object, rows?: number): WordPieceFile {
  const parsed = parseTokenizerJson(json);
  const { model, normalizer, pre_tokenizer: preTokenizer } = parsed;
  if (!isRecord(model) || model.type !== 'WordPiece') fail('"model" is not of the type "WordPiece"');
  if (!isRecord(normalizer) || normalizer.type !== 'BertNormalizer') {
    fail(`the normalizer is ${show(normalizer)}, expected "BertNormalizer"`);
  }
  if (!isRecord(preTokenizer) || preTokenizer.type !== 'BertPreTokenizer') {
    fail(`the pre-tokenizer is ${show(preTokenizer)}, expected "BertPreTokenizer"`);
  }
  const flag = (name: string, or: boolean) => {
    const value = normalizer[name] ?? or;
    return typeof value === 'boolean' ? value : fail(`"normalizer.${name}" is ${show(value)}, expected true or false`);
  };
  const vocabulary = readIds(model.vocab, rows);
  const unknown = model.unk_token ?? '[UNK]';
  if (typeof unknown !== 'string' || !Object.hasOwn(vocabulary, unknown)) {
    fail(`the vocabulary lacks the unknown token ${show(unknown)}`);
  }
  const continuation = model.continuing_subword_prefix ?? '##';
  if (typeof continuation !== 'string' || continuation === '') {
    fail(`"model.continuing_subword_prefix" is ${show(continuation)}, expected a text such as "##"`);
  }
  const longestWord = model.max_input_chars_per_word ?? 100;
  if (!Number.isInteger(longestWord) || (longestWord as number) < 1 || (longestWord as number) > 1000) {
    fail(`"model.max_input_chars_per_word" is ${show(longestWord)}, expected 1 to 1000`);
  }
  const added = readAddedTokens(parsed.added_tokens ?? [], vocabulary);
  if (added.length > MAX_ADDED) fail(`"added_tokens" has ${added.length} tokens, expected at most ${MAX_ADDED}`);
  for (const token of added) {
    if (token.lstrip || token.rstrip || token.singleWord || token.normalized) {
      fail(`the added token ${show(token.content)} is searched in another way than BERT's`);
    }
  }
  for (const token of SPECIAL) if (!Object.hasOwn(vocabulary, token)) fail(`the vocabulary has no "${token}"`);
  if (vocabulary['[PAD]'] !== 0) fail(`"[PAD]" has the id ${vocabulary['[PAD]']}, expected 0`);
  const lowercase = flag('lowercase', true);
  return {
    vocabulary,
    continuation,
    unknown,
    longestWord: longestWord as number,
    cleanText: flag('clean_text', true),
    spaceChinese: flag('handle_chinese_chars', true),
    // As in BERT's code, letters lose their accents where they become small.
    stripAccents: flag('strip_accents', lowercase),
    lowercase,
    added,
  };
}
