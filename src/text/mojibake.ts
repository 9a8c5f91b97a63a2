/**
 * Mojibake: UTF-8 that was decoded as a one-byte encoding ("schÃ¶n" for "schön"). A port of ftfy 6.3.1
 * (Robyn Speer, Apache-2.0): `ftfy.badness` decides whether a text is suspicious, `fix_encoding` undoes the misreading.
 */
import { type Charmap, charmaps, latin1, macRoman, windows1252 } from './one-byte-encodings.ts';

// Categories of characters that occur in mojibake (ftfy.badness.MOJIBAKE_CATEGORIES), as insides of a character class.
const common = '\\u00a0\\u00ad·´–—―…’';
const c1 = '\\u0080-\\u009f';
const bad = '¦¤¨¬¯¸ƒˆˇ˘˛˜†‡‰⌐◊\\ufffdªº';
const law = '¶§';
const currency = '¢£¥₧€';
const startPunctuation = '¡«¿©΄΅‘‚“„•‹\\uf8ff';
const endPunctuation = '®»˝”›™';
const numeric = '²³¹±¼½¾×µ÷⁄∂∆∏∑√∞∩∫≈≠≡≤≥№';
const kaomoji = 'Ò-ÖÙ-Üò-öø-üŐŌŪŲ°';
const upperAccented = 'À-ÑØÜÝĂĀĄĆČĎĐĘĚĒĖĞĢİĪĶĹĽŁĻŃŇŅŒŘŚŞŠŢŤŮŰŸŹŻŽҐ';
const lowerAccented = 'ßà-ñăąāćčďđęěēėğģįīķĺľłļœŕśşšťüźżžґﬁﬂ';
const upperCommon = 'ÞΑ-ΩΆΈΉΊΌΎΏΪΫЁ-Я';
const lowerCommon = 'α-ωάέήίΰа-џ';
const box = '│┌┐┘├┤┬┼═-╬▀▄█▌▐░▒▓';
// Python's \s and \w on str.
const space = '\\t-\\r\\u001c-\\u001f\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const word = '\\p{L}\\p{N}_';

/** Juxtapositions that hardly occur in intended text (ftfy.badness.BADNESS_RE). */
const BADNESS = new RegExp(
  [
    `[${c1}]`,
    `[${bad}${lowerAccented}${upperAccented}${box}${startPunctuation}${endPunctuation}${currency}${numeric}${law}][${bad}]`,
    `[a-zA-Z][${lowerCommon}${upperCommon}][${bad}]`,
    `[${bad}][${lowerAccented}${upperAccented}${box}${startPunctuation}${endPunctuation}${currency}${numeric}${law}]`,
    `[${lowerAccented}${lowerCommon}${box}${endPunctuation}${currency}${numeric}][${upperAccented}]`,
    `[${box}${endPunctuation}${currency}${numeric}][${lowerAccented}]`,
    `[${lowerAccented}${box}${endPunctuation}][${currency}]`,
    `[${space}][${upperAccented}][${currency}]`,
    `[${upperAccented}${box}][${numeric}${law}]`,
    `[${lowerAccented}${upperAccented}${box}${currency}${endPunctuation}][${startPunctuation}][${numeric}]`,
    `[${lowerAccented}${upperAccented}${currency}${numeric}${box}${law}][${endPunctuation}][${startPunctuation}]`,
    `[${currency}${numeric}${box}][${startPunctuation}]`,
    `[a-z][${upperAccented}][${startPunctuation}${currency}]`,
    `[${box}][${kaomoji}]`,
    `[${lowerAccented}${upperAccented}${currency}${numeric}${startPunctuation}${endPunctuation}${law}][${box}]`,
    `[${box}][${endPunctuation}]`,
    `[${lowerAccented}${upperAccented}][${startPunctuation}${endPunctuation}][${word}]`,
    // The ligature œ when no unaccented Latin letter follows; degree signs after capitals.
    '[Œœ][^A-Za-z]',
    `[${upperAccented}]°`,
    // Windows-1252: two-character cases not covered above, squared and cubed, Arabic (four characters to be sure),
    // South Asian alphabets.
    `[ÂÃÎÐ][€œŠš¢£Ÿž\\u00a0\\u00ad®©°·»${startPunctuation}${endPunctuation}–—´]`,
    '×[²³]',
    `[ØÙ][${common}${currency}${bad}${numeric}${startPunctuation}ŸŠ®°µ»][ØÙ][${common}${currency}${bad}${numeric}${startPunctuation}ŸŠ®°µ»]`,
    'à[²µ¹¼½¾]',
    // MacRoman.
    '√[±∂†≠®™´≤≥¥µø]',
    '≈[°¢]',
    '‚Ä[ìîïòôúùû†°¢π]',
    '‚[âó][àä°ê]',
    // Windows-1251: U+2000..203F; Latin-1 and Cyrillic; on top of Windows-1252.
    'вЂ',
    `[ВГРС][${c1}${bad}${startPunctuation}${endPunctuation}${currency}°µ][ВГРС]`,
    'ГўВЂВ.[A-Za-z ]',
    // Windows-1252 forms of à, á and the no-break space.
    'Ã[\\u00a0¡]',
    `[a-z][${space}]?[ÃÂ] `,
    '^[ÃÂ] ',
    `[a-z.,?!${endPunctuation}]Â[ ${startPunctuation}${endPunctuation}]`,
    // Windows-1253: U+2000..203F; Latin-1 and Greek. Windows-1257.
    'β€[™\\u00a0Ά\\u00ad®°]',
    `[ΒΓΞΟ][${c1}${bad}${startPunctuation}${endPunctuation}${currency}°][ΒΓΞΟ]`,
    'ā€',
  ].join('|'),
  'u',
);

