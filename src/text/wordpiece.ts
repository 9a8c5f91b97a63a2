/**
 * BERT's tokenizer, which CLIPA's text towers have: OpenCLIP's cleaning, BERT's normalizer and pre-tokenizer, and WordPiece. After Hugging
 * Face's tokenizers 0.22 (normalizers/bert.rs, pre_tokenizers/bert.rs, models/wordpiece/mod.rs). Its tables of characters are Unicode
 * 8's; the engine's are newer, which tells some marks and signs of rare scripts apart that BERT's vocabularies do not have.
 */

import { checkOptions, kindOf } from '../options.ts';
import { type CleaningOptions, spacedText } from './cleaning.ts';
import { normalizeInParts } from './repairs.ts';
import type { TokenizerOptions } from './tokenizer.ts';
import type { AddedToken } from './tokenizer-file.ts';
import { readWordPieceFile, type WordPieceFile } from './wordpiece-file.ts';

/** Options of OpenCLIP's `HFTokenizer`. */
export interface WordPieceOptions extends TokenizerOptions {
  /** Default `whitespace`. `canonicalize` takes out ASCII punctuation and makes letters small. */
  readonly cleaning?: 'lower' | 'whitespace' | 'canonicalize' | undefined;
  /** Whether the end token becomes id 0. */
  readonly stripSeparator?: boolean | undefined;
}

