/** Bounds on JSON of others, checked in one pass over its bytes before it is parsed. */

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
