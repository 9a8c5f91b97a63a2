/** Compiled kernels, once a process and build. */

import { kernelModule } from '#platform';
import type { KernelVariant } from './kernels.ts';

const modules = new Map<string, Promise<WebAssembly.Module>>();

/** The module of a build, for a `shared` memory or one of its own; a failed compilation is tried again. */
export function compiledKernels(variant: KernelVariant, shared = false): Promise<WebAssembly.Module> {
  const key = shared ? `${variant}, shared` : variant;
  let module = modules.get(key);
  if (!module) {
    module = kernelModule(variant, shared).catch((error) => {
      modules.delete(key);
      throw error;
    });
    modules.set(key, module);
  }
  return module;
}
