/** The typed interface of the wasm side, written by hand: pointers and sizes are byte addresses and counts. */

/** Which build of the kernels: `simd` runs everywhere, `relaxed` needs relaxed SIMD. Both give the same bits. */
export type KernelVariant = 'simd' | 'relaxed';

/** A byte address in the wasm memory. */
export type Pointer = number;

export interface Kernels {
  /** Divides x[0..n) by its Euclidean norm, in place. */
  l2Normalize(x: Pointer, n: number): void;
}

/** Instantiates a kernel module on `memory`. The kernels hold no state, so any number may share one memory. */
export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  const abort = () => {
    throw new WebAssembly.RuntimeError('kernel assertion failed');
  };
  return new WebAssembly.Instance(module, { env: { memory, abort } }).exports as unknown as Kernels;
}
