/** Compiled kernels, once a process and build. */

import { kernelModule } from '#platform';
import type { KernelVariant } from './kernels.ts';

const modules = new Map<KernelVariant, Promise<WebAssembly.Module>>();

/** The module of a build; a failed compilation is tried again. */
export function compiledKernels(variant: KernelVariant): Promise<WebAssembly.Module> {
  let module = modules.get(variant);
  if (!module) {
    module = kernelModule(variant).catch((error) => {
      modules.delete(variant);
      throw error;
    });
    modules.set(variant, module);
  }
  return module;
}
