/** Bounds on JSON of others, checked in one pass over its bytes before it is parsed. */
import { ClipError } from '../errors.ts';

export interface JsonLimits {
  /** Objects and lists inside each other. */
  readonly depth: number;
  /** Commas outside strings, which bound the members and elements that parsing would make. */
  readonly commas: number;
}

/**
 * Says which limit a JSON text breaks ("its JSON is nested more than 8 deep"), or returns undefined. A text that is not JSON
 * may pass: parsing it fails.
 */
export function brokenLimit(json: Uint8Array, { depth: deepest, commas: most }: JsonLimits): string | undefined {
  let depth = 0;
  let commas = 0;
  let inString = false;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (inString) {
      if (byte === 0x5c /* \ */) i++;
      else if (byte === 0x22 /* " */) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b /* { */ || byte === 0x5b /* [ */) {
      if (++depth > deepest) return `its JSON is nested more than ${deepest} deep`;
    } else if (byte === 0x7d /* } */ || byte === 0x5d /* ] */) depth--;
    else if (byte === 0x2c /* , */ && ++commas > most) return `its JSON has more than ${most} commas`;
  }
  return undefined;
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
