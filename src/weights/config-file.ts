/** A file of a model's configuration, read and parsed; what is wrong with it names the model and the file. */

import { ClipError } from '../errors.ts';
import type { CheckedFiles } from './checked-files.ts';
import { describeForeign } from './foreign.ts';

/** A configuration has a few kB, in characters; a larger one is refused before it is parsed. */
const LARGEST_CONFIG = 10_000_000;

/** The parsed JSON of a file of the model; undefined if there is none. @throws ClipError CONFIG, IO */
export async function readJson(files: CheckedFiles, name: string): Promise<unknown> {
  const text = await files.text(name);
  if (text === undefined) return undefined;
  if (text.length > LARGEST_CONFIG) {
    throw new ClipError(
      'CONFIG',
      `"${files.name}": ${name} has ${text.length} characters, expected at most ${LARGEST_CONFIG}`,
    );
  }
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (cause) {
    // What begins as JSON is the right kind of file, but damaged.
    const foreign = /^\s*[{[]/.test(text) ? undefined : describeForeign(new TextEncoder().encode(text.slice(0, 4096)));
    throw new ClipError('CONFIG', `"${files.name}": ${name} ${foreign ?? `is not JSON: ${(cause as Error).message}`}`, {
      cause,
    });
  }
}

/** What `read` gives; where it refuses a configuration, the message begins with the model and the file. */
export function inFile<T>(files: CheckedFiles, name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ClipError) || error.code !== 'CONFIG') throw error;
    const message = error.message.startsWith(`${name}: `) ? error.message : `${name}: ${error.message}`;
    throw new ClipError('CONFIG', `"${files.name}": ${message}`, { cause: error });
  }
}
