/** Repairs texts as ftfy does: entities, mojibake, and characters that have a plainer form. */
import { unescapeWholeEntities } from './html-entities.ts';
import { repairC1Controls, repairEncoding } from './mojibake.ts';

/** ftfy's `max_decode_length`: a longer line is repaired in segments of this length. */
const LONGEST_SEGMENT = 1_000_000;

/**
 * ftfy repeats its repairs until the text no longer changes. "&amp;amp;amp;..." takes one round for each level, and so
 * quadratic time; real text does not nest this deep.
 */
const MOST_ROUNDS = 16;

/**
 * Engines sort a run of combining marks in quadratic time: a megabyte of them would take minutes. Longer runs are
 * normalized in parts; Unicode's Stream-Safe Text Format (UAX 15, D4) allows at most 30 in a row.
 */
const LONGEST_MARK_RUN = /\p{M}{256}/gu;

const LIGATURES: Readonly<Record<string, string>> = {
  Ĳ: 'IJ',
  ĳ: 'ij',
  ŉ: 'ʼn',
  Ǳ: 'DZ',
  ǲ: 'Dz',
  ǳ: 'dz',
  Ǆ: 'DŽ',
  ǅ: 'Dž',
  ǆ: 'dž',
  Ǉ: 'LJ',
  ǈ: 'Lj',
  ǉ: 'lj',
  Ǌ: 'NJ',
  ǋ: 'Nj',
  ǌ: 'nj',
  ﬀ: 'ff',
  ﬁ: 'fi',
  ﬂ: 'fl',
  ﬃ: 'ffi',
  ﬄ: 'ffl',
  ﬅ: 'ſt',
  ﬆ: 'st',
};

/** Unicode normalization form C, in linear time. */
export const composeCharacters = (text: string): string => normalizeInParts(text, 'NFC');

/** A Unicode normalization form, in linear time. */
export function normalizeInParts(text: string, form: 'NFC' | 'NFD'): string {
  let composed = '';
  let start = 0;
  for (const { 0: run, index } of text.matchAll(LONGEST_MARK_RUN)) {
    const end = index + run.length;
    composed += text.slice(start, end).normalize(form);
    start = end;
  }
  return composed + text.slice(start).normalize(form);
}

/** Applies ftfy's fixers to one line, in ftfy's order, until nothing changes. */
function repairSegment(text: string, htmlEntities: boolean): string {
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const before = text;
    if (htmlEntities) text = unescapeWholeEntities(text);
    text = repairC1Controls(repairEncoding(text))
      .replace(/[ĲĳŉǱ-ǳǄ-ǌﬀ-ﬆ]/g, (ligature) => LIGATURES[ligature])
      // Fullwidth Latin, halfwidth katakana and hangul, the ideographic space.
      .replace(/[\u3000\uff01-\uffef]/g, (char) => char.normalize('NFKC'))
      .replace(/[\u201c-\u201f]/g, '"')
      .replace(/[\u02bc\u2018-\u201b]/g, "'")
      .replace(/\r\n|[\r\u2028\u2029\u0085]/g, '\n')
      // With the `u` flag this finds only lone surrogates.
      .replace(/[\ud800-\udfff]/gu, '\ufffd')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colors, "ESC [ 31 m".
      .replace(/\x1b\[[\p{Nd};]*[a-zA-Z]/gu, '')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are removed.
      .replace(/[\x00-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g, '');
    text = composeCharacters(text);
    if (text === before) break;
  }
  return text;
}

/**
 * The default repairs of `ftfy.fix_text` (ftfy 6.3.1, Robyn Speer, Apache-2.0): mojibake, curly quotes, ligatures,
 * character width, line breaks, surrogates, terminal escapes, control characters, normalization form C. HTML entities
 * are unescaped up to the first line with a literal "<", which shows that the text itself is HTML.
 *
 * @param htmlEntities ftfy's `unescape_html`: true is its default `"auto"`, false is never.
 */
export function repairText(text: string, htmlEntities: boolean): string {
  const repaired: string[] = [];
  let start = 0;
  while (start < text.length) {
    const newline = text.indexOf('\n', start);
    let end = newline < 0 ? text.length : newline + 1;
    if (end - start > LONGEST_SEGMENT) {
      end = start + LONGEST_SEGMENT;
      // ftfy counts code points; here it is enough not to split a surrogate pair.
      if (/[\ud800-\udbff]/.test(text[end - 1])) end++;
    }
    const segment = text.slice(start, end);
    if (segment.includes('<')) htmlEntities = false;
    repaired.push(repairSegment(segment, htmlEntities));
    start = end;
  }
  return repaired.join('');
}
