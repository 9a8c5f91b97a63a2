/**
 * Vercel's edge runtime: WebAssembly only as modules that are imported (`?module`), no files of any other kind. The model is
 * inside JavaScript, imported when it is first asked for.
 */
import relaxed from '../../dist/kernels-relaxed.wasm?module';
import simd from '../../dist/kernels-simd.wasm?module';
import pictures from '../../dist/pictures.wasm?module';
import webp from '../../dist/webp.wasm?module';
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
export { defaultFiles } from './embedded-model.ts';

const WASM: Record<WasmName, WasmFile> = { simd, relaxed, pictures, webp };

export const wasmFile = async (name: WasmName): Promise<WasmFile> => WASM[name];
