/** AVIF by the package icodec 0.6: libavif and libaom, compiled by Emscripten. */
import { decoderPackage } from '#platform';
import { countMemory, type DecoderMemory } from './decoder-memory.ts';
import type { RawImage } from './raw-image.ts';

/** What is used of `icodec` and `icodec/node`. */
interface Icodec {
  readonly avif: {
    /** Depths of samples that it knows. Before 0.6 there was none, and `decode` did not say what it gave. */
    readonly bitDepth?: readonly number[];
    loadDecoder(): Promise<Emscripten>;
    decode(bytes: Uint8Array): Decoded;
  };
}

/** The decoder as Emscripten makes it. */
interface Emscripten {
  /** All of its memory; another view once that has grown. */
  readonly HEAPU8: Uint8Array;
}

/** u8 or u16 [height, width, 4], RGBA. */
interface Decoded {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly depth: number;
}

/** The memory of the package's one decoder. */
let counted: DecoderMemory | undefined;

/**
 * Decodes an AVIF, of an animation the first picture. The package keeps its one decoder, with the memory that the largest
 * picture took.
 * @throws what `decoderPackage` throws; Error if the package is older; of the result, Error for damaged data
 */
export async function openIcodec(): Promise<(bytes: Uint8Array) => RawImage> {
  const { avif } = (await decoderPackage('avif')) as Icodec;
  if (!avif.bitDepth) throw new Error('it is older than 0.6, and gives other pixels');
  const decoder = await avif.loadDecoder();
  counted ??= {
    get buffer() {
      return decoder.HEAPU8.buffer;
    },
  };
  countMemory(counted);
  return (bytes) => {
    const { data, width, height, depth } = avif.decode(bytes);
    return { data: depth === 8 ? bytesOf(data) : eightBits(data, depth), width, height, channels: 4 };
  };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint8ClampedArray): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Samples of 10 or 12 bits, rounded. */
function eightBits({ buffer, byteOffset, byteLength }: Uint8ClampedArray, depth: number): Uint8Array {
  const wide = new Uint16Array(buffer, byteOffset, byteLength / 2);
  const scale = 255 / (2 ** depth - 1);
  return Uint8Array.from(wide, (sample) => sample * scale + 0.5);
}
