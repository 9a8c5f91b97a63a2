/**
 * Finds added tokens in a text as Hugging Face's tokenizers library does (`AddedVocabulary` in its added_vocabulary.rs):
 * first the raw ones in the raw text, then, in the cleaned text between them, the normalized ones.
 */

import { type CleaningOptions, cleanText, normalizeText } from './cleaning.ts';
import { type AddedToken, BOS, EOT } from './tokenizer-file.ts';

/** A cleaned text between added tokens, or the id of an added token. */
export type Piece = string | number;

export class AddedTokens {
  readonly #raw: Matcher | undefined;
  readonly #normalized: Matcher | undefined;
  readonly #cleaning: CleaningOptions;

  constructor(tokens: readonly AddedToken[], cleaning: CleaningOptions) {
    this.#cleaning = cleaning;
    // Where two normalized contents are equal, special tokens win, then earlier ones.
    const ordered = [...tokens.filter((token) => token.special), ...tokens.filter((token) => !token.special)];
    const raw = new Matcher();
    const normalized = new Matcher();
    for (const token of ordered) {
      if (token.normalized) normalized.add(normalizeText(token.content, cleaning), token);
      else raw.add(token.content, token);
    }
    if (raw.findsTokens) this.#raw = raw;
    if (normalized.findsTokens) this.#normalized = normalized;
  }

  /** The text in pieces, cleaned. Without added tokens that is one piece, `cleanText(text)`. */
  *pieces(text: string): Generator<Piece> {
    const sections = this.#raw ? this.#raw.split(text) : [text];
    for (const [i, section] of sections.entries()) {
      if (typeof section === 'number') {
        yield section;
        continue;
      }
      // White space beside an added token may belong to a normalized one.
      const ends = { stripStart: i === 0, stripEnd: i === sections.length - 1 };
      const cleaned = cleanText(section, this.#cleaning, ends);
      if (this.#normalized) yield* this.#normalized.split(cleaned);
      else yield cleaned;
    }
  }
}

/** A trie node: by UTF-16 code unit to the next, and the token that ends here. */
interface Node {
  readonly next: Map<number, Node>;
  token?: AddedToken;
}

/** Rust's `\w` and `\s`, which the library uses. */
const WORD_BEFORE = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const WORD_AFTER = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const WHITE_SPACE = /\p{White_Space}/u;

/** Finds tokens in a text, the longest first. */
export class Matcher {
  readonly #root: Node = { next: new Map() };
  /** Whether there is any token besides BOS and EOT. */
  findsTokens = false;

  add(content: string, token: AddedToken): void {
    let node = this.#root;
    for (let i = 0; i < content.length; i++) {
      const char = content.charCodeAt(i);
      let next = node.next.get(char);
      if (!next) {
        next = { next: new Map() };
        node.next.set(char, next);
      }
      node = next;
    }
    if (node === this.#root) return; // cleaned to nothing
    node.token ??= token;
    this.findsTokens ||= !isMark(token);
  }

  /** The text in pieces: ids of tokens, and what lies between them. */
  split(text: string): Piece[] {
    const pieces: Piece[] = [];
    let done = 0;
    for (let at = 0; at < text.length; ) {
      const token = this.#longestAt(text, at);
      if (!token) {
        at++;
        continue;
      }
      let start = at;
      at += token.length;
      // BOS and EOT stay in the text: OpenAI's code finds them by its word pattern.
      if (isMark(token.token)) continue;
      const { id, singleWord, lstrip, rstrip } = token.token;
      if (
        singleWord &&
        (WORD_BEFORE.test(text.slice(Math.max(0, start - 2), start)) || WORD_AFTER.test(text.slice(at, at + 2)))
      ) {
        continue;
      }
      let end = at;
      if (lstrip) while (start > done && WHITE_SPACE.test(text[start - 1])) start--;
      if (rstrip) while (end < text.length && WHITE_SPACE.test(text[end])) end++;
      if (start > done) pieces.push(text.slice(done, start));
      pieces.push(id);
      done = end;
    }
    if (done < text.length) pieces.push(text.slice(done));
    return pieces;
  }

  #longestAt(text: string, at: number): { token: AddedToken; length: number } | undefined {
    let found: { token: AddedToken; length: number } | undefined;
    let node: Node | undefined = this.#root;
    for (let end = at; end < text.length; ) {
      node = node.next.get(text.charCodeAt(end++));
      if (!node) break;
      if (node.token) found = { token: node.token, length: end - at };
    }
    return found;
  }
}

function isMark({ content }: AddedToken): boolean {
  return content === BOS || content === EOT;
}
