/** No platform at all (`edgeclip/core`): the caller gives everything. */
import { ClipError } from '../errors.ts';
import type { ModelFiles } from '../weights/source.ts';
import { noPackages } from './no-packages.ts';
import type { Script, StartThread, WasmFile, WasmName } from './platform.ts';

export { decoderAddress } from './no-packages.ts';

export async function wasmFile(name: WasmName): Promise<WasmFile> {
  const file = name === 'simd' || name === 'relaxed' ? `kernels-${name}.wasm` : `${name}.wasm`;
  throw new ClipError('IO', `edgeclip/core reads no files: give loadClip({ wasm: { ${name}: the module of edgeclip/${file} } })`); // biome-ignore format: one line
}

/** Every runtime has `fetch`; files not. */
export async function readAddress(address: string): Promise<Uint8Array<ArrayBuffer>> {
  if (!/^https?:\/\//i.test(address)) {
    throw new ClipError('IO', `edgeclip/core reads no files: give the bytes of "${address}"`);
  }
  try {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`status ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    throw new ClipError('IO', `cannot read "${address}": ${(cause as Error).message}`, { cause });
  }
}

// biome-ignore lint/correctness/useYield: it only throws
export async function* readFileUrl(href: string, ..._: [number, unknown]): AsyncGenerator<Uint8Array, void> {
  throw new ClipError('UNSUPPORTED', `edgeclip/core reads no files: give the bytes of "${href}"`);
}

export const decoderPackage = noPackages('edgeclip/core loads no packages');
export const clockRuns = (): boolean => false;
export const distrustRelaxed = (): string | undefined => undefined;
export const processors = (): number => 1;
export const maySleep = (): boolean => false;
export const noThreads = (): string | undefined => 'edgeclip/core starts no threads';
export const startThread: StartThread = () => {
  throw new Error(noThreads());
};
export const pictureScript = async (): Promise<Script> => startThread({}, '') as never;

export async function modelAt(text: string): Promise<ModelFiles> {
  throw new ClipError('IO', `edgeclip/core reads no files: give "${text}" as ModelFiles ({ name, text, source })`);
}

export function defaultFiles(): ModelFiles {
  throw new ClipError('CONFIG', 'edgeclip/core has no model: give loadClip one as ModelFiles ({ name, text, source })');
}
