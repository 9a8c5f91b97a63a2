/** How failures look on standard error, and which exit code they mean. */
import { InvalidArgumentError } from 'commander';

/** The command line cannot be used, whatever the inputs hold: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/**
 * A path or text between quotes, so that a blank at its beginning or end is seen. Control characters are escaped: a file's
 * name must not steer the terminal.
 */
export function quote(text: string): string {
  return `"${visible(text)}"`;
}

/** Control characters, marks that turn the direction of writing, and what is not text: lone surrogates. */
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

/** What went wrong in one line; a code that a script can look for at its end. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? `${error.message} [${code}]` : error.message;
}

/** A whole number from 1 up. */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('expected a whole number from 1 up.');
  }
  return value;
}
