/** CLIP's tokenizer: a text becomes the ids of its byte pairs, between BOS and EOT. */
import { Tokenizer as BpeTokenizer } from '@huggingface/tokenizers';
import { checkOptions, kindOf } from '../options.ts';
import { AddedTokens } from './added-tokens.ts';
import type { CleaningOptions } from './cleaning.ts';
import { BOS, EOT, readTokenizerFile, type TokenizerFile } from './tokenizer-file.ts';
import { WORD_PATTERN } from './word-pattern.ts';

export interface TokenizerOptions extends CleaningOptions {
  /** Maximum number of ids that `encode` returns, BOS and EOT included. Default 77, as published; at least 2. */
  contextLength?: number;
}

/** Characters that are split into words at a time: for the usual context length, the first part is enough. */
const PART = 1024;

/** Of longer parts and words only the beginning is read, as far as it determines the ids. */
const LONG = 16_384;

/**
 * The word pattern as OpenAI's code compiles it, ignoring case. On lower-cased text that matters for two characters: the
 * long s counts as an s, and the iota subscript U+0345, whose upper case is a letter, is not in the negated class.
 */
const PATTERN_IGNORING_CASE = WORD_PATTERN.replace("'s", "'[sſ]").replace(/\]\+$/, '\\u0345]+');

/**
 * CLIP's pre-tokenizer, without the two differences between Hugging Face's conversion and OpenAI's code: there the pattern
 * is case-sensitive, and `ByteLevel` splits again by GPT-2's pattern, whose white space differs.
 */
const PRE_TOKENIZER = {
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: PATTERN_IGNORING_CASE }, behavior: 'Removed', invert: true },
    { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
  ],
};

/** CLIP's tokenizer: OpenAI's cleaning, then byte-level BPE with the model's own vocabulary. */
export class Tokenizer {
  /** Maximum number of ids that `encode` returns. */
  readonly contextLength: number;
  /** Rows that the token embedding must have: the largest id plus one. */
  readonly vocabSize: number;
  /** Id of `<|startoftext|>`, the first of every encoding. */
  readonly bos: number;
  /** Id of `<|endoftext|>`, the last of every encoding. */
  readonly eot: number;
  private readonly bpe: BpeTokenizer;
  private readonly added: AddedTokens;
  /** Added tokens that the BPE cannot give. */
  private readonly unreachable: ReadonlySet<string>;
  private longestToken = 0;

  private constructor(file: TokenizerFile, contextLength: number, cleaning: CleaningOptions) {
    this.contextLength = contextLength;
    this.added = new AddedTokens(file.added, cleaning);
    const contents = file.added.map(({ content }) => content);
    this.unreachable = new Set(contents.filter((content) => !Object.hasOwn(file.vocabulary, content)).concat(BOS, EOT));
    this.bpe = new BpeTokenizer(
      {
        normalizer: null,
        pre_tokenizer: PRE_TOKENIZER,
        model: {
          type: 'BPE',
          vocab: file.vocabulary,
          merges: file.merges,
          end_of_word_suffix: file.endOfWord,
          unk_token: EOT,
        },
        post_processor: null,
        decoder: { type: 'ByteLevel' },
        added_tokens: file.added,
      },
      {},
    );
    const vocabulary = this.bpe.model!.tokens_to_ids;
    this.bos = vocabulary.get(BOS)!;
    this.eot = vocabulary.get(EOT)!;
    let largest = 0;
    for (const id of vocabulary.values()) if (id > largest) largest = id;
    this.vocabSize = largest + 1;
  }

  /**
   * @param json a Hugging Face `tokenizer.json` of a CLIP model, as text or parsed. Its normalizer, post-processor and
   *   decoder are not used, whatever they are: cleaning, BOS, EOT and decoding are those of OpenAI's code. Added tokens
   *   are found as Hugging Face's tokenizers library finds them.
   * @throws ClipError `TOKENIZER` if it is malformed, or is not byte-level BPE with CLIP's word pattern and two special
   *   tokens; RangeError if `contextLength` is not an integer of at least 2
   * @example
   * const tokenizer = Tokenizer.fromJSON(await readFile('tokenizer.json', 'utf8'));
   * tokenizer.encode('a cat') // [49406, 320, 2368, 49407]
   */
  static fromJSON(json: string | object, options: TokenizerOptions = {}): Tokenizer {
    return Tokenizer.forTower(json, options);
  }

  /** As `fromJSON`, for a text tower with this many rows. @internal */
  static forTower(json: string | object, options: TokenizerOptions, rows?: number): Tokenizer {
    checkOptions('Tokenizer.fromJSON', options, { contextLength: 'any', htmlEntities: 'boolean', repairs: 'boolean' });
    const { contextLength = 77, ...cleaning } = options;
    if (!Number.isInteger(contextLength) || contextLength < 2) {
      throw new RangeError(`contextLength must be an integer of at least 2 (BOS and EOT), got ${contextLength}`);
    }
    return new Tokenizer(readTokenizerFile(json, rows), contextLength, cleaning);
  }

