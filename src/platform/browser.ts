/**
 * Browsers, pages and workers: all files are fetched, each from an address of its own that bundlers follow. This file's
 * build lies in dist/browser, as deep as src/platform, so the addresses are true in both.
 */
import config from '../../dist/embedded/config.js';
import type { OpenOptions } from '../hub/access.ts';
import type { ModelFiles } from '../weights/source.ts';
import { defaultModel } from './default-model.ts';
import { directoryFiles, fetchSource, fetchText, readAddress } from './fetched.ts';
import type { OptionalFormat, Script, StartThread, WasmFile, WasmName } from './platform.ts';
import { blobWorker, webThread } from './web-worker.ts';

export { directoryFiles, readAddress, readFileUrl } from './fetched.ts';
export { maySleep, noThreads, processors } from './web-worker.ts';

/** A model by its address or its name: the code for them comes with the first. */
export async function modelAt(text: string, options: OpenOptions): Promise<ModelFiles> {
  const { modelsAt } = await import('./web-models.ts');
  return modelsAt(directoryFiles)(text, options);
}

const WASM: Record<WasmName, () => URL> = {
  simd: () => new URL('../../dist/kernels-simd.wasm', import.meta.url),
  relaxed: () => new URL('../../dist/kernels-relaxed.wasm', import.meta.url),
  pictures: () => new URL('../../dist/pictures.wasm', import.meta.url),
  webp: () => new URL('../../dist/webp.wasm', import.meta.url),
};

export const wasmFile = (name: WasmName): Promise<WasmFile> => readAddress(WASM[name]().href);

/** By bundlers, or an import map. `try` tells bundlers that either may be missing. */
export async function decoderPackage(format: OptionalFormat): Promise<unknown> {
  try {
    if (format === 'avif') return await import('icodec');
    return await import('libheif-js/libheif-wasm/libheif-bundle.mjs');
  } catch (cause) {
    throw new Error('this page finds no package of that name', { cause });
  }
}

/** A bundler puts the package in the page's own scripts, and an import map does not hold in workers. */
export const decoderAddress = (): undefined => undefined;

export const clockRuns = (): boolean => true;

/** No browser is known in which relaxed SIMD gives wrong results. */
export const distrustRelaxed = (): string | undefined => undefined;

/** From the package's file; from text if the script comes from another origin, from which no worker starts. */
export const startThread: StartThread = (message, source) => {
  let worker: Worker;
  try {
    worker = new Worker(new URL('../../dist/thread.js', import.meta.url), { type: 'module' });
  } catch {
    worker = blobWorker(source);
  }
  return webThread(worker, message);
};

export const pictureScript = async (): Promise<Script> => ({
  href: new URL('../../dist/picture-thread.js', import.meta.url).href,
});

/** The model inside the package. */
export function defaultFiles(): ModelFiles {
  return defaultModel({
    config: async () => config,
    tokenizer: () => fetchText(new URL('../../weights/default/tokenizer.json', import.meta.url)),
    image: () => fetchSource(new URL('../../weights/default/image.bin', import.meta.url)),
    text: () => fetchSource(new URL('../../weights/default/text.bin', import.meta.url)),
  });
}
