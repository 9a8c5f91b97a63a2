/** Node, Deno and Bun: the kernels lie beside this file; their bytes are read and compiled. */
import { readFile } from 'node:fs/promises';
import type { KernelVariant } from '../engine/kernels.ts';

/** Compiles the kernels of one build. `import.meta.url` keeps its escapes, so any folder name works. */
export async function kernelModule(variant: KernelVariant): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(new URL(`../../dist/kernels-${variant}.wasm`, import.meta.url)));
}
