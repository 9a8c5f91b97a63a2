/**
 * Reads a Hugging Face `tokenizer.json` of a CLIP model and checks that it is what it claims to be: byte-level BPE with
 * CLIP's word pattern. The normalizer, post-processor and decoder of the file are not read, whatever they are: cleaning,
 * BOS, EOT and decoding are those of OpenAI's code.
 */

import { ClipError } from '../errors.ts';
import { kindOf } from '../options.ts';
import { type JsonBounds, parseBoundedJson } from './bounded-json.ts';
import { WORD_PATTERN } from './word-pattern.ts';

export const BOS = '<|startoftext|>';
export const EOT = '<|endoftext|>';

/** A token of `added_tokens`: it is found in the text before the BPE, and is never split. */
export interface AddedToken {
  readonly content: string;
  readonly id: number;
  /** Matches only between characters that are not part of a word. */
  readonly singleWord: boolean;
  /** Takes the white space before it (`lstrip`) and after it (`rstrip`) along. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Whether it is searched in the cleaned text, with its content cleaned as well, or in the raw text. */
  readonly normalized: boolean;
  readonly special: boolean;
}

export interface TokenizerFile {
  /** Tokens in byte characters and their ids, without the added tokens. */
  readonly vocabulary: Readonly<Record<string, number>>;
  /** Pairs of tokens that become one, the earliest first. */
  readonly merges: readonly (readonly [string, string])[];
  /** What marks the last token of a word, `</w>` in CLIP. */
  readonly endOfWord: string;
  readonly added: readonly AddedToken[];
}

/** CLIP's own file has 2.2 million characters and seven levels, that of 900,000 pieces (XLM-V) some 60 million characters. */
const JSON_BOUNDS: JsonBounds = { length: 2 ** 26, depth: 32 };
/** Ids index rows of the token embedding; model/config.ts has the same bound. */
export const MAX_TOKENS = 4_194_304;
const MAX_ADDED_TOKENS = 65_536;
/** The longest token of CLIP's vocabulary has 32 characters. */
const MAX_TOKEN_LENGTH = 1024;

/**
 * The split patterns of CLIP's published files: transformers from 4.17 writes the second, the files on the hub have the
 * first. With the special tokens found as OpenAI's code does, both give the same words.
 */
const KNOWN_PATTERNS: readonly unknown[] = [WORD_PATTERN, WORD_PATTERN.replace(/^.*endoftext\\\|>\|/, '')];

type Json = Record<string, unknown>;

export function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < MAX_TOKENS;
}

/** A value in an error message, shortened. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.slice(0, 4).map(typeName).join(', ')}${value.length > 4 ? ', ...' : ''}]`;
  if (typeof value === 'object' && value !== null) return typeName(value);
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}

/** Nothing that is nested: a caller's object may be circular. */
function typeName(value: unknown): string {
  if (typeof value !== 'object' || value === null) return show(value);
  if (Array.isArray(value)) return 'a list';
  return 'type' in value ? `{ "type": ${typeof value.type === 'object' ? '...' : show(value.type)} }` : 'an object';
}

export function fail(message: string, cause?: unknown): never {
  throw new ClipError('TOKENIZER', `tokenizer.json: ${message}`, cause === undefined ? undefined : { cause });
}

/**
 * Reads and checks the file.
 * @param json the file's text, or its parsed JSON
 * @param rows of the text tower, so that no vocabulary is read that it cannot use
 * @throws ClipError `TOKENIZER` that names what is wrong
 */
export function readTokenizerFile(json: string | object, rows = MAX_TOKENS): TokenizerFile {
  const parsed = parseTokenizerJson(json);
  const { model } = parsed;
  if (!isRecord(model)) fail('"model" is missing');
  checkOptions(model);
  checkPreTokenizer(parsed.pre_tokenizer);
  const endOfWord = model.end_of_word_suffix as string;
  const vocabulary = readVocabulary(model.vocab, endOfWord, rows);
  const merges = readMerges(model.merges, vocabulary);
  const added = readAddedTokens(parsed.added_tokens ?? [], vocabulary);
  checkIds(vocabulary, added);
  return { vocabulary, merges, endOfWord, added };
}

