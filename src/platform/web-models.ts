/** Models of browsers and edge runtimes: addresses and names told apart. */

import type { OpenOptions } from '../hub/access.ts';
import { hubName, isOpenaiName, refuseNoRevision } from '../hub/name.ts';
import { isWeightsName, singleFile } from '../weights/single-file.ts';
import type { ModelFiles } from '../weights/source.ts';

/**
 * `org/name` is an OpenCLIP name or a model on a hub. An address begins with `/`, `./`, `../` or a scheme, or has another
 * number of parts.
 * @param folder gives the files below an address
 */
export const modelsAt =
  (folder: (address: string, fetcher?: typeof fetch) => ModelFiles) =>
  async (text: string, options: OpenOptions): Promise<ModelFiles> => {
    const trimmed = text.trim();
    const isName = isOpenaiName(trimmed) || (hubName(trimmed) !== undefined && !isWeightsName(trimmed));
    if (!isName) {
      refuseNoRevision(trimmed);
      const below = (address: string) => folder(address, options.fetch);
      return singleFile(trimmed, below) ?? below(trimmed);
    }
    const { openNamed } = await import('../hub/open-named.ts');
    const { openFetched, openFetchedFile } = await import('../hub/web-files.ts');
    return openNamed(trimmed, options, { hub: openFetched, file: openFetchedFile });
  };
