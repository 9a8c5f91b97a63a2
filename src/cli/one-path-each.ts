/** Files that have several paths, by symbolic links, links to their folders and hard links. An index has each file once. */
import { resolve } from 'node:path';
import { fileIdentity } from '../file-identity.ts';
import { grouped } from '../grouped.ts';
import type { RealPaths } from '../real-paths.ts';
import type { PictureInput } from './inputs.ts';

/** Inputs, one for each file, and the other paths of their files. */
export interface OnePathEach {
  readonly inputs: PictureInput[];
  readonly others: string[];
}

/**
 * Of several paths of a file the one stays that an index has. A link to a file that is known by its own path is not an input.
 * @param isKnown whether an index has this path
 */
export function onePathEach(
  inputs: readonly PictureInput[],
  isKnown: (path: string) => boolean,
  real: RealPaths,
): OnePathEach {
  const byFile = grouped<string | PictureInput, PictureInput>(inputs, (input) => (input.isFile && fileIdentity(input.name)) || input); // biome-ignore format: one step
  const found: OnePathEach = { inputs: [], others: [] };
  for (const same of byFile.values()) {
    const paths = new Map(same.map((input) => [resolve(input.name), input]));
    const stays = real.indexed([...paths.keys()], isKnown);
    const input = paths.get(stays)!;
    const target = input.isFile && !isKnown(stays) ? real.of(stays) : stays;
    if (target === stays || !isKnown(target)) found.inputs.push(input);
    else found.others.push(stays);
    found.others.push(...[...paths.keys()].filter((path) => path !== stays));
  }
  return found;
}