/** The file's outermost object, within bounds. @throws ClipError `TOKENIZER` */
export function parseTokenizerJson(json: string | object): Json {
  let parsed: unknown = json;
  const tag = Object.prototype.toString.call(json).slice(8, -1);
  if (typeof json === 'object' && json !== null && tag !== 'Object' && tag !== 'Array') {
    const isBytes = ArrayBuffer.isView(json) || tag.endsWith('ArrayBuffer');
    const advice = isBytes ? 'decode the bytes as UTF-8 first, new TextDecoder().decode(bytes)' : 'read its text first';
    throw new TypeError(`tokenizer.json: expected its text or the parsed object, got ${kindOf(json)}: ${advice}`);
  }
  if (typeof json === 'string') {
    try {
      parsed = parseBoundedJson(json, JSON_BOUNDS);
    } catch (error) {
      const { message } = error as Error;
      const isPath = json.length < 4096 && /^[^{["\n]*[/\\.][^{["\n]*$/.test(json.trim());
      if (isPath) fail(`expected its text, got ${show(json)}. If that is a path, read the file first`, error);
      fail(error instanceof RangeError ? message : `not JSON: ${message}`, error);
    }
  }
  return isRecord(parsed) ? parsed : fail('expected a JSON object');
}

/** BPE with an end-of-word mark; options that would change the ids are refused by name. */
function checkOptions(model: Json): void {
  if (model.type !== undefined && model.type !== 'BPE') fail(`the model is ${show(model.type)}, expected "BPE"`);
  if (typeof model.end_of_word_suffix !== 'string' || model.end_of_word_suffix === '') {
    fail('"model.end_of_word_suffix" is missing, which CLIP\'s byte-level BPE has ("</w>")');
  }
  // With all bytes in the vocabulary nothing is unknown: unk_token, fuse_unk and byte_fallback have no effect.
  const harmless = { dropout: [0], continuing_subword_prefix: [''], ignore_merges: [false] };
  for (const [option, values] of Object.entries(harmless)) {
    const value = model[option] ?? values[0];
    if (!(values as unknown[]).includes(value)) {
      fail(`"model.${option}" is ${show(value)}, expected ${show(values[0])} as in CLIP's`);
    }
  }
}

/**
 * CLIP's word pattern, then bytes. Anything else would give ids without meaning for a CLIP model. The file's pattern is
 * compared, never compiled.
 */
function checkPreTokenizer(preTokenizer: unknown): void {
  if (!isRecord(preTokenizer)) fail('"pre_tokenizer" is missing');
  const { type, pretokenizers } = preTokenizer;
  if (type !== 'Sequence' || !Array.isArray(pretokenizers) || pretokenizers.length !== 2) {
    // transformers refuses the ByteLevel of files from before its version 4.17, too.
    fail(`the pre-tokenizer is ${show(type)}, expected CLIP's "Sequence" of "Split" and "ByteLevel"`);
  }
  const [split, bytes]: unknown[] = pretokenizers;
  if (!isRecord(split) || split.type !== 'Split' || !isRecord(bytes) || bytes.type !== 'ByteLevel') {
    fail(`the pre-tokenizers are ${show(pretokenizers)}, expected "Split" and "ByteLevel"`);
  }
  const pattern = isRecord(split.pattern) ? split.pattern.Regex : undefined;
  if (!KNOWN_PATTERNS.includes(pattern)) {
    fail(`the pattern of "pre_tokenizer" is not CLIP's: ${show(pattern)}, expected ${show(WORD_PATTERN)}`);
  }
  if (split.behavior !== 'Removed' || split.invert !== true) {
    fail(
      `the split has behavior ${show(split.behavior)} and invert ${show(split.invert)}, expected "Removed" and true`,
    );
  }
  if ((bytes.add_prefix_space ?? false) !== false) fail('"add_prefix_space" is set, which CLIP\'s has not');
}

/** `model.vocab`: ids by token. */
export function readIds(vocab: unknown, rows = MAX_TOKENS): Record<string, number> {
  if (!isRecord(vocab)) fail('"model.vocab" is not an object of ids');
  const tokens = Object.keys(vocab);
  if (tokens.length > rows)
    fail(
      `"model.vocab" has ${tokens.length} tokens, expected at most ${rows}${rows < MAX_TOKENS ? ', the rows of the text tower' : ''}`,
    );
  for (const token of tokens) {
    if (!isId(vocab[token])) {
      fail(`"model.vocab" has the id ${show(vocab[token])} for ${show(token)}, expected 0 to ${MAX_TOKENS - 1}`);
    }
    if (token.length > MAX_TOKEN_LENGTH) {
      fail(`"model.vocab" has a token of ${token.length} characters, expected at most ${MAX_TOKEN_LENGTH}`);
    }
  }
  return vocab as Record<string, number>;
}

function readVocabulary(vocab: unknown, endOfWord: string, rows: number): Record<string, number> {
  const ids = readIds(vocab, rows);
  for (const byte of byteCharacters()) {
    for (const token of [byte, byte + endOfWord]) {
      if (!Object.hasOwn(ids, token)) {
        fail(`"model.vocab" lacks ${show(token)}: byte-level BPE needs all 256 bytes, with and without "${endOfWord}"`);
      }
    }
  }
  return ids;
}

/** The 256 characters that stand for bytes (`bytes_to_unicode` of OpenAI's code): printable ones for themselves. */
function byteCharacters(): string[] {
  const printable = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

function readMerges(merges: unknown, vocabulary: Record<string, number>): [string, string][] {
  if (!Array.isArray(merges)) fail('"model.merges" is not a list of pairs');
  // Each merge makes a token of its own.
  const most = Object.keys(vocabulary).length;
  if (merges.length > most)
    fail(`"model.merges" has ${merges.length} pairs, expected at most ${most}, one for each token`);
  // `from` reads holes as undefined, which `map` would skip.
  return Array.from(merges as unknown[], (merge, i): [string, string] => {
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string' || typeof pair[1] !== 'string') {
      fail(`"model.merges" has ${show(merge)} at position ${i}, expected a pair of tokens`);
    }
    const [left, right]: string[] = pair;
    // A pair with a part outside of the vocabulary never occurs; only what it makes could.
    if (!Object.hasOwn(vocabulary, left + right)) {
      fail(`"model.merges" makes ${show(left + right)} at position ${i}, which is not in the vocabulary`);
    }
    return [left, right];
  });
}

export function readAddedTokens(
  list: unknown,
  vocabulary: Record<string, number> | ReadonlyMap<string, number>,
): AddedToken[] {
  const isMap = vocabulary instanceof Map;
  const known = (token: string): number | undefined =>
    isMap
      ? vocabulary.get(token)
      : Object.hasOwn(vocabulary, token)
        ? (vocabulary as Record<string, number>)[token]
        : undefined;
  if (!Array.isArray(list)) fail('"added_tokens" is not a list');
  if (list.length > MAX_ADDED_TOKENS) {
    fail(`"added_tokens" has ${list.length} tokens, expected at most ${MAX_ADDED_TOKENS}`);
  }
  const flag = (value: unknown, name: string, or: boolean): boolean => {
    if (value === undefined) return or;
    return typeof value === 'boolean'
      ? value
      : fail(`"added_tokens" has ${name} ${show(value)}, expected true or false`);
  };
  const tokens = Array.from(list as unknown[], (token, i): AddedToken => {
    if (!isRecord(token) || typeof token.content !== 'string' || !isId(token.id)) {
      fail(`"added_tokens" has ${show(token)} at position ${i}, expected a token with "content" and "id"`);
    }
    const { content, id } = token;
    if (content.length > MAX_TOKEN_LENGTH) {
      fail(`"added_tokens" has a token of ${content.length} characters, expected at most ${MAX_TOKEN_LENGTH}`);
    }
    const special = flag(token.special, 'special', false);
    return {
      content,
      id,
      singleWord: flag(token.single_word, 'single_word', false),
      lstrip: flag(token.lstrip, 'lstrip', false),
      rstrip: flag(token.rstrip, 'rstrip', false),
      normalized: flag(token.normalized, 'normalized', !special),
      special,
    };
  });
  // Hugging Face's library numbers new tokens after the vocabulary, whatever id the file has.
  let next = isMap ? vocabulary.size : Object.keys(vocabulary).length;
  const seen = new Set<string>();
  for (const { content, id } of tokens) {
    if (seen.has(content)) fail(`"added_tokens" has ${show(content)} twice`);
    seen.add(content);
    if (content === '') continue; // it matches nowhere, and gets no id
    const expected = known(content) ?? next++;
    if (id !== expected) fail(`the added token ${show(content)} has the id ${id}, expected ${expected}`);
  }
  return tokens.filter(({ content }) => content !== '');
}

/** One id for each token, and BOS and EOT among them. */
function checkIds(vocabulary: Record<string, number>, added: readonly AddedToken[]): void {
  const idOf = (token: string): number =>
    (Object.hasOwn(vocabulary, token) ? vocabulary[token] : added.find(({ content }) => content === token)?.id) ??
    fail(`the vocabulary has no "${token}"`);
  if (idOf(BOS) === idOf(EOT)) fail(`"${BOS}" and "${EOT}" have the same id, ${idOf(BOS)}`);
  const ids = Object.values(vocabulary);
  for (const { content, id } of added) if (!Object.hasOwn(vocabulary, content)) ids.push(id);
  const seen = new Uint8Array(MAX_TOKENS);
  for (const id of ids) {
    if (seen[id] === 1) {
      const tokens = new Set([...Object.keys(vocabulary), ...added.map(({ content }) => content)]);
      const [first, second] = [...tokens].filter((token) => idOf(token) === id);
      fail(`the tokens ${show(first)} and ${show(second)} have the same id, ${id}`);
    }
    seen[id] = 1;
  }
}