/** Chinese characters as BERT's code has them. Each is a word. */
const CJK =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;
/** Rust's `is_other` but for tab and line ends, which are white space: control, format and private characters. */
const REMOVED = /[\0\ufffd]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}]/gu;
/** White space divides words; each punctuation mark is one. ASCII's symbols count as punctuation. */
const WORDS = /[!-/:-@[-`{-~]|\p{P}|[^\p{White_Space}\p{P}!-/:-@[-`{-~]+/gu;
/** Python's `string.punctuation`, but for the underscore, which becomes a space. */
const ASCII_PUNCTUATION = /[!-/:-@[-^`{-~]/g;

/** BERT's tokenizer over a model's own vocabulary. */
export class WordPiece {
  /** Maximum number of ids that `encode` returns. */
  readonly contextLength: number;
  /** Rows that the token embedding must have: the largest id plus one. */
  readonly vocabSize: number;
  /** Id of `[CLS]`, the first of every encoding. */
  readonly bos: number;
  /** The last id of every encoding: `[SEP]`, or 0 in its place. */
  readonly eot: number;
  readonly #file: WordPieceFile;
  readonly #ids: ReadonlyMap<string, number>;
  /** Made by the first `decode`: models only encode. */
  #tokens: ReadonlyMap<number, string> | undefined;
  readonly #longest: number;
  readonly #added: RegExp | undefined;
  readonly #cleaning: CleaningOptions;
  readonly #canonicalize: boolean;
  readonly #separator: number;

  private constructor(file: WordPieceFile, options: WordPieceOptions) {
    const { contextLength = 77, cleaning, stripSeparator = false, ...repairs } = options;
    this.#file = file;
    this.#ids = new Map([
      ...Object.entries(file.vocabulary),
      ...file.added.map(({ content, id }) => [content, id] as const),
    ]);
    let largest = 0;
    let longest = 0;
    for (const [token, id] of this.#ids) {
      largest = Math.max(largest, id);
      longest = Math.max(longest, token.length);
    }
    this.#longest = longest;
    this.vocabSize = largest + 1;
    this.contextLength = contextLength;
    this.bos = this.#ids.get('[CLS]')!;
    this.#separator = this.#ids.get('[SEP]')!;
    this.eot = stripSeparator ? 0 : this.#separator;
    this.#added = pattern(file.added);
    this.#cleaning = repairs;
    this.#canonicalize = cleaning === 'canonicalize';
  }

  /**
   * @param json a `tokenizer.json` with a model of type `WordPiece`, BERT's normalizer and pre-tokenizer
   * @param rows of the text tower
   * @throws ClipError TOKENIZER if it is another one; RangeError for a context length below 2
   */
  static forTower(json: string | object, options: WordPieceOptions = {}, rows?: number): WordPiece {
    checkOptions('WordPiece', options, {
      contextLength: 'any',
      htmlEntities: 'boolean',
      repairs: 'boolean',
      cleaning: 'any',
      stripSeparator: 'boolean',
    });
    const { contextLength = 77 } = options;
    if (!Number.isInteger(contextLength) || contextLength < 2) {
      throw new RangeError(`contextLength must be an integer of at least 2 ([CLS] and [SEP]), got ${contextLength}`);
    }
    return new WordPiece(readWordPieceFile(json, rows), options);
  }

  /**
   * The ids of a text: `[CLS]`, at most `contextLength - 2` pieces, `[SEP]` (or 0). No padding.
   * @throws TypeError if `text` is not a string
   */
  encode(text: string): number[] {
    if (typeof text !== 'string') throw new TypeError(`text must be a string, got ${kindOf(text)}`);
    const ids = [this.bos];
    const most = this.contextLength - 1;
    const cleaned = this.#clean(text);
    // `split` with a group keeps what it splits at: added tokens are the odd pieces.
    const pieces = this.#added ? cleaned.split(this.#added) : [cleaned];
    for (const [i, piece] of pieces.entries()) {
      if (ids.length >= most) break;
      if (i % 2 === 1) ids.push(this.#ids.get(piece)!);
      else this.#pushText(piece, ids, most);
    }
    // OpenCLIP replaces every [SEP], also one that the text names.
    const shown = this.eot === this.#separator ? ids : ids.map((id) => (id === this.#separator ? this.eot : id));
    return [...shown, this.eot];
  }

  /**
   * The tokens of ids, with spaces between words.
   * @throws RangeError if an id is not in the vocabulary
   */
  decode(ids: readonly number[]): string {
    this.#tokens ??= new Map([...this.#ids].map(([token, id]) => [id, token]));
    const tokens = ids.map((id) => {
      const token = this.#tokens!.get(id);
      if (token === undefined) throw new RangeError(`id ${id} is not in the vocabulary of ${this.vocabSize}`);
      return token;
    });
    return tokens.join(' ').replaceAll(` ${this.#file.continuation}`, '');
  }

  #clean(text: string): string {
    const spaced = spacedText(text, this.#cleaning);
    return this.#canonicalize ? canonicalText(spaced) : spaced;
  }

  #pushText(text: string, ids: number[], most: number): void {
    for (const [word] of this.#normalize(text).matchAll(WORDS)) {
      if (ids.length >= most) return;
      for (const id of this.#pieces(word).slice(0, most - ids.length)) ids.push(id);
    }
  }

  /** `BertNormalizer`: clean text, spaces around Chinese characters, no accents, small letters. */
  #normalize(text: string): string {
    const { cleanText, spaceChinese, stripAccents, lowercase } = this.#file;
    if (cleanText) text = text.replace(REMOVED, '').replace(/\p{White_Space}/gu, ' ');
    if (spaceChinese) text = text.replace(CJK, ' $& ');
    if (stripAccents) text = normalizeInParts(text, 'NFD').replace(/\p{Mn}/gu, '');
    // Letter by letter: a final sigma is one like any other.
    return lowercase ? Array.from(text, (letter) => letter.toLowerCase()).join('') : text;
  }

  /** The longest piece that is in the vocabulary, again and again; the whole word is unknown if one is not. */
  #pieces(word: string): number[] {
    const { continuation, unknown, longestWord } = this.#file;
    const none = [this.#ids.get(unknown)!];
    // No character has more than two code units.
    if (word.length > longestWord && Array.from(word.slice(0, 2 * longestWord + 2)).length > longestWord) return none;
    const ids: number[] = [];
    for (let start = 0; start < word.length; ) {
      let end = Math.min(word.length, start + this.#longest);
      let id: number | undefined;
      for (; end > start; end--) {
        const piece = word.slice(start, end);
        id = this.#ids.get(start === 0 ? piece : continuation + piece);
        if (id !== undefined) break;
      }
      if (id === undefined) return none;
      ids.push(id);
      start = end;
    }
    return ids;
  }
}

/** OpenCLIP's `canonicalize_text`: without ASCII's punctuation, in small letters. */
export const canonicalText = (text: string): string =>
  text.replaceAll('_', ' ').replace(ASCII_PUNCTUATION, '').toLowerCase().replace(/ {2,}/g, ' ');

/** Finds added tokens in the text, the longest where two begin at one place. */
function pattern(added: readonly AddedToken[]): RegExp | undefined {
  if (added.length === 0) return undefined;
  const contents = added.map(({ content }) => content).sort((a, b) => b.length - a.length);
  return new RegExp(`(${contents.map((content) => content.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})`);
}
