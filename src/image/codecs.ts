/**
 * The WebAssembly decoders of @jsquash, instantiated by us: on first need, from modules that the platform gives, and anew
 * after a failure or a huge picture, because their memory never shrinks and a failed decode may leave some of it in use.
 */

import { codecModule } from '../platform/modules.ts';

export type CodecName = 'jpeg' | 'png' | 'webp';

/** Receives `width * height * 4` bytes of RGBA that lie in the decoder's memory: they are gone when it returns. */
export type PixelSink = (data: Uint8Array | Uint8ClampedArray, width: number, height: number) => void;

export interface Decoded {
  /** What the decoder printed, e.g. libjpeg's warnings. */
  readonly warnings: string;
}

/** Bytes of memory above which an instance is dropped after use: small photos keep their decoder warm. */
const KEEP_BYTES = 33_554_432;

interface Codec {
  /** Calls `sink` once, or throws. Returns what was printed. */
  decode(bytes: Uint8Array, sink: PixelSink): string;
  memoryBytes(): number;
}

const codecs = new Map<CodecName, Promise<Codec>>();
const factories = { jpeg: mozjpeg, png: squooshPng, webp: libwebp };

/**
 * Decodes with the named codec; `sink` runs before the promise resolves.
 * @throws whatever the codec throws, wrapped in nothing; an error of `sink` as it is
 */
export async function decodePixels(name: CodecName, bytes: Uint8Array, sink: PixelSink): Promise<Decoded> {
  let promise = codecs.get(name);
  if (!promise) {
    promise = factories[name]();
    codecs.set(name, promise);
  }
  let keep = false;
  try {
    const codec = await promise;
    const warnings = codec.decode(bytes, sink);
    keep = codec.memoryBytes() <= KEEP_BYTES;
    return { warnings };
  } finally {
    if (!keep && codecs.get(name) === promise) codecs.delete(name);
  }
}

/** The part of an Emscripten module (built with embind) that is used here. */
interface EmscriptenDecoder {
  HEAPU8: Uint8Array;
  decode(bytes: Uint8Array, ...options: boolean[]): unknown;
}

type EmscriptenFactory = (options: object) => Promise<EmscriptenDecoder>;

/** mozjpeg's decoder can apply EXIF itself; ours is the same for all formats (orientation.ts). */
const PRESERVE_ORIENTATION = false;

async function mozjpeg(): Promise<Codec> {
  const [glue, module] = await Promise.all([import('@jsquash/jpeg/codec/dec/mozjpeg_dec.js'), codecModule('jpeg')]);
  return emscriptenCodec(glue.default as unknown as EmscriptenFactory, module, PRESERVE_ORIENTATION);
}

async function libwebp(): Promise<Codec> {
  const [glue, module] = await Promise.all([import('@jsquash/webp/codec/dec/webp_dec.js'), codecModule('webp')]);
  return emscriptenCodec(glue.default as unknown as EmscriptenFactory, module);
}

/**
 * These decoders end with `new ImageData(new Uint8ClampedArray(view), width, height)`, both looked up among the globals at
 * the instance's first decode and kept. They get ours for that moment: no runtime needs an ImageData, and the pixels are
 * used where they lie instead of being copied.
 */
async function emscriptenCodec(
  factory: EmscriptenFactory,
  module: WebAssembly.Module,
  ...options: boolean[]
): Promise<Codec> {
  let printed = '';
  let consume: PixelSink = () => {};
  const print = (text: string) => {
    printed += `${text}\n`;
  };
  const globals = {
    Uint8ClampedArray: function borrow(view: Uint8Array) {
      return view;
    },
    ImageData: function receive(data: Uint8Array, width: number, height: number) {
      consume(data, width, height);
      return {};
    },
  };
  const decoder = await withGlobals({ ImageData: globals.ImageData }, () =>
    factory({
      noInitialRun: true,
      locateFile: (name: string) => name,
      print,
      printErr: print,
      instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) {
        const instance = new WebAssembly.Instance(module, imports);
        done(instance);
        return instance.exports;
      },
    }),
  );
  return {
    decode(bytes, sink) {
      printed = '';
      let received = false;
      let failure: { error: unknown } | undefined;
      let restore = () => {};
      consume = (data, width, height) => {
        restore();
        received = true;
        // An error must not pass through the decoder's frames: they would not be cleaned up.
        try {
          sink(data, width, height);
        } catch (error) {
          failure = { error };
        }
      };
      restore = setGlobals(globals);
      try {
        decoder.decode(bytes, ...options);
      } finally {
        restore();
        consume = () => {};
      }
      if (failure) throw failure.error;
      if (!received) throw new Error(printed.trim() || 'the decoder gave no picture');
      return printed;
    },
    memoryBytes: () => decoder.HEAPU8.length,
  };
}

/** Sets globals and returns what puts the old ones back; both without waiting, so no other code sees them. */
function setGlobals(values: { readonly [name: string]: unknown }): () => void {
  const before = Object.keys(values).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  let done = false;
  return () => {
    if (done) return;
    done = true;
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else Reflect.deleteProperty(globalThis, name);
    }
  };
}

function withGlobals<T>(values: { readonly [name: string]: unknown }, run: () => T): T {
  const restore = setGlobals(values);
  try {
    return run();
  } finally {
    restore();
  }
}

/** What the PNG decoder (Rust, wasm-bindgen) exports, as far as it is used here. */
interface PngExports {
  memory: WebAssembly.Memory;
  __wbindgen_malloc(bytes: number, align: number): number;
  __wbindgen_free(pointer: number, bytes: number, align: number): void;
  decode(pointer: number, bytes: number): number;
}

/**
 * wasm-bindgen's own glue makes one instance for ever. `decode` needs a single import, the one that makes an ImageData of a
 * buffer that it hands over; its full name ends in a hash, so imports are told by their beginnings.
 */
async function squooshPng(): Promise<Codec> {
  const module = await codecModule('png');
  let consume: PixelSink = () => {};
  const imports: Record<string, unknown> = {};
  for (const { name } of WebAssembly.Module.imports(module)) {
    if (name.startsWith('__wbg_newwithownedu8clampedarray')) {
      imports[name] = (pointer: number, bytes: number, width: number, height: number) => {
        consume(new Uint8Array(wasm.memory.buffer, pointer >>> 0, bytes), width >>> 0, height >>> 0);
        wasm.__wbindgen_free(pointer, bytes, 1);
        return 0;
      };
    } else if (name.startsWith('__wbindgen_throw')) {
      imports[name] = (pointer: number, bytes: number) => {
        throw new Error(new TextDecoder().decode(new Uint8Array(wasm.memory.buffer, pointer, bytes).slice()));
      };
    } else {
      imports[name] = () => 0;
    }
  }
  const instance = await WebAssembly.instantiate(module, { wbg: imports as WebAssembly.ModuleImports });
  const wasm = instance.exports as unknown as PngExports;
  return {
    decode(bytes, sink) {
      let failure: { error: unknown } | undefined;
      consume = (data, width, height) => {
        try {
          sink(data, width, height);
        } catch (error) {
          failure = { error };
        }
      };
      const pointer = wasm.__wbindgen_malloc(bytes.length, 1) >>> 0;
      new Uint8Array(wasm.memory.buffer).set(bytes, pointer);
      wasm.decode(pointer, bytes.length);
      consume = () => {};
      if (failure) throw failure.error;
      return '';
    },
    memoryBytes: () => wasm.memory.buffer.byteLength,
  };
}
