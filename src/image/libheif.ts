/** HEIC by the package libheif-js: libheif and libde265, compiled by Emscripten. */
import { decoderPackage } from '#platform';
import type { RawImage } from './raw-image.ts';

/** What is used of the package: libheif's C functions and, with `js`, its wrappers for JavaScript. */
interface Libheif {
  readonly HEAPU8: Uint8Array;
  readonly heif_colorspace: { readonly heif_colorspace_RGB: unknown };
  readonly heif_chroma: { readonly heif_chroma_interleaved_RGBA: unknown };
  heif_context_alloc(): unknown;
  heif_context_free(context: unknown): void;
  heif_context_set_maximum_image_size_limit(context: unknown, side: number): void;
  heif_context_read_from_memory(context: unknown, bytes: Uint8Array): Failure;
  heif_js_context_get_primary_image_handle(context: unknown): Failure;
  heif_js_decode_image2(handle: unknown, colors: unknown, layout: unknown): Failure | Decoded;
  heif_image_release(image: unknown): void;
  heif_image_handle_release(handle: unknown): void;
}

/** `message` is `Success` where a call has nothing else to return. */
interface Failure {
  readonly code?: unknown;
  readonly message?: string;
}

interface Decoded {
  readonly image: unknown;
  /** One, as the pixels are interleaved: u8[height, stride], in the decoder's memory until the image is released. */
  readonly channels: readonly {
    readonly data: Uint8Array;
    readonly width: number;
    readonly height: number;
    readonly stride: number;
  }[];
}

/** Bytes of memory above which a decoder is dropped after use. It starts with 17 MB. */
const KEEP_BYTES = 67_108_864;

let kept: Libheif | undefined;

/**
 * Decodes the primary picture of a HEIC, turned as the file asks.
 * @param mostPixels the largest picture that is decoded
 * @throws what `decoderPackage` throws; Error for damaged data
 */
export async function openLibheif(mostPixels: number): Promise<(bytes: Uint8Array) => RawImage> {
  const { default: start } = (await decoderPackage('heic')) as { default(options: object): Libheif };
  return (bytes) => {
    const heif = kept ?? start({ print() {}, printErr() {} });
    kept = undefined; // after a trap it is not used again
    const image = decode(heif, bytes, mostPixels);
    if (heif.HEAPU8.byteLength <= KEEP_BYTES) kept = heif;
    if (image instanceof Error) throw image;
    return image;
  };
}

/** An error that is returned has left nothing in the decoder's memory. */
function decode(heif: Libheif, bytes: Uint8Array, mostPixels: number): RawImage | Error {
  const context = heif.heif_context_alloc();
  try {
    heif.heif_context_set_maximum_image_size_limit(context, Math.ceil(Math.sqrt(mostPixels)));
    const read = heif.heif_context_read_from_memory(context, bytes);
    if (read.message !== 'Success') return failed(read);
    const handle = heif.heif_js_context_get_primary_image_handle(context);
    if (handle.code !== undefined) return failed(handle);
    try {
      const { heif_colorspace_RGB } = heif.heif_colorspace;
      const decoded = heif.heif_js_decode_image2(
        handle,
        heif_colorspace_RGB,
        heif.heif_chroma.heif_chroma_interleaved_RGBA,
      );
      if (!('channels' in decoded)) return failed(decoded);
      try {
        const [pixels] = decoded.channels;
        if (!pixels) return new Error('no pixels');
        const { data, width, height, stride } = pixels;
        const rgba = new Uint8Array(width * height * 4);
        for (let y = 0; y < height; y++) {
          rgba.set(data.subarray(y * stride, y * stride + width * 4), y * width * 4);
        }
        return { data: rgba, width, height, channels: 4 };
      } finally {
        heif.heif_image_release(decoded.image);
      }
    } finally {
      heif.heif_image_handle_release(handle);
    }
  } finally {
    heif.heif_context_free(context);
  }
}

const failed = ({ message }: Failure): Error => new Error(message?.trim() || 'unknown error');
