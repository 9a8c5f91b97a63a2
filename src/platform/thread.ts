/** A worker thread that decodes pictures: it has no files of its own and asks its caller for modules. */
import type { WasmFile, WasmName } from './platform.ts';

export * from './core.ts';

let ask: (name: WasmName) => Promise<WasmFile>;

/** Says how to ask. Called once, before the first picture. */
export function askWith(caller: (name: WasmName) => Promise<WasmFile>): void {
  ask = caller;
}

export const wasmFile = (name: WasmName): Promise<WasmFile> => ask(name);
