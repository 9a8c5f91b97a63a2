/** WebAssembly that the caller gives: the option `wasm` of `loadClip`. Types that need neither the DOM's nor Node's. */

/** A `WebAssembly.Module`, the bytes of one, or the address of its file. */
export type WasmSource = object | string;

/**
 * WebAssembly for hosts on which the package cannot find its own files. The files are `edgeclip/kernels-simd.wasm`,
 * `edgeclip/kernels-relaxed.wasm`, `edgeclip/pictures.wasm` and `edgeclip/webp.wasm`.
 */
export interface WasmSources {
  /** The kernels that run everywhere. */
  readonly simd?: WasmSource | undefined;
  /** The kernels for relaxed SIMD. */
  readonly relaxed?: WasmSource | undefined;
  /** JPEG, PNG and the resize. */
  readonly pictures?: WasmSource | undefined;
  readonly webp?: WasmSource | undefined;
}
