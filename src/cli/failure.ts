/** Error messages on standard error, and exit codes. */

/** An invalid command line, independent of what the inputs contain: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/**
 * A path or text in quotes, so that leading and trailing blanks are visible. Control characters are escaped, so that a file
 * name cannot send escape sequences to the terminal.
 */
export function quote(text: string): string {
  return `"${visible(text)}"`;
}

/** Control characters, bidirectional formatting characters and lone surrogates. */
const INVISIBLE = /[\p{Cc}\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu;

/** The text with such characters escaped; a byte of a file's name that is not UTF-8 (see `file-name.ts`) as `\xE9`. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (char) => {
    const code = char.charCodeAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16).toUpperCase()}`;
    const short = JSON.stringify(char).slice(1, -1);
    return short.startsWith('\\') ? short : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** For `--option "$UNSET"`. */
export function emptyOption(option: string): UsageError {
  return new UsageError(`${option} is empty (an unset variable of the shell?)`);
}

/** The error's message on one line, with its code at the end for scripts. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return visible(String(error));
  const { code } = error as { code?: unknown };
  const message = visible(error.message.split('\nRequire stack:')[0]!); // what Node appends to a missing module
  return typeof code === 'string' ? `${message} [${code}]` : message;
}

/** A parser of positive integers for this option. @throws UsageError */
export function positiveInteger(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= 1 && Number.isSafeInteger(value)) return value;
    throw new UsageError(`${option} must be a whole number of at least 1, got ${quote(text)}`);
  };
}
