/**
 * The WebAssembly decoders of @jsquash. An instance is created when first needed, and again after a failure or a huge
 * picture, because its memory never shrinks and a failed decode may leave some of it in use.
 */
import { ClipError } from '../errors.ts';
import { CODEC_FILES } from '../platform/codec-files.ts';
import { codecModule } from '../platform/modules.ts';
import type { CodecName } from '../platform/platform.ts';

/** Receives u8[height, width, 4], RGBA, in the decoder's memory: only valid until it returns. */
export type PixelSink = (data: Uint8Array | Uint8ClampedArray, width: number, height: number) => void;

/** A file and its size in pixels, as its header states it. */
export interface EncodedImage {
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Bytes of memory above which an instance is dropped after use: small photos keep their decoder warm. */
const KEEP_BYTES = 33_554_432;
const PAGE_BYTES = 65_536;

interface Codec {
  readonly memory: WebAssembly.Memory;
  /** Calls `sink` once, or throws. Returns what the decoder printed, e.g. libjpeg's warnings. */
  decode(bytes: Uint8Array, sink: PixelSink): string;
}

const factories = { webp: libwebp };
const codecs = new Map<CodecName, Promise<Codec>>();

/**
 * Decodes with the named codec; `sink` runs before the promise resolves.
 *
 * @returns what the decoder printed
 * @throws ClipError IO if the decoder's file cannot be read, UNSUPPORTED if it does not compile or start here or has not
 *   enough memory for the picture; else what the codec throws for damaged data
 */
export async function decodePixels(name: CodecName, image: EncodedImage, sink: PixelSink): Promise<string> {
  let promise = codecs.get(name);
  if (!promise) {
    promise = startCodec(name);
    codecs.set(name, promise);
  }
  let keep = false;
  try {
    const codec = await promise;
    const printed = runCodec(name, codec, image, sink);
    keep = codec.memory.buffer.byteLength <= KEEP_BYTES;
    return printed;
  } finally {
    if (!keep && codecs.get(name) === promise) codecs.delete(name);
  }
}

/** Instantiates a codec. A failure is not kept: the next call tries again. */
async function startCodec(name: CodecName): Promise<Codec> {
  try {
    if (typeof WebAssembly === 'undefined') throw new Error('this runtime has no WebAssembly');
    return await factories[name](await codecModule(name));
  } catch (error) {
    if (error instanceof ClipError) throw error;
    const reason = `${(error as Error)?.message ?? error}`;
    throw new ClipError('UNSUPPORTED', `cannot start the image decoder ${CODEC_FILES[name]}: ${reason}`, {
      cause: error,
    });
  }
}

function runCodec(name: CodecName, codec: Codec, { bytes, width, height }: EncodedImage, sink: PixelSink): string {
  try {
    return codec.decode(bytes, sink);
  } catch (error) {
    // A decoder without memory traps as it does for damaged data. Then its memory cannot grow by 8 bytes per pixel (RGBA of 16 bits).
    const text = error instanceof Error ? error.message : '';
    if (!/insufficient memory|\bOOM\b/i.test(text) && canGrow(codec.memory, width * height * 8)) throw error;
    throw new ClipError(
      'UNSUPPORTED',
      `the image decoder ${CODEC_FILES[name]} has not enough memory for a picture of ${width} x ${height} pixels`,
    );
  }
}

/** Whether memory can grow; it does, so only ask before dropping it. */
function canGrow(memory: WebAssembly.Memory, bytes: number): boolean {
  try {
    memory.grow(Math.ceil(bytes / PAGE_BYTES));
    return true;
  } catch {
    return false;
  }
}

/** The part of an Emscripten module (built with embind) that is used here. */
interface EmscriptenDecoder {
  decode(bytes: Uint8Array): unknown;
}

type EmscriptenFactory = (options: object) => Promise<EmscriptenDecoder>;

async function libwebp(module: WebAssembly.Module): Promise<Codec> {
  const file = '@jsquash/webp/codec/dec/webp_dec.js';
  const glue = await import('@jsquash/webp/codec/dec/webp_dec.js').catch(missing(file));
  return emscriptenCodec(glue.default as unknown as EmscriptenFactory, module);
}

function missing(file: string): (cause: Error) => never {
  return (cause) => {
    const [reason] = cause.message.split('\n'); // Node may append a list of modules
    throw new ClipError('IO', `cannot load the image decoder ${file}: reinstall the package (${reason})`, { cause });
  };
}

/**
 * These decoders end with `new ImageData(new Uint8ClampedArray(view), width, height)`, both looked up among the globals at
 * the instance's first decode and kept. They are replaced for that moment: no runtime needs an ImageData, and the pixels
 * are used in place instead of being copied.
 */
async function emscriptenCodec(factory: EmscriptenFactory, module: WebAssembly.Module): Promise<Codec> {
  let printed = '';
  let memory: WebAssembly.Memory | undefined;
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
  const decoder = await new Promise<EmscriptenDecoder>((resolve, reject) => {
    const instantiateWasm = (imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) => {
      let instance: WebAssembly.Instance;
      try {
        instance = new WebAssembly.Instance(module, imports);
      } catch (error) {
        // Thrown, it would make the glue code fetch the file itself. Without a call of `done` it waits forever.
        reject(error);
        return {};
      }
      memory = Object.values(instance.exports).find((value) => value instanceof WebAssembly.Memory);
      done(instance);
      return instance.exports;
    };
    const options = { noInitialRun: true, locateFile: (name: string) => name, print, printErr: print, instantiateWasm };
    withGlobals({ ImageData: globals.ImageData }, () => factory(options)).then(resolve, reject);
  });
  return {
    memory: memory as WebAssembly.Memory,
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
        decoder.decode(bytes);
      } finally {
        restore();
        consume = () => {};
      }
      if (failure) throw failure.error;
      if (!received) throw new Error(printed.trim() || 'the decoder returned no image');
      return printed;
    },
  };
}

/** Sets globals and returns what restores them; both are synchronous, so no other code sees them. */
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