// What the bytes of a UTF-8 sequence look like in the encodings above (ftfy.chardata.UTF8_CLUES).
const firstOfTwo =
  'ĂÂÄĀÅÃÆĆČÇĎĐÉĚÊËĖÈĒĘÐĞĢÍÎÏİÌĪĶĹĻŁŃŇÑŅÓÔÖŐÒŌØÕŘŚŠŞŢÞÚÛÜŰÙŪŲŮÝŹŽŻß×' +
  'ΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫάέήίВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ';
const firstOfThree = 'áăâäàāąåãæćčçďéěêëėèēęģíîïìīįķĺļŕźΰαβγδεζηθικλμνξοабвгдежзийклмноп';
const firstOfFour = 'đðğóšπσру';
const continuationStrict =
  '\\u0080-¿ĄÆĽŁØŖŚŠŞŤŸŹŽŻŒąæƒľłøŗśšşťźžżœˆˇ˘˛˜˝΄΅ΆΈΉΊΌΎΏ' + 'ЁЂЃЄЅІЇЈЉЊЋЌЎЏёђѓєѕіїјљњћќўџҐґ†‡‰‹›€№™';
const continuation = `${continuationStrict} –—―‘’‚“”„•…`;

/** Runs that look like misread UTF-8 sequences, in a text that is not misread as a whole. */
const UTF8_LOOKALIKE = new RegExp(
  `(?<![${continuationStrict}])(?:[${firstOfTwo}][${continuation}]|[${firstOfThree}][${continuation}]{2}|[${firstOfFour}][${continuation}]{3})+`,
  'gu',
);

// The next three work on bytes, held as strings of U+0000..U+00FF.

/** UTF-8 sequences whose byte A0 was replaced by a space (ftfy.chardata.ALTERED_UTF8_RE). */
const SPACED_UTF8 =
  /[\xc2\xc3\xc5\xce\xd0\xd9] |[\xe2\xe3] [\x80-\x84\x86-\x9f\xa1-\xbf]|[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf] |\xf0 [\x80-\xbf][\x80-\xbf]|\xf0[\x80-\xbf] [\x80-\xbf]|\xf0[\x80-\xbf][\x80-\xbf] /g;

/** "à" as a word of its own, except where Portuguese joins it to the next word. */
const A_GRAVE_WORD = /\xc3 (?! |quele|quela|quilo|s )/g;

