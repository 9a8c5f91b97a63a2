/** Compiled kernels. */
import { ClipError } from '../errors.ts';
import { kernelModule } from '../platform/modules.ts';
import type { KernelVariant } from './kernels.ts';

/**
 * The module of a build, for a `shared` memory or one of its own; compiled once for each process. A failed compilation is
 * tried again by the next call.
 * @throws ClipError UNSUPPORTED if this runtime has no WebAssembly or does not compile the kernels; IO if their file cannot be read
 */
export async function compiledKernels(variant: KernelVariant, shared = false): Promise<WebAssembly.Module> {
  requireWebAssembly();
  try {
    return await kernelModule(variant, shared);
  } catch (cause) {
    if (cause instanceof ClipError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ClipError('UNSUPPORTED', `this runtime does not compile the ${variant} kernels: ${message}`, { cause });
  }
}

/** @throws ClipError UNSUPPORTED where there is no WebAssembly, e.g. `node --jitless` */
export function requireWebAssembly(): void {
  if (typeof WebAssembly === 'object' && typeof WebAssembly.compile === 'function') return;
  throw new ClipError('UNSUPPORTED', 'this runtime has no WebAssembly, which the kernels need');
}
