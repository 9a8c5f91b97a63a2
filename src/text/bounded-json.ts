/** JSON of unknown origin, with bounds that are checked before `JSON.parse` does any work. */

export interface JsonBounds {
  /** Maximum number of characters. */
  readonly length: number;
  /** Most levels of arrays and objects inside each other. */
  readonly depth: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * `JSON.parse` within bounds: engines take gigabytes for, or overflow their stack on, millions of nested brackets.
 * @throws RangeError if a bound is exceeded; SyntaxError if the text is not JSON
 */
export function parseBoundedJson(text: string, { length, depth }: JsonBounds): unknown {
  if (text.length > length) throw new RangeError(`${text.length} characters, expected at most ${length}`);
  let open = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === QUOTE) {
      i = endOfString(text, i + 1);
    } else if ((char & ~0x20) === 0x5b) {
      if (++open > depth) throw new RangeError(`nested more than ${depth} levels deep at character ${i}`);
    } else if ((char & ~0x20) === 0x5d) open--;
  }
  return JSON.parse(text);
}

/** The position of the quote that ends a string, or the end of the text. `from` is after the opening quote. */
function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (end - 1 - backslashes >= from && text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}
