/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Names that the declarations of every entry use, for programs with neither the DOM library nor a runtime's types; merged where
 * there is one. Types alone: no code.
 */
declare global {
  interface AbortSignal {}
  interface Blob {}
  interface Request {}
  interface Response {}
  interface URL {}
}

export {};
