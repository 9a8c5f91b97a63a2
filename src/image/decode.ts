/** From a file to pixels, as `Image.open(..).convert("RGB")` of Pillow 13 returns them: JPEG, PNG and WebP. */
import { ClipError } from '../errors.ts';
import type { CodecName } from '../platform/platform.ts';
import { decodePixels, type EncodedImage, type PixelSink } from './codecs.ts';
import { type ImageFormat, sniffFormat } from './format.ts';
import { type ImageInput, pixelsAtOnce, TakenImage, takeImage } from './input.ts';
import { checkJpegData, findJpegEnd, jpegMetadata, readJpegHeader } from './jpeg.ts';
import { checkBytes, checkSize, type ImageLimits, imageLimits } from './limits.ts';
import { type Metadata, orientationOf, turnUpright } from './orientation.ts';
import { isDataIntact, isGray16, readPngContent, readPngHeader, stillPng } from './png.ts';
import { pngMetadata } from './png-metadata.ts';
import { fromRawPixels, type RawImage, rejectEmpty } from './raw-image.ts';
import { checkWebpEnd, firstWebpFrame, readWebpHeader, webpMetadata } from './webp.ts';

export { type ImageInput, type TakenImage, takeImage } from './input.ts';

export interface DecodeOptions {
  /**
   * Turn the picture upright as Pillow's `ImageOps.exif_transpose` does: by the orientation in EXIF or, where EXIF has none,
   * in XMP. Default false, as in the published Python code.
   */
  readonly orient?: boolean | undefined;
  /** Maximum number of pixels, width times height. Default 100,000,000. A side is at most 65,535 in any case. */
  readonly maxPixels?: number | undefined;
  /** Maximum number of bytes of a file. Default 134,217,728 (128 MiB). */
  readonly maxBytes?: number | undefined;
  /** Stops fetching a `URL` and reading a stream or body. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Decodes a picture. Colors are as stored: no color profile is applied, as in the published code. Alpha is ignored, so the
 * color of transparent pixels counts. Of an animation the first frame is taken.
 *
 * @returns u8[height, width, channels], RGB or RGBA, owned by the caller; raw RGB and RGBA input is passed through
 * @throws ClipError IMAGE_FORMAT (not a picture, damaged, or of an unsupported kind), IMAGE_TRUNCATED (ends early),
 *   IMAGE_TOO_LARGE (beyond `maxPixels`, `maxBytes` or 65,535 pixels per side; detected before anything is allocated); IO if
 *   the picture or a decoder cannot be read, UNSUPPORTED if a decoder cannot start or has not enough memory;
 *   TypeError if `input` is none of the accepted types, RangeError if raw pixels have the wrong length; the signal's reason
 */
export function decodeImage(input: ImageInput | TakenImage, options: DecodeOptions = {}): Promise<RawImage> {
  return decodeWith(input, options, (image, orientation, borrowed) => {
    if (orientation !== 1) return turnUpright(image, orientation);
    return borrowed ? { ...image, data: image.data.slice() } : image;
  });
}

/**
 * Decodes a picture and calls `use` while the pixels are still in the decoder's memory, so they are not copied.
 *
 * @param use gets the picture as it is stored and the orientation, 1 to 8, in which it is wanted; must not keep `image.data`
 *   if `borrowed`, and must not be asynchronous
 * @returns what `use` returns
 * @throws as {@link decodeImage}, and what `use` throws
 */
export async function decodeWith<T>(
  input: ImageInput | TakenImage,
  options: DecodeOptions,
  use: (image: RawImage, orientation: number, borrowed: boolean) => T,
): Promise<T> {
  const limits = imageLimits(options);
  // Pixels are used before anything is awaited, so they need no copy.
  const pixels = input instanceof TakenImage ? input.pixels : pixelsAtOnce(input);
  if (pixels) return use(fromRawPixels(pixels, limits), 1, false);
  const taken = input instanceof TakenImage ? input : takeImage(input, limits.maxBytes);
  const bytes = taken.bytes ?? (await taken.read!(limits, options.signal));
  checkBytes(bytes.length, limits);
  const format = sniffFormat(bytes);
  const { metadata, decode } = readers[format](bytes, limits);
  const orientation = options.orient === true ? orientationOf(await metadata()) : 1;
  let result: { value: T } | undefined;
  await decode((image, borrowed) => {
    result = { value: use(image, orientation, borrowed) };
  });
  return (result as { value: T }).value;
}

type Deliver = (image: RawImage, borrowed: boolean) => void;

interface Picture {
  metadata(): Metadata | Promise<Metadata>;
  decode(deliver: Deliver): Promise<void>;
}

/** Each checks the file's header and that it is complete, then says how to get its pixels. */
const readers: { readonly [format in ImageFormat]: (bytes: Uint8Array, limits: ImageLimits) => Picture } = {
  jpeg(bytes, limits) {
    const header = readJpegHeader(bytes);
    checkHeader('JPEG', header, limits);
    const data = findJpegEnd(bytes, header);
    return {
      metadata: () => jpegMetadata(bytes),
      async decode(deliver) {
        checkJpegData(data, await runCodec('jpeg', 'JPEG', { ...header, bytes: data.bytes }, deliver));
      },
    };
  },
  png(bytes, limits) {
    const header = readPngHeader(bytes);
    checkHeader('PNG', header, limits);
    const content = readPngContent(bytes, header);
    return {
      metadata: () => pngMetadata(content.metadata),
      decode: (deliver) => decodePng(bytes, content, deliver),
    };
  },
  webp(bytes, limits) {
    const header = readWebpHeader(bytes);
    checkHeader('WebP', header, limits);
    checkWebpEnd(bytes);
    return {
      metadata: () => webpMetadata(bytes),
      decode: (deliver) => decodeWebp(bytes, header, deliver),
    };
  },
};

async function decodePng(
  bytes: Uint8Array,
  content: ReturnType<typeof readPngContent>,
  deliver: Deliver,
): Promise<void> {
  const receive: Deliver = isGray16(content) ? (image) => deliver(clipGrey16(image), false) : deliver;
  if (!(await isDataIntact(content)))
    throw new ClipError('IMAGE_FORMAT', 'damaged PNG: wrong checksum of its picture data');
  try {
    await runCodec('png', 'PNG', { ...content, bytes: stillPng(bytes, content) }, receive);
  } catch (error) {
    if (!content.cut || (error as Partial<ClipError>).code !== 'IMAGE_FORMAT') throw error;
    throw new ClipError('IMAGE_TRUNCATED', `truncated PNG: the file ends after ${bytes.length} bytes`, {
      cause: error,
    });
  }
}

async function decodeWebp(
  bytes: Uint8Array,
  header: ReturnType<typeof readWebpHeader>,
  deliver: Deliver,
): Promise<void> {
  if (!header.animated) {
    await runCodec('webp', 'WebP', { ...header, bytes }, deliver);
    return;
  }
  const frame = firstWebpFrame(bytes);
  if (frame.left + frame.width > header.width || frame.top + frame.height > header.height) {
    throw new ClipError('IMAGE_FORMAT', 'damaged animated WebP: its first frame reaches beyond the canvas');
  }
  await runCodec('webp', 'animated WebP', frame, (image, borrowed) => {
    if (image.width === header.width && image.height === header.height) deliver(image, borrowed);
    else deliver(placeOnCanvas(image, header, frame), false);
  });
}

/**
 * Runs a decoder and turns its failures into errors that say what happened. An error of `deliver` passes as it is.
 * @returns what the decoder printed
 */
async function runCodec(name: CodecName, what: string, image: EncodedImage, deliver: Deliver): Promise<string> {
  let delivered: { error: unknown } | undefined;
  const sink: PixelSink = (data, width, height) => {
    try {
      deliver({ data, width, height, channels: 4 }, true);
    } catch (error) {
      delivered = { error };
    }
  };
  const printed = await decodePixels(name, image, sink).catch((error) => {
    if (error instanceof ClipError) throw error; // the environment, not the picture
    // Without the trap as its cause, whose stack would keep the decoder with all of its memory as long as the error.
    throw new ClipError('IMAGE_FORMAT', `damaged ${what}: ${reason(error)}`);
  });
  if (delivered) throw delivered.error;
  return printed;
}

/** Emscripten throws pointers, Rust traps or names its own `unwrap`: none of that helps a reader. */
function reason(error: unknown): string {
  const opaque =
    !(error instanceof Error) || error instanceof WebAssembly.RuntimeError || /^$|unwrap/.test(error.message);
  return opaque ? 'its picture data cannot be decoded' : `its picture data cannot be decoded (${error.message})`;
}

function checkHeader(format: string, header: { width: number; height: number }, limits: ImageLimits): void {
  const { width, height } = header;
  rejectEmpty(format, width, height);
  checkSize(format, width, height, limits);
}

/** Gray of 16 bits arrives as high byte (R, G, B) and low byte (A); Pillow clips the value at 255. */
function clipGrey16({ data, width, height }: RawImage): RawImage {
  const rgb = new Uint8Array(width * height * 3);
  for (let to = 0, from = 0; to < rgb.length; to += 3, from += 4) {
    rgb.fill(data[from] === 0 ? (data[from + 3] as number) : 255, to, to + 3);
  }
  return { data: rgb, width, height, channels: 3 };
}

/** A frame smaller than the canvas: the remaining area is black, whatever background the file specifies, as in Pillow. */
function placeOnCanvas(
  image: RawImage,
  canvas: { readonly width: number; readonly height: number },
  at: { readonly left: number; readonly top: number },
): RawImage {
  const data = new Uint8Array(canvas.width * canvas.height * 4);
  for (let y = 0; y < image.height; y++) {
    const row = image.data.subarray(y * image.width * 4, (y + 1) * image.width * 4);
    data.set(row, ((at.top + y) * canvas.width + at.left) * 4);
  }
  return { data, width: canvas.width, height: canvas.height, channels: 4 };
}
