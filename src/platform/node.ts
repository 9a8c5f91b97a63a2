/**
 * Node, Deno and Bun: all files are read, each from an address of its own that bundlers follow. This file's build lies in
 * dist/chunks, as deep as src/platform, so the addresses are true in both. `import.meta.url` keeps its escapes: any folder's
 * name works.
 */
import { fileURLToPath } from 'node:url';
import { ClipError } from '../errors.ts';
import type { ModelFiles } from '../weights/source.ts';
import { defaultModel } from './default-model.ts';
import { fileSource, readAddress, readTextFile } from './node-files.ts';
import type { Script, WasmFile, WasmName } from './platform.ts';

export { directoryFiles, fileSource, readAddress, readFileUrl, readTextFile } from './node-files.ts';
export { modelAt } from './node-models.ts';
export { decoderAddress, decoderPackage } from './node-packages.ts';
export { distrustRelaxed, maySleep, noThreads, processors, startThread } from './node-process.ts';

/** Each is read where it is named: tools that trace a server's files (Next.js, Vercel) find an address as the argument of a call. */
const WASM: Record<WasmName, () => Promise<WasmFile>> = {
  simd: () => readAddress(new URL('../../dist/kernels-simd.wasm', import.meta.url).href),
  relaxed: () => readAddress(new URL('../../dist/kernels-relaxed.wasm', import.meta.url).href),
  pictures: () => readAddress(new URL('../../dist/pictures.wasm', import.meta.url).href),
  webp: () => readAddress(new URL('../../dist/webp.wasm', import.meta.url).href),
};

export const wasmFile = (name: WasmName): Promise<WasmFile> =>
  WASM[name]().catch((error: Error) => {
    throw new ClipError('IO', `${error.message}; reinstall the package`, { cause: error });
  });

export async function pictureScript(): Promise<Script> {
  const bytes = await readAddress(new URL('../../dist/picture-thread.js', import.meta.url).href);
  return { text: new TextDecoder().decode(bytes) };
}

export const clockRuns = (): boolean => true;

/** The model inside the package. */
export function defaultFiles(): ModelFiles {
  const path = (address: URL) => fileURLToPath(address);
  return defaultModel({
    config: () => readTextFile(path(new URL('../../weights/default/open_clip_config.json', import.meta.url))),
    tokenizer: () => readTextFile(path(new URL('../../weights/default/tokenizer.json', import.meta.url))),
    image: () => fileSource(path(new URL('../../weights/default/image.bin', import.meta.url))),
    text: () => fileSource(path(new URL('../../weights/default/text.bin', import.meta.url))),
  });
}
