/** `edgeclip/search` in Vercel's edge runtime: the module is imported. */
import search from '../../dist/search.wasm?module';
import type { WasmFile } from './platform.ts';

export { addressSource as sourceAt } from './address-source.ts';
export { openPhotos } from './search-no-stores.ts';

export const searchFile = async (): Promise<WasmFile> => search;
