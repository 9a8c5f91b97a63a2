import { Tokenizer as BpeTokenizer } from '@huggingface/tokenizers';
import { ClipError } from '../errors.ts';
import { type CleaningOptions, cleanText } from './cleaning.ts';

export interface TokenizerOptions extends CleaningOptions {
  /** Most ids that `encode` returns, the first and the last token included. Default 77, as published; at least 2. */
  contextLength?: number;
}

const BOS = '<|startoftext|>';
const EOT = '<|endoftext|>';

/** How much text is split into words at a time: at the usual context length, the first part is enough. */
const PART = 1024;

/** Parts and words longer than this are read from their beginning alone, as far as that settles the ids. */
const LONG = 16_384;

interface Component {
  type?: unknown;
  [key: string]: unknown;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Ids index the rows of the token embedding, so none can be huge. */
function isId(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 24;
}

function fail(message: string, cause?: unknown): never {
  throw new ClipError('TOKENIZER', `tokenizer.json: ${message}`, cause === undefined ? undefined : { cause });
}

/** The split pattern of every CLIP `tokenizer.json`, from the published code. */
const PATTERN = "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/**
 * The same as the published code compiles it, ignoring case. On lower-cased text that shows in two characters: the long
 * s counts as an s, and the iota subscript U+0345, whose upper case is a letter, falls out of the negated class.
 */
const PATTERN_IGNORING_CASE = PATTERN.replace("'s", "'[sſ]").replace(/\]\+$/, '\\u0345]+');

/**
 * The file's pre-tokenizer, with two departures of Hugging Face's conversion from the published code taken back: the
 * pattern minds case, and after that split `ByteLevel` splits again by GPT-2's pattern, whose white space differs.
 */
function publishedSplit(preTokenizer: unknown): unknown {
  if (!isRecord(preTokenizer) || preTokenizer.type !== 'Sequence' || !Array.isArray(preTokenizer.pretokenizers)) {
    return preTokenizer;
  }
  const steps = preTokenizer.pretokenizers as Component[];
  if (steps[0]?.type !== 'Split') return preTokenizer;
  const pretokenizers = steps.map((step) => {
    if (step?.type === 'ByteLevel') return { ...step, use_regex: false };
    if (step?.type === 'Split' && isRecord(step.pattern) && step.pattern.Regex === PATTERN) {
      return { ...step, pattern: { Regex: PATTERN_IGNORING_CASE } };
    }
    return step;
  });
  return { ...preTokenizer, pretokenizers };
}

/** Byte-level BPE with an end-of-word mark, as CLIP's; anything else would give ids without meaning to the model. */
function checkModel(json: Record<string, unknown>): void {
  const { model } = json;
  if (!isRecord(model)) fail('"model" is missing');
  if (model.type !== undefined && model.type !== 'BPE')
    fail(`the model is "${String(model.type)}", expected "BPE" (CLIP's)`);
  if (!isRecord(model.vocab) || !Object.values(model.vocab).every(isId)) {
    fail('"model.vocab" is not an object of ids');
  }
  const isMerge = (merge: unknown): boolean =>
    typeof merge === 'string' ? merge.includes(' ') : Array.isArray(merge) && merge.length === 2;
  if (!Array.isArray(model.merges) || !model.merges.every(isMerge)) fail('"model.merges" is not a list of pairs');
  if (typeof model.end_of_word_suffix !== 'string' || model.end_of_word_suffix === '') {
    fail('"model.end_of_word_suffix" is missing, which CLIP\'s byte-level BPE has ("</w>")');
  }
  const added = json.added_tokens ?? [];
  if (!Array.isArray(added) || !added.every((token) => isRecord(token) && isId(token.id))) {
    fail('"added_tokens" is not a list of tokens with ids');
  }
  if (!isRecord(json.pre_tokenizer)) fail('"pre_tokenizer" is missing');
}

/** CLIP's tokenizer: OpenAI's cleaning, then byte-level BPE with the model's own vocabulary. */
export class Tokenizer {
  /** Most ids that `encode` returns. */
  readonly contextLength: number;
  /** Rows that the token embedding must have: the largest id plus one. */
  readonly vocabSize: number;
  /** Id of `<|startoftext|>`, with which every encoding begins. */
  readonly bos: number;
  /** Id of `<|endoftext|>`, with which every encoding ends. */
  readonly eot: number;
  private readonly bpe: BpeTokenizer;
  private readonly cleaning: CleaningOptions;
  private longestToken = 0;

  private constructor(bpe: BpeTokenizer, contextLength: number, cleaning: CleaningOptions) {
    this.contextLength = contextLength;
    this.cleaning = cleaning;
    this.bpe = bpe;
    const vocabulary = bpe.model!.tokens_to_ids;
    this.bos = vocabulary.get(BOS) ?? fail(`the vocabulary has no "${BOS}"`);
    this.eot = vocabulary.get(EOT) ?? fail(`the vocabulary has no "${EOT}"`);
    let largest = 0;
    for (const id of vocabulary.values()) if (id > largest) largest = id;
    this.vocabSize = largest + 1;
  }

