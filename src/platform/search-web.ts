/** `edgeclip/search` in browsers and wherever bytes are compiled: the module is inside the JavaScript, one kilobyte. */
import search from '../../dist/embedded/search.js';
import { decodeBase64 } from './base64.ts';
import type { WasmFile } from './platform.ts';

export { addressSource as sourceAt } from './address-source.ts';
export { openPhotos } from './search-no-stores.ts';

export const searchFile = async (): Promise<WasmFile> => decodeBase64(search);
