/** Models of browsers and edge runtimes: addresses and names told apart. */
import { hubName } from '../hub/name.ts';
import type { OpenOptions } from '../open-model.ts';
import { isWeightsName } from '../weights/single-file.ts';
import type { ModelFiles } from '../weights/source.ts';
import { modelAddress } from './fetched.ts';

/**
 * `org/name` is an OpenCLIP name or a model on a hub. An address begins with `/`, `./`, `../` or a scheme, or has another
 * number of parts.
 */
export async function modelAt(text: string, options: OpenOptions): Promise<ModelFiles> {
  const trimmed = text.trim();
  if (hubName(trimmed) === undefined || isWeightsName(trimmed)) return modelAddress(trimmed, options);
  const { openNamed } = await import('../hub/open-named.ts');
  const { openFetched } = await import('../hub/fetched-files.ts');
  return openNamed(trimmed, options, openFetched);
}
