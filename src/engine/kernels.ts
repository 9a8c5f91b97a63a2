/** Kernels of a wasm module on a memory. They hold no state, so any number of instances may share one memory. */

import { type KernelExports, type Kernels, namedKernels } from './calls.ts';

/** Which build of the kernels: `simd` runs everywhere, `relaxed` needs relaxed SIMD. Both give the same bits. */
export type KernelVariant = 'simd' | 'relaxed';

/** A byte address in the wasm memory. */
export type Pointer = number;

/** Instantiates a kernel module on `memory`. @internal */
export function kernelExports(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  const abort = () => {
    throw new WebAssembly.RuntimeError('kernel assertion failed');
  };
  return new WebAssembly.Instance(module, { env: { memory, abort } }).exports as unknown as KernelExports;
}

/** The same, called with named arguments (calls.ts). @internal */
export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return namedKernels(kernelExports(module, memory));
}
