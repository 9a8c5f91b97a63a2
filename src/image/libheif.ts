/** HEIC by the package libheif-js: libheif and libde265, compiled by Emscripten. */
import { decoderPackage } from '#platform';
import type { RawImage } from './raw-image.ts';

/** What is used of the package: libheif's C functions and, with `js`, its wrappers for JavaScript. */
interface Libheif {
  readonly heif_colorspace: { readonly heif_colorspace_RGB: unknown };
  readonly heif_chroma: { readonly heif_chroma_interleaved_RGBA: unknown };
  heif_context_alloc(): unknown;
  heif_context_set_maximum_image_size_limit(context: unknown, side: number): void;
  heif_context_read_from_memory(context: unknown, bytes: Uint8Array): Failure;
  heif_js_context_get_primary_image_handle(context: unknown): Failure;
  heif_js_decode_image2(handle: unknown, colors: unknown, layout: unknown): Failure | Decoded;
}

/** `message` is `Success` where a call has nothing else to return. */
interface Failure {
  readonly code?: unknown;
  readonly message?: string;
}

interface Decoded {
  /** One, as the pixels are interleaved: u8[height, stride], in the decoder's memory. */
  readonly channels: readonly {
    readonly data: Uint8Array;
    readonly width: number;
    readonly height: number;
    readonly stride: number;
  }[];
}

/**
 * Decodes the primary picture of a HEIC, turned as the file asks. Each picture has a decoder of its own, some 20 ms: where data are
 * damaged, the decoder shows what was in its memory, and that must not be an earlier picture.
 * @param mostPixels the largest picture that is decoded
 * @throws what `decoderPackage` throws; Error for damaged data
 */
export async function openLibheif(mostPixels: number): Promise<(bytes: Uint8Array) => RawImage> {
  const { default: start } = (await decoderPackage('heic')) as { default?(options: object): Libheif };
  if (typeof start !== 'function') throw new Error('this version has no such decoder');
  return (bytes) => decode(start({ print() {}, printErr() {} }), bytes, mostPixels);
}

/** Nothing is given back: the decoder goes with its memory. */
function decode(heif: Libheif, bytes: Uint8Array, mostPixels: number): RawImage {
  const context = heif.heif_context_alloc();
  heif.heif_context_set_maximum_image_size_limit(context, Math.ceil(Math.sqrt(mostPixels)));
  const read = heif.heif_context_read_from_memory(context, bytes);
  if (read.message !== 'Success') throw failed(read);
  const handle = heif.heif_js_context_get_primary_image_handle(context);
  if (handle.code !== undefined) throw failed(handle);
  const { heif_colorspace_RGB } = heif.heif_colorspace;
  const { heif_chroma_interleaved_RGBA } = heif.heif_chroma;
  const decoded = heif.heif_js_decode_image2(handle, heif_colorspace_RGB, heif_chroma_interleaved_RGBA);
  if (!('channels' in decoded)) throw failed(decoded);
  const [pixels] = decoded.channels;
  if (!pixels) throw new Error('no pixels');
  const { data, width, height, stride } = pixels;
  const rgba = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    rgba.set(data.subarray(y * stride, y * stride + width * 4), y * width * 4);
  }
  return { data: rgba, width, height, channels: 4 };
}

const failed = ({ message }: Failure): Error => new Error(message?.trim() || 'unknown error');
