/** HTML entities, unescaped as Python's `html.unescape` does. */
import { decodeHTML, decodeHTMLStrict } from 'entities/decode';

const CHARACTER_REFERENCE = /&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu;
const WHOLE_ENTITY = /&#?[0-9A-Za-z]{1,24};/g;

/** Code points that a numeric reference may not name; Python drops them (CPython `html._invalid_codepoints`). */
function isDropped(code: number): boolean {
  return (
    (code <= 0x1f ? code !== 0x09 && code !== 0x0a && code !== 0x0c : code === 0x7f || (code & 0xfffe) === 0xfffe) ||
    (code >= 0xfdd0 && code <= 0xfdef)
  );
}

function decodeNumeric(reference: string): string {
  const hexadecimal = reference[2] === 'x' || reference[2] === 'X';
  const code = Number.parseInt(reference.slice(hexadecimal ? 3 : 2), hexadecimal ? 16 : 10);
  // `entities` keeps what Python drops; both treat NUL, CR, surrogates, C1 controls and too large numbers alike.
  if (code !== 0 && code !== 0x0d && code <= 0x10ffff && isDropped(code)) return '';
  return decodeHTML(reference);
}

/**
 * Python's `html.unescape`: every character reference becomes its character, also without the closing semicolon where
 * HTML 5 allows that (the longest such prefix: "&notit;" is "¬it;").
 */
export function unescapeHtml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(CHARACTER_REFERENCE, (reference) =>
    reference[1] === '#' ? decodeNumeric(reference) : decodeHTML(reference),
  );
}

/**
 * ftfy's `unescape_html`: only references that end in a semicolon, so that "this&not that" stays; names in capitals
 * that HTML does not know count as their lower-case form ("P&EACUTE;REZ" is "PÉREZ").
 */
export function unescapeWholeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(WHOLE_ENTITY, (entity) => {
    if (entity[1] === '#') {
      const char = unescapeHtml(entity);
      // A remaining semicolon was not part of the reference ("&#12ab;"), or is the character it named: keep both.
      return char.includes(';') ? entity : char;
    }
    const char = decodeHTMLStrict(entity);
    if (char !== entity) return char;
    const lower = entity.toLowerCase();
    if (entity !== entity.toUpperCase() || unescapeHtml(entity) !== entity) return entity;
    const lowerChar = decodeHTMLStrict(lower);
    return lowerChar === lower ? entity : lowerChar.toUpperCase();
  });
}
