/**
 * The decoder of WebP. An instance is created when first needed, and again after a trap or a huge picture, because its memory
 * never shrinks and a decoder that stopped on its way may leave some of it in use.
 */
import { ClipError } from '../errors.ts';
import { CODEC_FILES } from '../platform/codec-files.ts';
import { codecModule } from '../platform/modules.ts';
import { countMemory, forgetMemory } from './decoder-memory.ts';
import { type PixelSink, startLibwebp, type WebpCodec } from './libwebp.ts';

/** A file and its size in pixels, as its header states it. */
export interface EncodedImage {
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Bytes of memory above which an instance is dropped after use: small photos keep their decoder warm. */
const KEEP_BYTES = 33_554_432;
const PAGE_BYTES = 65_536;
const NO_IMAGE = /returned no image/;

let starting: Promise<WebpCodec> | undefined;

/**
 * Decodes a WebP; `sink` runs before the promise resolves.
 *
 * @throws ClipError IO if the decoder's file cannot be read, UNSUPPORTED if it does not compile or start here or has not
 *   enough memory for the picture; else what the decoder throws for damaged data
 */
export async function decodePixels(image: EncodedImage, sink: PixelSink): Promise<void> {
  starting ??= startCodec();
  const promise = starting;
  let keep = false;
  try {
    const codec = await promise;
    countMemory(codec.memory);
    try {
      runCodec(codec, image, sink);
      keep = true;
    } catch (error) {
      keep = NO_IMAGE.test((error as Error)?.message); // it came to its end
      throw error;
    } finally {
      keep &&= codec.memory.buffer.byteLength <= KEEP_BYTES;
      if (!keep) forgetMemory(codec.memory);
    }
  } finally {
    if (!keep && starting === promise) starting = undefined;
  }
}

/** Instantiates the decoder. A failure is not kept: the next call tries again. */
async function startCodec(): Promise<WebpCodec> {
  try {
    if (typeof WebAssembly === 'undefined') throw new Error('this runtime has no WebAssembly');
    return startLibwebp(await codecModule('webp'));
  } catch (error) {
    if (error instanceof ClipError) throw error;
    const reason = `${(error as Error)?.message ?? error}`;
    throw new ClipError('UNSUPPORTED', `cannot start the image decoder ${CODEC_FILES.webp}: ${reason}`, {
      cause: error,
    });
  }
}

function runCodec(codec: WebpCodec, { bytes, width, height }: EncodedImage, sink: PixelSink): void {
  try {
    codec.decode(bytes, sink);
  } catch (error) {
    // A decoder without memory fails as it does for damaged data. Then its memory cannot grow by 8 bytes per pixel.
    const text = error instanceof Error ? error.message : '';
    if (text !== 'out of memory' && canGrow(codec.memory, width * height * 8)) throw error;
    throw new ClipError(
      'UNSUPPORTED',
      `the image decoder ${CODEC_FILES.webp} has not enough memory for a picture of ${width} x ${height} pixels`,
    );
  }
}

/** Whether memory can grow; it does, so only ask when the picture has failed. */
function canGrow(memory: WebAssembly.Memory, bytes: number): boolean {
  try {
    memory.grow(Math.ceil(bytes / PAGE_BYTES));
    return true;
  } catch {
    return false;
  }
}
