/**
 * SentencePiece's Unigram tokenizer, which the multilingual ("worldwide") text towers have: OpenCLIP's cleaning, then what the
 * file says: normalization by a table, and for each word the pieces whose probabilities multiply to the most. After Hugging Face's
 * tokenizers 0.23 (models/unigram/model.rs, encode_optimized).
 */

import { checkOptions, kindOf } from '../options.ts';
import { Matcher } from './added-tokens.ts';
import { type CleaningOptions, cleanText, spacedText, strip } from './cleaning.ts';
import type { TokenizerOptions } from './tokenizer.ts';
import { readUnigramFile, SPACE, type UnigramFile } from './unigram-file.ts';
import { canonicalText } from './wordpiece.ts';

/** Options of OpenCLIP's `HFTokenizer`. */
export interface UnigramOptions extends TokenizerOptions {
  /** Default `whitespace`. */
  readonly cleaning?: 'lower' | 'whitespace' | 'canonicalize' | undefined;
}

/** How much less likely than the rarest piece a character is that is in none (kUnkPenalty). */
const UNKNOWN_PENALTY = 10;
/** Of a longer word, as of a text without spaces, the beginning decides: it has more pieces than any text tower takes. */
const LONG_WORD = 4096;

/** A Unigram tokenizer over a model's own vocabulary. */
export class Unigram {
  /** Maximum number of ids that `encode` returns. */
  readonly contextLength: number;
  /** Rows that the token embedding must have: the largest id plus one. */
  readonly vocabSize: number;
  /** The last id of every encoding. */
  readonly eot: number;
  readonly #file: UnigramFile;
  readonly #cleaning: UnigramOptions['cleaning'];
  readonly #repairs: CleaningOptions;
  readonly #unknownScore: number;
  /** The longest piece that begins with a character, in code units. */
  readonly #longest = new Map<number, number>();
  /** Added tokens that are searched in the cleaned text, and in the normalized text. */
  readonly #raw: Matcher | undefined;
  readonly #normalized: Matcher | undefined;
  /** Made by the first `decode`: models only encode. */
  #tokens: ReadonlyMap<number, string> | undefined;

