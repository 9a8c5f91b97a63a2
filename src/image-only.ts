/**
 * `edgeclip/image`: the image tower alone, for bundles that should hold neither the code nor the weights of texts. Labels come
 * as a classifier file.
 */

import './global-names.ts';
import type { Clip } from './clip.ts';
import { loadClip as load } from './load.ts';
import { type LoadClipOptions, type LoadOptions, loadArguments } from './load-options.ts';
import type { Model } from './open-model.ts';

export * from './index.ts';

/**
 * As `loadClip` of `edgeclip`, of the image tower.
 * @throws RangeError if the option `towers` names another one; and as there
 */
export function loadClip(model?: Model, options?: LoadOptions): Promise<Clip>;
export function loadClip(options: LoadClipOptions): Promise<Clip>;
export async function loadClip(first?: Model | LoadClipOptions, second?: LoadOptions): Promise<Clip> {
  const { model, options } = loadArguments(first, second);
  const { towers = ['image'] } = options;
  if (!Array.isArray(towers) || towers.length !== 1 || towers[0] !== 'image') {
    throw new RangeError(
      `towers: edgeclip/image has the image tower only, got ${JSON.stringify(towers)}: import edgeclip`,
    );
  }
  return load(model, { ...options, towers: ['image'], imageOnly: true });
}