  /**
   * @param json a Hugging Face `tokenizer.json` of a CLIP model, as text or parsed. Its normalizer and post-processor
   *   are not used: cleaning, BOS and EOT are those of the published code.
   * @throws ClipError `TOKENIZER` if it is malformed or no byte-level BPE with CLIP's two special tokens;
   *   RangeError if `contextLength` is no integer of at least 2.
   */
  static fromJSON(json: string | object, options: TokenizerOptions = {}): Tokenizer {
    const { contextLength = 77, ...cleaning } = options;
    if (!Number.isInteger(contextLength) || contextLength < 2) {
      throw new RangeError(`contextLength must be an integer of at least 2 (BOS and EOT), got ${contextLength}`);
    }
    let parsed: unknown = json;
    if (typeof json === 'string') {
      try {
        parsed = JSON.parse(json);
      } catch (error) {
        fail(`not JSON: ${(error as Error).message}`, error);
      }
    }
    if (!isRecord(parsed)) fail('expected a JSON object');
    checkModel(parsed);
    let bpe: BpeTokenizer;
    try {
      bpe = new BpeTokenizer(
        {
          decoder: null,
          post_processor: null,
          ...parsed,
          normalizer: null,
          added_tokens: parsed.added_tokens ?? [],
          pre_tokenizer: publishedSplit(parsed.pre_tokenizer),
          model: { ...(parsed.model as object), type: 'BPE' },
        },
        {},
      );
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error), error);
    }
    return new Tokenizer(bpe, contextLength, cleaning);
  }

  /**
   * The ids of a text: BOS, at most `contextLength - 2` tokens, EOT. Longer texts are cut there, as OpenAI's
   * `tokenize(..., truncate=True)` does; an empty text is BOS, EOT. No padding.
   *
   * @throws TypeError if `text` is no string.
   */
  encode(text: string): number[] {
    if (typeof text !== 'string') {
      throw new TypeError(`text must be a string, got ${text === null ? 'null' : typeof text}`);
    }
    const cleaned = cleanText(text, this.cleaning);
    const ids = [this.bos];
    const most = this.contextLength - 1;
    for (let start = 0; start < cleaned.length && ids.length < most; ) {
      // No word spans a space, so the text may be cut at any.
      const space = cleaned.indexOf(' ', start + PART);
      const end = space < 0 ? cleaned.length : space;
      for (const word of this.words(cleaned.slice(start, end), most - ids.length)) {
        if (ids.length >= most) break;
        // The published code knows the special tokens in a text by its split pattern, not by a search in the raw text.
        if (word === BOS) ids.push(this.bos);
        else if (word === EOT) ids.push(this.eot);
        else this.pushWord(word, ids, most);
      }
      start = end;
    }
    ids.push(this.eot);
    return ids;
  }

  /**
   * The text of ids, special tokens included and each word followed by a space, as OpenAI's `decode` gives it.
   *
   * @throws RangeError if an id is not in the vocabulary.
   */
  decode(ids: readonly number[]): string {
    const vocabulary = this.bpe.model!.vocab;
    const unknown = ids.find((id) => vocabulary[id] === undefined);
    if (unknown !== undefined) throw new RangeError(`id ${unknown} is not in the vocabulary of ${this.vocabSize}`);
    if (ids.length === 0) return '';
    return this.bpe.decode([...ids], { clean_up_tokenization_spaces: false });
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

  /** Appends the ids of one word, given as byte characters, while there are less than `most`. */
  private pushWord(word: string, ids: number[], most: number): void {
    const model = this.bpe.model!;
    const pieces =
      (word.length > LONG ? this.settledPieces(word, most - ids.length) : undefined) ?? model.encode([word]);
    for (const piece of pieces) {
      if (ids.length >= most) return;
      ids.push(model.tokens_to_ids.get(piece) ?? this.eot);
    }
  }

  /**
   * The first `count` pieces of a very long word from its beginning alone, or undefined if its beginning does not settle
   * them.
   *
   * Merges run in order of rank, then position, and none crosses a final boundary between two pieces; so what lies
   * before a boundary is encoded as if nothing followed. No piece is longer than the longest token L, hence the word has a
   * boundary in any L positions: if all beginnings that end there agree in their first `count` pieces, these are the
   * word's.
   */
  private settledPieces(word: string, count: number): string[] | undefined {
    const model = this.bpe.model!;
    const suffix = model.end_of_word_suffix!.length;
    if (this.longestToken === 0) {
      for (const token of model.tokens_to_ids.keys()) {
        const length = token.length - (token.endsWith(model.end_of_word_suffix!) ? suffix : 0);
        if (token !== BOS && token !== EOT && length > this.longestToken) this.longestToken = length;
      }
    }
    const beginning = (end: number): string[] => {
      // A space is no byte character: it merges with nothing and takes the end-of-word mark off the last piece.
      const pieces = model.encode([`${word.slice(0, end)} `]);
      return model.unk_token == null ? pieces : pieces.slice(0, -1);
    };
    for (let length = 8 * count + this.longestToken; length < word.length / 8; length *= 4) {
      const settled = beginning(length).slice(0, count);
      let agreed = settled.length === count;
      for (let end = length - 1; agreed && end > length - this.longestToken; end--) {
        const pieces = beginning(end);
        agreed = settled.every((piece, i) => piece === pieces[i]);
      }
      if (agreed) return settled;
    }
    return undefined;
  }
}
