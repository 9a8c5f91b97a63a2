/**
 * `edgeclip/bundle`: kernels, decoders and model are inside the JavaScript, so any bundler and any format has them. It runs in
 * Node, Deno, Bun and browsers, and asks which one it is in when it needs to know. Its build gets the `node:` modules from
 * `process.getBuiltinModule`, as no import of them would pass a browser's bundler.
 */
import { decodeBase64 } from './base64.ts';
import * as web from './fetched.ts';
import { noPackages } from './no-packages.ts';
import * as nodeFiles from './node-files.ts';
import * as nodeModels from './node-models.ts';
import * as nodeProcess from './node-process.ts';
import type { Script, StartThread, WasmFile, WasmName } from './platform.ts';
import { modelsAt } from './web-models.ts';
import * as webWorker from './web-worker.ts';

export { defaultFiles } from './embedded-model.ts';
export { decoderAddress } from './no-packages.ts';

/** Node, Deno or Bun: what is used here is what they have, and what browsers have not. */
const onNode = (): boolean => typeof globalThis.process?.getBuiltinModule === 'function';

export async function wasmFile(name: WasmName): Promise<WasmFile> {
  return decodeBase64((await import('../../dist/embedded/wasm.js'))[name]);
}

export const readAddress: typeof web.readAddress = (address) => (onNode() ? nodeFiles : web).readAddress(address);
export const readFileUrl: typeof nodeFiles.readFileUrl = (href, most, checkBytes) =>
  (onNode() ? nodeFiles : web).readFileUrl(href, most, checkBytes);
const webModelAt = modelsAt(web.directoryFiles);
export const modelAt: typeof webModelAt = (text, options) =>
  onNode() ? nodeModels.modelAt(text, options) : webModelAt(text, options);
export const decoderPackage = noPackages('edgeclip/bundle loads no packages');
export const clockRuns = (): boolean => true;
export const distrustRelaxed = (): string | undefined => (onNode() ? nodeProcess.distrustRelaxed() : undefined);
export const processors = (): number => (onNode() ? nodeProcess : webWorker).processors();
export const maySleep = (): boolean => (onNode() ? nodeProcess : webWorker).maySleep();
export const noThreads = (): string | undefined => (onNode() ? nodeProcess : webWorker).noThreads();
export const startThread: StartThread = (message, source) =>
  onNode() ? nodeProcess.startThread(message, source) : webWorker.webThread(webWorker.blobWorker(source), message);

export async function pictureScript(): Promise<Script> {
  const { default: text } = await import('../../dist/embedded/picture-thread.js');
  return onNode() ? { text } : { href: webWorker.scriptAddress(text) };
}
