/** A field of a JSON object as its source has it: `JSON.parse` rounds numbers to float64 and keeps one of two equal names. */

const SPACES = ' \t\r\n';
const PUNCTUATION = '{}[],:';

/**
 * The source of a field's value, without white space between its tokens; of two fields with this name, the last.
 * @param text an object that `JSON.parse` has accepted
 * @returns undefined if there is no such field
 * @example fieldSource('{"id": 9007199254740993}', 'id') // '9007199254740993'
 */
export function fieldSource(text: string, name: string): string | undefined {
  let source: string | undefined;
  let depth = 0;
  let isKey = false;
  let isWanted = false;
  for (const token of tokens(text)) {
    if (token === '}' || token === ']') depth--;
    if (depth > 1 || (depth === 1 && !isKey && token !== ',' && token !== ':')) {
      if (isWanted) source += token;
    } else if (depth === 1 && isKey) {
      isWanted = JSON.parse(token) === name;
      isKey = false;
      if (isWanted) source = '';
    } else isKey = token === '{' || token === ',';
    if (token === '{' || token === '[') depth++;
  }
  return source;
}

function* tokens(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const first = text[start]!;
    let end = start + 1;
    if (first === '"') end = stringEnd(text, start);
    else if (!SPACES.includes(first) && !PUNCTUATION.includes(first)) {
      while (!SPACES.includes(text[end]!) && !PUNCTUATION.includes(text[end]!)) end++;
    }
    if (!SPACES.includes(first)) yield text.slice(start, end);
    start = end;
  }
}

/** Behind the first quote that an even number of backslashes precedes. */
function stringEnd(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text[quote - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return quote + 1;
  }
}
