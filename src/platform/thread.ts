/** A worker thread that decodes pictures: it has no files of its own and asks its caller. */
import type { OptionalFormat, WasmFile, WasmName } from './platform.ts';

export * from './core.ts';

/** What a thread gets from its caller: modules, and the packages of optional formats. */
export interface Caller {
  wasmFile(name: WasmName): Promise<WasmFile>;
  decoderPackage(format: OptionalFormat): Promise<unknown>;
}

let caller: Caller;

/** Says how to ask. Called once, before the first picture. */
export function askWith(how: Caller): void {
  caller = how;
}

export const wasmFile = (name: WasmName): Promise<WasmFile> => caller.wasmFile(name);
export const decoderPackage = (format: OptionalFormat): Promise<unknown> => caller.decoderPackage(format);