  /**
   * The ids of a text: BOS, at most `contextLength - 2` tokens, EOT. Longer texts are cut there, as OpenAI's
   * `tokenize(..., truncate=True)` does; an empty text is BOS, EOT. No padding.
   * @throws TypeError if `text` is not a string
   */
  encode(text: string): number[] {
    if (typeof text !== 'string') {
      throw new TypeError(`text must be a string, got ${kindOf(text)}`);
    }
    const ids = [this.bos];
    const most = this.contextLength - 1;
    for (const piece of this.added.pieces(text)) {
      if (ids.length >= most) break;
      if (typeof piece === 'number') ids.push(piece);
      else this.pushText(piece, ids, most);
    }
    ids.push(this.eot);
    return ids;
  }

  /**
   * The text of ids, special tokens included and each word followed by a space, as OpenAI's `decode` gives it.
   *
   * @throws RangeError if an id is not in the vocabulary
   */
  decode(ids: readonly number[]): string {
    const vocabulary = this.bpe.model!.vocab;
    const unknown = ids.find((id) => vocabulary[id] === undefined);
    if (unknown !== undefined) throw new RangeError(`id ${unknown} is not in the vocabulary of ${this.vocabSize}`);
    if (ids.length === 0) return '';
    return this.bpe.decode([...ids], { clean_up_tokenization_spaces: false });
  }

  /** Appends the ids of a cleaned text, while there are fewer than `most`. */
  private pushText(cleaned: string, ids: number[], most: number): void {
    for (let start = 0; start < cleaned.length && ids.length < most; ) {
      // No word spans a space, so the text may be cut at any.
      const space = cleaned.indexOf(' ', start + PART);
      const end = space < 0 ? cleaned.length : space;
      for (const word of this.words(cleaned.slice(start, end), most - ids.length)) {
        if (ids.length >= most) return;
        // OpenAI's code finds BOS and EOT in a text by its word pattern, not by a search in the raw text.
        if (word === BOS) ids.push(this.bos);
        else if (word === EOT) ids.push(this.eot);
        else this.pushWord(word, ids, most);
      }
      start = end;
    }
  }

  /** The words of a part of a cleaned text, as byte characters: all of them, or at least the first `count`. */
  private words(part: string, count: number): string[] {
    const split = (text: string): string[] => this.bpe.pre_tokenizer!.pre_tokenize(text);
    if (part.length > LONG) {
      // A cut between two spaces can change words only as far before it as the pattern looks ahead, 15 characters for
      // the special tokens; and a word has at least one.
      const words = split(part.slice(0, LONG));
      if (words.length >= count + 16) return words.slice(0, count);
    }
    return split(part);
  }

  /** Appends the ids of one word, given as byte characters, while there are fewer than `most`. */
  private pushWord(word: string, ids: number[], most: number): void {
    const model = this.bpe.model!;
    const pieces =
      (word.length > LONG ? this.piecesOfBeginning(word, most - ids.length) : undefined) ?? model.encode([word]);
    for (const piece of pieces) {
      if (ids.length >= most) return;
      ids.push(model.tokens_to_ids.get(piece)!);
    }
  }

  /**
   * The first `count` pieces of a very long word from its beginning alone, or undefined if the beginning does not determine
   * them.
   *
   * Merges are applied in order of rank, then position, and none crosses a final boundary between two pieces. So the text
   * before a boundary is encoded as if nothing followed. No piece is longer than the longest token L, so any L positions in
   * a row hold a boundary: if all beginnings that end there agree in their first `count` pieces, so does the word.
   */
  private piecesOfBeginning(word: string, count: number): string[] | undefined {
    const model = this.bpe.model!;
    const suffix = model.end_of_word_suffix!.length;
    if (this.longestToken === 0) {
      for (const token of model.tokens_to_ids.keys()) {
        const length = token.length - (token.endsWith(model.end_of_word_suffix!) ? suffix : 0);
        if (length > this.longestToken && !this.unreachable.has(token)) this.longestToken = length;
      }
    }
    const beginning = (end: number): string[] => {
      // A space is not a byte character: it merges with nothing, takes the end-of-word mark, and comes out as unknown.
      return model.encode([`${word.slice(0, end)} `]).slice(0, -1);
    };
    for (let length = 8 * count + this.longestToken; length < word.length / 8; length *= 4) {
      const first = beginning(length).slice(0, count);
      let agreed = first.length === count;
      for (let end = length - 1; agreed && end > length - this.longestToken; end--) {
        const pieces = beginning(end);
        agreed = first.every((piece, i) => piece === pieces[i]);
      }
      if (agreed) return first;
    }
    return undefined;
  }
}
