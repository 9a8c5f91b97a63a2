/**
 * Keys of pictures as text. A file's name may have bytes that are not UTF-8, which a column of strings cannot hold: each is written
 * `\xff`. A backslash that would read as the beginning of such a byte is written `\x5c`; all other names stay as they are.
 */
const BYTE = '[89a-f][0-9a-f]';
/** What `nameFromBytes` makes of bytes that are not UTF-8, with the u flag: lone surrogates only. */
const TO_ESCAPE = new RegExp(`[\\udc80-\\udcff]|\\\\(?=x(?:5c|${BYTE}))`, 'gu');
const ESCAPED = new RegExp(`\\\\x(5c|${BYTE})`, 'g');

/** A key as the parts have it. */
export const keyText = (key: string): string =>
  key.replace(TO_ESCAPE, (found) => (found === '\\' ? '\\x5c' : `\\x${(found.charCodeAt(0) - 0xdc00).toString(16)}`));

/** The key that was written so: a name as `nameFromBytes` gives it. */
export const keyFromText = (text: string): string =>
  text.replace(ESCAPED, (_, hex: string) =>
    hex === '5c' ? '\\' : String.fromCharCode(0xdc00 + Number.parseInt(hex, 16)),
  );
