/**
 * The WebP decoder of @jsquash: libwebp, compiled by Emscripten, with a C++ function `decode` that ends in
 *
 *     return ImageData.new_(Uint8ClampedArray.new_(typed_memory_view(4 * width * height, rgba)), width, height);
 *
 * Emscripten's own JavaScript looks both classes up among the globals. It is not used: what the module imports is given here, and
 * the two classes are only numbers, so no global is touched, and the pixels are used where they are.
 */

/** Receives u8[height, width, 4], RGBA, in the decoder's memory: only valid until it returns. */
export type PixelSink = (data: Uint8Array, width: number, height: number) => void;

export interface WebpCodec {
  readonly memory: WebAssembly.Memory;
  /** Calls `sink` once, or throws. */
  decode(bytes: Uint8Array, sink: PixelSink): void;
}

/** The module's exports, whose names Emscripten shortened. */
interface Exports {
  readonly s: WebAssembly.Memory;
  /** Static constructors: they register what C++ offers. */
  readonly t: () => void;
  /** malloc and free. */
  readonly u: (bytes: number) => number;
  readonly v: (pointer: number) => void;
  readonly y: WebAssembly.Table;
}

/** What C++ holds in place of JavaScript's values. Those up to 4 are undefined, null, true and false. */
const IMAGE_DATA = 5;
const CLAMPED_ARRAY = 6;
const PIXELS = 7;
const IMAGE = 8;

const PAGE_BYTES = 65_536;

/** @throws Error if the module is another one or does not start */
export function startLibwebp(module: WebAssembly.Module): WebpCodec {
  let consume: PixelSink = () => {};
  let pixels = { bytes: 0, at: 0 };
  let decoder: ((file: number) => number) | undefined;
  const words = () => new Uint32Array(memory.buffer);
  const text = (at: number) => {
    const bytes = new Uint8Array(memory.buffer, at);
    return String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0)));
  };
  const nothing = () => {};
  const imports: Record<string, (...values: number[]) => unknown> = {
    // Registrations of types: embind's. Only the function is of use.
    ...{ a: nothing, b: nothing, f: nothing, g: nothing, k: nothing, l: nothing, m: nothing, o: nothing, r: nothing },
    c: (name = 0, _count, _types, _signature, invoker = 0, method) => {
      if (text(name) === 'decode') decoder = (file) => table.get(invoker)(method, file);
    },
    // Values: references are not counted, as there are only four.
    d: nothing,
    i: nothing,
    e: (name = 0) => (text(name) === 'ImageData' ? IMAGE_DATA : CLAMPED_ARRAY),
    // A constructor's arguments take eight bytes each.
    h: (kind, _count, _types, at = 0) => {
      const values = words().subarray(at >> 2);
      if (kind === CLAMPED_ARRAY) {
        pixels = { bytes: values[0] as number, at: values[1] as number };
        return PIXELS;
      }
      consume(new Uint8Array(memory.buffer, pixels.at, pixels.bytes), values[2] as number, values[4] as number);
      return IMAGE;
    },
    j: () => {
      throw new Error('the decoder gave up');
    },
    n: () => {
      throw new Error('out of memory'); // C++ throws nothing else here: std::bad_alloc
    },
    p: (bytes = 0) => {
      try {
        memory.grow(Math.ceil(((bytes >>> 0) - memory.buffer.byteLength) / PAGE_BYTES));
        return 1;
      } catch {
        return 0;
      }
    },
    q: (to = 0, from = 0, bytes = 0) => {
      new Uint8Array(memory.buffer).copyWithin(to, from, from + bytes);
    },
  };
  const exports = new WebAssembly.Instance(module, { a: imports }).exports as unknown as Exports;
  const { s: memory, t: construct, u: malloc, v: free, y: table } = exports;
  if (!memory || !construct) throw new Error('it is not the file that is expected');
  construct();
  if (!decoder) throw new Error('it is not the file that is expected');
  const decode = decoder;
  return {
    memory,
    decode(bytes, sink) {
      let received = false;
      let failure: { error: unknown } | undefined;
      consume = (data, width, height) => {
        received = true;
        // An error must not pass through the decoder's frames: they would not be cleaned up.
        try {
          sink(data, width, height);
        } catch (error) {
          failure = { error };
        }
      };
      // A std::string as embind passes it: its length, its bytes, a zero.
      const file = malloc(4 + bytes.length + 1);
      if (file === 0) throw new Error('out of memory');
      try {
        words()[file >> 2] = bytes.length;
        new Uint8Array(memory.buffer).set(bytes, file + 4);
        decode(file);
      } finally {
        consume = () => {};
        free(file);
      }
      if (failure) throw failure.error;
      if (!received) throw new Error('the decoder returned no image');
    },
  };
}
