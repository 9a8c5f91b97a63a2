/** The cleaning of OpenAI's tokenizer: repairs, HTML entities, white space, lower case. */
import { unescapeHtml } from './html-entities.ts';
import { composeCharacters, repairText } from './repairs.ts';

export interface CleaningOptions {
  /** Unescape HTML entities ("&amp;amp;" is "&"), as OpenAI's code does and Hugging Face's does not. Default true. */
  htmlEntities?: boolean;
  /** Apply ftfy's default repairs, as OpenAI's code does and Hugging Face's does not. Default true. */
  repairs?: boolean;
}

/**
 * `\s` of Python's `regex` is Unicode's White_Space. JavaScript's `\s` also has U+FEFF, and lacks U+0085.
 */
const WHITE_SPACE = /\p{White_Space}+/gu;

/** Python's `str.strip` also strips the separators U+001C..U+001F. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the class is about these four.
const STRIPPED = /[\p{White_Space}\u001c-\u001f]/u;

/** Which ends of a text `cleanText` strips. Default both. */
export interface Ends {
  stripStart?: boolean;
  stripEnd?: boolean;
}

/** Python's `str.strip()`. A loop, because `/\s+$/` takes quadratic time on long runs inside the text. */
export function strip(text: string, { stripStart = true, stripEnd = true }: Ends = {}): string {
  let start = 0;
  let end = text.length;
  if (stripStart) while (start < end && STRIPPED.test(text[start])) start++;
  if (stripEnd) while (end > start && STRIPPED.test(text[end - 1])) end--;
  return text.slice(start, end);
}

/**
 * The text as CLIP's byte-level BPE expects it: `whitespace_clean(basic_clean(text)).lower()` of OpenAI's
 * `simple_tokenizer.py`, where `basic_clean` is `ftfy.fix_text`, `html.unescape` twice, `strip`.
 *
 * Without `repairs` the text is still normalized to NFC, as Hugging Face's normalizer does. Takes linear time.
 */
export function cleanText(text: string, options: CleaningOptions = {}, ends: Ends = {}): string {
  return strip(normalizeText(text, options), ends);
}

/** `cleanText` without the stripping: the steps that a part of a text, e.g. an added token, goes through as well. */
export const normalizeText = (text: string, options: CleaningOptions = {}): string =>
  spacedText(text, options).toLowerCase();

/** The same with capital letters. */
export function spacedText(text: string, { htmlEntities = true, repairs = true }: CleaningOptions = {}): string {
  text = repairs ? repairText(text, htmlEntities) : composeCharacters(text);
  if (htmlEntities) text = unescapeHtml(unescapeHtml(text));
  return text.replace(WHITE_SPACE, ' ');
}
