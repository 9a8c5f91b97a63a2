/**
 * Cloudflare's workerd: WebAssembly only as modules that are imported, weights as data modules. Wrangler bundles both by their
 * endings; weights are imported when they are first asked for, so a start without them costs nothing.
 */

import config from '../../dist/embedded/config.js';
import relaxed from '../../dist/kernels-relaxed.wasm';
import simd from '../../dist/kernels-simd.wasm';
import pictures from '../../dist/pictures.wasm';
import webp from '../../dist/webp.wasm';
import type { ModelFiles } from '../weights/source.ts';
import { bytesSource } from '../weights/source.ts';
import { defaultModel } from './default-model.ts';
import type { WasmFile, WasmName } from './platform.ts';

export {
  clockRuns,
  decoderAddress,
  decoderPackage,
  distrustRelaxed,
  maySleep,
  modelAt,
  noThreads,
  pictureScript,
  processors,
  readAddress,
  readFileUrl,
  startThread,
} from './edge.ts';

const WASM: Record<WasmName, WasmFile> = { simd, relaxed, pictures, webp };

export const wasmFile = async (name: WasmName): Promise<WasmFile> => WASM[name];

/** The model inside the package. */
export function defaultFiles(): ModelFiles {
  return defaultModel({
    config: async () => config,
    tokenizer: async () => (await import('../../dist/embedded/tokenizer.js')).default,
    image: async () => bytesSource((await import('../../weights/default/image.bin')).default, 'image.bin'),
    text: async () => bytesSource((await import('../../weights/default/text.bin')).default, 'text.bin'),
  });
}