  private constructor(file: UnigramFile, options: UnigramOptions) {
    const { contextLength = 77, cleaning = 'whitespace', ...repairs } = options;
    this.#file = file;
    this.#cleaning = cleaning;
    this.#repairs = repairs;
    this.contextLength = contextLength;
    let least = 0;
    for (const score of file.scores) if (score < least) least = score;
    this.#unknownScore = least - UNKNOWN_PENALTY;
    for (const piece of file.pieces.keys()) {
      const first = piece.charCodeAt(0);
      if (piece.length > (this.#longest.get(first) ?? 0)) this.#longest.set(first, piece.length);
    }
    const [raw, normalized] = [new Matcher(), new Matcher()];
    for (const token of file.added) {
      if (token.normalized) normalized.add(this.#normalize(token.content), token);
      else raw.add(token.content, token);
    }
    if (raw.findsTokens) this.#raw = raw;
    if (normalized.findsTokens) this.#normalized = normalized;
    const ids = [...file.added.map(({ id }) => id), ...file.before, ...file.after];
    this.vocabSize = Math.max(file.scores.length, ...ids.map((id) => id + 1));
    this.eot = file.after.at(-1)!;
  }

  /**
   * @param json a `tokenizer.json` with a model of type `Unigram`
   * @param rows of the text tower
   * @throws ClipError TOKENIZER if it is another one; RangeError for a context length without room for a text
   */
  static forTower(json: string | object, options: UnigramOptions = {}, rows?: number): Unigram {
    checkOptions('Unigram', options, {
      contextLength: 'any',
      htmlEntities: 'boolean',
      repairs: 'boolean',
      cleaning: 'any',
    });
    const file = readUnigramFile(json, rows);
    const { contextLength = 77 } = options;
    const least = file.before.length + file.after.length;
    if (!Number.isInteger(contextLength) || contextLength < least) {
      throw new RangeError(`contextLength must be an integer of at least ${least}, got ${contextLength}`);
    }
    return new Unigram(file, options);
  }

  /**
   * The ids of a text: the file's special tokens around as many pieces as fit. No padding.
   * @throws TypeError if `text` is not a string
   */
  encode(text: string): number[] {
    if (typeof text !== 'string') throw new TypeError(`text must be a string, got ${kindOf(text)}`);
    const { before, after } = this.#file;
    const ids = [...before];
    const most = this.contextLength - after.length;
    const cleaned = this.#clean(text);
    for (const section of this.#raw ? this.#raw.split(cleaned) : [cleaned]) {
      if (ids.length >= most) break;
      if (typeof section === 'number') {
        ids.push(section);
        continue;
      }
      const normalized = this.#normalize(section);
      for (const piece of this.#normalized ? this.#normalized.split(normalized) : [normalized]) {
        if (ids.length >= most) break;
        if (typeof piece === 'number') ids.push(piece);
        else this.#pushText(piece, ids, most);
      }
    }
    return [...ids, ...after];
  }

  /**
   * The text of ids, special tokens included.
   * @throws RangeError if an id is not in the vocabulary
   */
  decode(ids: readonly number[]): string {
    this.#tokens ??= new Map([
      ...[...this.#file.pieces].map(([piece, id]) => [id, piece] as const),
      ...this.#file.added.map(({ content, id }) => [id, content] as const),
    ]);
    const tokens = ids.map((id) => {
      const token = this.#tokens!.get(id);
      if (token === undefined) throw new RangeError(`id ${id} is not in the vocabulary of ${this.vocabSize}`);
      return token;
    });
    return tokens.join('').replaceAll(SPACE, ' ').replace(/^ /, '');
  }

  #clean(text: string): string {
    if (this.#cleaning === 'lower') return cleanText(text, this.#repairs);
    const spaced = spacedText(text, this.#repairs);
    return strip(this.#cleaning === 'canonicalize' ? canonicalText(spaced) : spaced);
  }

  #normalize(text: string): string {
    const { charsmap, stripEnd, spaces } = this.#file;
    let normalized = charsmap ? charsmap.normalize(text) : text;
    if (stripEnd) normalized = strip(normalized, { stripStart: false });
    return spaces === undefined ? normalized : normalized.replace(/ {2,}/g, spaces);
  }

  /** Appends the ids of each word, a space before it, while there are fewer than `most`. */
  #pushText(text: string, ids: number[], most: number): void {
    for (const word of this.#words(text)) {
      if (ids.length >= most) return;
      for (const id of this.#pieces(word.slice(0, LONG_WORD))) {
        if (ids.length >= most) return;
        ids.push(id);
      }
    }
  }

  *#words(text: string): Generator<string> {
    const { anyWhiteSpace } = this.#file;
    for (const [part] of anyWhiteSpace ? text.matchAll(/\P{White_Space}+/gu) : [[text] as const]) {
      const spaced = part.replaceAll(' ', SPACE);
      if (spaced === '') continue;
      // Each mark of a space begins a word.
      const marked = spaced.startsWith(SPACE) ? spaced : SPACE + spaced;
      for (let start = 0; start < marked.length; ) {
        const next = marked.indexOf(SPACE, start + 1);
        const end = next < 0 ? marked.length : next;
        yield marked.slice(start, end);
        start = end;
      }
    }
  }

  /** The likeliest pieces of a word: for each place the best way to it, over all pieces that end there (Viterbi). */
  #pieces(word: string): number[] {
    const { pieces, scores, unknown } = this.#file;
    const best = new Float64Array(word.length + 1);
    const from = new Int32Array(word.length + 1).fill(-1);
    const ids = new Int32Array(word.length + 1);
    const offer = (start: number, end: number, id: number, score: number) => {
      const total = score + best[start]!;
      if (from[end]! >= 0 && total <= best[end]!) return;
      best[end] = total;
      from[end] = start;
      ids[end] = id;
    };
    for (let start = 0; start < word.length; ) {
      const letter = word.codePointAt(start)! > 0xffff ? 2 : 1;
      const last = Math.min(word.length, start + (this.#longest.get(word.charCodeAt(start)) ?? 0));
      let single = false;
      for (let end = start + letter; end <= last; end++) {
        const id = pieces.get(word.slice(start, end));
        if (id === undefined) continue;
        offer(start, end, id, scores[id]!);
        single ||= end === start + letter;
      }
      if (!single) offer(start, start + letter, unknown, this.#unknownScore);
      start += letter;
    }
    const found: number[][] = [];
    for (let end = word.length; end > 0; ) {
      // Unknown characters beside each other are one.
      let start = from[end]!;
      if (ids[end] === unknown) while (start > 0 && ids[start] === unknown) start = from[start]!;
      found.push(ids[end] === unknown ? this.#unknown(word.slice(start, end)) : [ids[end]!]);
      end = start;
    }
    return found.reverse().flat();
  }

  /** The ids of what no piece covers. */
  #unknown(text: string): number[] {
    const { pieces, unknown, byteFallback } = this.#file;
    // Two unknown characters may be a piece that was not the likeliest.
    const whole = pieces.get(text);
    if (whole !== undefined) return [whole];
    if (!byteFallback) return [unknown];
    const bytes = Array.from(new TextEncoder().encode(text), (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`); // biome-ignore format: one line
    const ids = bytes.map((byte) => pieces.get(byte));
    return ids.includes(undefined) ? [unknown] : (ids as number[]);
  }
}