/** UTF-8 sequences that lost a byte to "\ufffd" (byte 1A) or "?" (ftfy.chardata.LOSSY_UTF8_RE). */
const LOSSY_UTF8 =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: byte 1A is what the sloppy encodings write for U+FFFD.
  /[\xc2-\xdf]\x1a|[\xc2-\xc3]\?|\xed[\xa0-\xaf][\x1a?]\xed[\xb0-\xbf][\x1a?\x80-\xbf]|\xed[\xa0-\xaf][\x1a?\x80-\xbf]\xed[\xb0-\xbf][\x1a?]|[\xe0-\xef][\x1a?][\x1a\x80-\xbf]|[\xe0-\xef][\x1a\x80-\xbf][\x1a?]|[\xf0-\xf4][\x1a?][\x1a\x80-\xbf][\x1a\x80-\xbf]|[\xf0-\xf4][\x1a\x80-\xbf][\x1a?][\x1a\x80-\xbf]|[\xf0-\xf4][\x1a\x80-\xbf][\x1a\x80-\xbf][\x1a?]|\x1a/g;

/** Java's two-byte NUL, and a character above U+FFFF as a pair of three-byte surrogates (CESU-8). */
const UTF8_VARIANT = /\xc0\x80|\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]/g;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes a byte string. @throws TypeError if it is not UTF-8. */
function decodeUtf8(bytes: string): string {
  return utf8.decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
}

/** Like `decodeUtf8`, but also accepts Java's NUL and CESU-8 (ftfy's codec `utf-8-variants`). */
function decodeUtf8Variants(bytes: string): string {
  let text = '';
  let start = 0;
  for (const match of bytes.matchAll(UTF8_VARIANT)) {
    const [sequence] = match;
    text += decodeUtf8(bytes.slice(start, match.index));
    if (sequence.length === 2) {
      text += '\u0000';
    } else {
      const bits = (i: number, mask: number): number => sequence.charCodeAt(i) & mask;
      text += String.fromCodePoint(
        0x10000 + (bits(1, 0x0f) << 16) + (bits(2, 0x3f) << 10) + (bits(4, 0x0f) << 6) + bits(5, 0x3f),
      );
    }
    start = match.index + sequence.length;
  }
  return text + decodeUtf8(bytes.slice(start));
}

/** Undoes the misreading of the whole text as `charmap`; undefined if the bytes are not UTF-8. */
function reread(bytes: string, charmap: Charmap): string | undefined {
  if (charmap !== macRoman && bytes.search(SPACED_UTF8) >= 0) {
    bytes = bytes
      .replace(A_GRAVE_WORD, '\u00c3\u00a0 ')
      .replace(SPACED_UTF8, (sequence) => sequence.replaceAll(' ', '\u00a0'));
  }
  if (charmap.sloppy) bytes = bytes.replace(LOSSY_UTF8, '\u00ef\u00bf\u00bd');
  try {
    return /[\xc0\xed]/.test(bytes) ? decodeUtf8Variants(bytes) : decodeUtf8(bytes);
  } catch {
    return undefined;
  }
}

/** C1 controls are bytes of Windows-1252 that were decoded as Latin-1; browsers read them so, too (ftfy `fix_c1_controls`). */
export function repairC1Controls(text: string): string {
  return text.replace(/[\x80-\x9f]/g, (control) => windows1252.upperHalf[control.charCodeAt(0) - 0x80]);
}

/** One round of ftfy's `_fix_encoding_one_step_and_explain`. */
function repairOneLayer(text: string): string {
  if (!BADNESS.test(text)) return text;

  let isLatin1 = false;
  for (const charmap of charmaps) {
    const bytes = charmap.encode(text);
    if (bytes === undefined) continue;
    if (charmap === latin1) isLatin1 = true;
    const reading = reread(bytes, charmap);
    if (reading !== undefined) return reading;
  }

  // Texts put together from several encodings: repair each run that looks misread on its own.
  const patched = text.replace(UTF8_LOOKALIKE, (run) =>
    run.length < text.length && BADNESS.test(run) ? repairEncoding(run) : run,
  );
  if (patched !== text) return patched;

  // Latin-1 that was meant as Windows-1252; where the whole text does not decode so, the controls one by one. Both give
  // the same, because the sloppy code page differs from the strict one only in controls that it leaves as they are.
  if (isLatin1 || /[\x80-\x9f]/.test(text)) return repairC1Controls(text);
  return text;
}

/**
 * Undoes misread UTF-8, layer by layer; text that does not look misread stays as it is (ftfy's `fix_encoding` with its
 * default configuration).
 */
export function repairEncoding(text: string): string {
  for (;;) {
    const repaired = repairOneLayer(text);
    if (repaired === text) return text;
    text = repaired;
  }
}
