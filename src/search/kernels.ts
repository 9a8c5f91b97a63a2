/** The search module (assembly/search), compiled once for each process. */
import { searchFile } from '#search-platform';
import { requireWebAssembly } from '../engine/compiled.ts';
import type { Pointer } from '../engine/kernels.ts';
import { ClipError } from '../errors.ts';

/** What the module exports. The sources in assembly/search say what the arguments are. */
export interface SearchKernels {
  l2Normalize(x: Pointer, n: number): void;
  dotRows(rows: Pointer, n: number, d: number, q: Pointer, out: Pointer): void;
  quantizeVector(x: Pointer, n: number, d: number, record: Pointer): void;
  quantizeQuery(x: Pointer, n: number, d: number, most: number, codes: Pointer, numbers: Pointer): void;
  upperBounds(
    records: Pointer,
    n: number,
    d: number,
    codes: Pointer,
    numbers: Pointer,
    rounding: number,
    out: Pointer,
  ): void;
}

let compiled: Promise<WebAssembly.Module> | undefined;

/**
 * The kernels on a memory.
 * @throws ClipError UNSUPPORTED if this runtime has no WebAssembly or does not compile the module
 */
export async function searchKernels(memory: WebAssembly.Memory): Promise<SearchKernels> {
  requireWebAssembly();
  compiled ??= compile().catch((error) => {
    compiled = undefined; // the next call tries again
    throw error;
  });
  const abort = () => {
    throw new WebAssembly.RuntimeError('assertion failed in search.wasm');
  };
  return new WebAssembly.Instance(await compiled, { env: { memory, abort } }).exports as unknown as SearchKernels;
}

async function compile(): Promise<WebAssembly.Module> {
  const file = await searchFile();
  if (!(file instanceof Uint8Array)) return file;
  try {
    return await WebAssembly.compile(file);
  } catch (cause) {
    throw new ClipError('UNSUPPORTED', `this runtime does not compile search.wasm: ${(cause as Error).message}`, {
      cause,
    });
  }
}
