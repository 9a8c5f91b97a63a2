/** What every index of several files needs: to read it, and to open what it names. */
import { ClipError } from '../errors.ts';
import { brokenLimit, type JsonLimits } from './json-limits.ts';
import type { Source } from './source.ts';

/** What is needed of `ModelFiles`. */
export interface FileStore {
  readonly name: string;
  text(name: string): Promise<string | undefined>;
  source(name: string): Promise<Source | undefined>;
}

/**
 * Opens all these files, or none: if one fails, those opened before are closed.
 * @param missing what to say of a file that is not there
 * @throws ClipError WEIGHTS_MISSING for a file that is not there
 */
export async function openAll(
  files: FileStore,
  names: Iterable<string>,
  missing: (name: string) => string,
): Promise<Source[]> {
  const opened: Source[] = [];
  try {
    for (const name of names) {
      const source = await files.source(name);
      if (!source) throw new ClipError('WEIGHTS_MISSING', `"${files.name}": ${missing(name)}`);
      opened.push(source);
    }
  } catch (error) {
    await Promise.all(opened.map((source) => source.close?.()));
    throw error;
  }
  return opened;
}

/**
 * The JSON of an index of several files.
 * @param name how a message calls it
 * @param length most characters
 * @throws ClipError WEIGHTS_FORMAT if it is longer, breaks a limit or is not JSON
 */
export function parseIndex(text: string, name: string, length: number, limits: JsonLimits): unknown {
  const fail = (what: string, cause?: unknown): never => {
    throw new ClipError('WEIGHTS_FORMAT', `${name} ${what}`, { cause });
  };
  if (text.length > length) fail(`has ${text.length} characters, expected at most ${length}`);
  const broken = brokenLimit(new TextEncoder().encode(text), limits);
  if (broken !== undefined) fail(`is not accepted: ${broken}`);
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (cause) {
    return fail(`is not JSON: ${(cause as Error).message}`, cause);
  }
}
