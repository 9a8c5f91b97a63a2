/** Files that runtimes and bundlers import as modules. Those in dist/embedded are made by scripts/build-js.js. */
declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}
declare module '*.wasm?module' {
  const module: WebAssembly.Module;
  export default module;
}
declare module '*.bin' {
  const bytes: ArrayBuffer;
  export default bytes;
}
declare module '*/embedded/config.js' {
  const json: string;
  export default json;
}
declare module '*/embedded/tokenizer.js' {
  const json: string;
  export default json;
}
declare module '*/embedded/image.js' {
  const base64: string;
  export default base64;
}
declare module '*/embedded/text.js' {
  const base64: string;
  export default base64;
}
declare module '*/embedded/search.js' {
  const base64: string;
  export default base64;
}
declare module '*/embedded/picture-thread.js' {
  const script: string;
  export default script;
}
declare module '*/embedded/wasm.js' {
  /** Base64 by name. */
  export const simd: string;
  export const relaxed: string;
  export const pictures: string;
  export const webp: string;
}
/** Optional packages, whose modules are checked where they are used. */
declare module 'icodec';
declare module 'icodec/node';
declare module 'libheif-js/libheif-wasm/libheif-bundle.mjs';
/** Without types of its own. */
declare module 'pg-copy-streams' {
  /** Takes what `COPY ... FROM STDIN` reads, once `client.query` was called with it. */
  export function from(sql: string): import('node:stream').Writable & import('pg').Submittable;
}
