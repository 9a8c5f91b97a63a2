/** Reads a `tokenizer.json` with a Unigram model, as SentencePiece's tokenizers have it, and checks that it is what it claims to be. */

import { Charsmap } from './charsmap.ts';
import {
  type AddedToken,
  fail,
  isRecord,
  MAX_TOKENS,
  parseTokenizerJson,
  readAddedTokens,
  show,
} from './tokenizer-file.ts';

export interface UnigramFile {
  /** Ids by piece. */
  readonly pieces: ReadonlyMap<string, number>;
  /** Logarithms of probabilities, by id. */
  readonly scores: Float64Array;
  /** Id of what no piece covers. */
  readonly unknown: number;
  /** Whether that is spelled in bytes, `<0xE3>`, if all of them are pieces. */
  readonly byteFallback: boolean;
  readonly charsmap: Charsmap | undefined;
  /** Whether white space at the end of a text goes away. */
  readonly stripEnd: boolean;
  /** What several spaces in a row become. */
  readonly spaces: string | undefined;
  /** Whether all white space divides words, or only spaces. */
  readonly anyWhiteSpace: boolean;
  /** Ids before and after those of a text. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly added: readonly AddedToken[];
}

/** Stands for the space before a word. */
export const SPACE = '\u2581';

/** SentencePiece's longest pieces have 16 characters by default. */
const LONGEST_PIECE = 128;
/** XLM-R has five added tokens, T5 a hundred; all are searched at once. */
const MOST_ADDED = 1000;

/**
 * @param rows of the text tower, so that no vocabulary is read that it cannot use
 * @throws ClipError `TOKENIZER` that names what is wrong
 */
export function readUnigramFile(json: string | object, rows: number = MAX_TOKENS): UnigramFile {
  const parsed = parseTokenizerJson(json);
  const { model } = parsed;
  if (!isRecord(model) || model.type !== 'Unigram') fail('"model" is not of the type "Unigram"');
  const { pieces, scores } = readPieces(model.vocab, rows);
  const { unk_id: unknown, byte_fallback: byteFallback = false } = model;
  if (!Number.isInteger(unknown) || (unknown as number) < 0 || (unknown as number) >= scores.length) {
    fail(`"model.unk_id" is ${show(unknown)}, expected the id of a piece`);
  }
  if (typeof byteFallback !== 'boolean') fail(`"model.byte_fallback" is ${show(byteFallback)}, expected true or false`);
  const added = readAddedTokens(parsed.added_tokens ?? [], pieces);
  if (added.length > MOST_ADDED) fail(`"added_tokens" has ${added.length} tokens, expected at most ${MOST_ADDED}`);
  return {
    pieces,
    scores,
    unknown: unknown as number,
    byteFallback,
    ...readNormalizer(parsed.normalizer),
    anyWhiteSpace: readPreTokenizer(parsed.pre_tokenizer),
    ...readPostProcessor(parsed.post_processor),
    added,
  };
}

/** `model.vocab`: a list of pieces and their scores. Of two equal pieces the last counts. */
function readPieces(vocab: unknown, rows: number): Pick<UnigramFile, 'pieces' | 'scores'> {
  if (!Array.isArray(vocab)) fail('"model.vocab" is not a list of pieces');
  if (vocab.length > rows) {
    const why = rows < MAX_TOKENS ? ', the rows of the text tower' : '';
    fail(`"model.vocab" has ${vocab.length} pieces, expected at most ${rows}${why}`);
  }
  const pieces = new Map<string, number>();
  const scores = new Float64Array(vocab.length);
  for (const [id, entry] of vocab.entries() as ArrayIterator<[number, unknown]>) {
    const [piece, score]: unknown[] = Array.isArray(entry) && entry.length === 2 ? entry : [];
    if (typeof piece !== 'string' || typeof score !== 'number' || !Number.isFinite(score)) {
      fail(`"model.vocab" has ${show(entry)} at position ${id}, expected a piece and its score`);
    }
    if (piece.length > LONGEST_PIECE) {
      fail(`"model.vocab" has a piece of ${piece.length} characters, expected at most ${LONGEST_PIECE}`);
    }
    pieces.set(piece, id);
    scores[id] = score;
  }
  return { pieces, scores };
}

/** `Precompiled`, alone or before the two that transformers' conversion adds. */
function readNormalizer(normalizer: unknown): Pick<UnigramFile, 'charsmap' | 'stripEnd' | 'spaces'> {
  const isSequence = isRecord(normalizer) && normalizer.type === 'Sequence';
  const steps: unknown = isSequence ? normalizer.normalizers : normalizer === null ? [] : [normalizer];
  if (!Array.isArray(steps)) fail('"normalizer.normalizers" is not a list');
  const found: { charsmap: Charsmap | undefined; stripEnd: boolean; spaces: string | undefined } = {
    charsmap: undefined,
    stripEnd: false,
    spaces: undefined,
  };
  // In this order, each at most once.
  let order = 0;
  for (const step of steps as unknown[]) {
    const place = isRecord(step) ? ['Precompiled', 'Strip', 'Replace'].indexOf(step.type as string) + 1 : 0;
    const unknown = () => fail(`the normalizer has ${show(step)}, expected "Precompiled", then perhaps "Strip" on the right and "Replace" of several spaces`); // biome-ignore format: one line
    if (!isRecord(step) || place <= order) return unknown();
    order = place;
    if (step.type === 'Precompiled') found.charsmap = readCharsmap(step.precompiled_charsmap);
    else if (step.type === 'Strip') {
      if (step.strip_left !== false || step.strip_right !== true) return unknown();
      found.stripEnd = true;
    } else {
      const pattern = isRecord(step.pattern) ? step.pattern.Regex : undefined;
      if (pattern !== ' {2,}' || (step.content !== ' ' && step.content !== SPACE)) return unknown();
      found.spaces = step.content;
    }
  }
  return found;
}

function readCharsmap(table: unknown): Charsmap | undefined {
  if (table === null || table === undefined || table === '') return undefined;
  if (typeof table !== 'string') fail(`"precompiled_charsmap" is ${show(table)}, expected base64`);
  try {
    return new Charsmap(table);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return fail(`"precompiled_charsmap" cannot be read: ${error.message}`, error);
  }
}

/** `Metaspace`, alone or after `WhitespaceSplit`; the file's older and newer way to say that each word gets its space. */
function readPreTokenizer(preTokenizer: unknown): boolean {
  const isSequence = isRecord(preTokenizer) && preTokenizer.type === 'Sequence';
  const steps: unknown = isSequence ? preTokenizer.pretokenizers : [preTokenizer];
  const [first, second, ...rest]: unknown[] = Array.isArray(steps) ? steps : [];
  const metaspace = isRecord(first) && first.type === 'WhitespaceSplit' ? second : first;
  const { type, replacement, prepend_scheme: scheme, add_prefix_space: prefix, split = true } = isRecord(metaspace) ? metaspace : {}; // biome-ignore format: one line
  const always = scheme === undefined ? prefix === true : scheme === 'always';
  const alone = metaspace === first ? second === undefined : rest.length === 0;
  if (type === 'Metaspace' && replacement === SPACE && always && split === true && alone) return metaspace !== first;
  return fail(`the pre-tokenizer is ${show(preTokenizer)}, expected "Metaspace" with "${SPACE}" before every word, alone or after "WhitespaceSplit"`); // biome-ignore format: one line
}

/** `TemplateProcessing` of a single text: ids before and after it. The last one is the end of the text. */
function readPostProcessor(processor: unknown): Pick<UnigramFile, 'before' | 'after'> {
  const { type, single, special_tokens: tokens } = isRecord(processor) ? processor : {};
  if (type !== 'TemplateProcessing' || !Array.isArray(single) || !isRecord(tokens)) {
    fail(`the post-processor is ${show(processor)}, expected "TemplateProcessing"`);
  }
  const sides: number[][] = [[]];
  for (const part of single as unknown[]) {
    if (isRecord(part) && isRecord(part.Sequence) && part.Sequence.id === 'A' && sides.length === 1) {
      sides.push([]);
      continue;
    }
    const name = isRecord(part) && isRecord(part.SpecialToken) ? part.SpecialToken.id : undefined;
    const token = typeof name === 'string' && Object.hasOwn(tokens, name) ? tokens[name] : undefined;
    const ids: unknown = isRecord(token) ? token.ids : undefined;
    if (!Array.isArray(ids) || !ids.every((id) => Number.isInteger(id) && id >= 0 && id < MAX_TOKENS)) {
      fail(`the post-processor has ${show(part)}, expected special tokens around the text`);
    }
    sides.at(-1)!.push(...(ids as number[]));
  }
  const [before, after] = sides;
  if (!after?.length) fail('the post-processor puts no end token after the text');
  return { before: before!, after };
}
