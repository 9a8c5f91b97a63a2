/** From a file to pixels, as `Image.open(..).convert("RGB")` of Pillow 13 returns them: JPEG, PNG and WebP. */

import { ClipError } from '../errors.ts';
import { firstBytes, joinPieces, type Pieces } from './body.ts';
import { decodePixels, type EncodedImage } from './codecs.ts';
import { type ImageFormat, sniffFormat } from './format.ts';
import { type ImageInput, pixelsAtOnce, TakenImage, takeImage } from './input.ts';
import { JpegRows } from './jpeg-rows.ts';
import type { PixelSink } from './libwebp.ts';
import { checkBytes, checkSize, checkWhole, type ImageLimits, imageLimits } from './limits.ts';
import { type Metadata, orientationOf, turnUpright } from './orientation.ts';
import { PngDecoder } from './png.ts';
import { readPngMetadata } from './png-metadata.ts';
import { fromRawPixels, type RawImage, rejectEmpty } from './raw-image.ts';
import { readRows } from './read.ts';
import { takePixels } from './resample.ts';
import type { PictureHeader, RowFormat, RowSink, Rows } from './rows.ts';
import { checkWebpEnd, readWebpHeader, webpMetadata, webpPicture } from './webp.ts';
import { type Workspace, withWorkspace } from './workspace.ts';

export { type ImageInput, type TakenImage, takeImage } from './input.ts';

export interface DecodeOptions {
  /**
   * Turn the picture upright as Pillow's `ImageOps.exif_transpose` does: by the orientation in EXIF or, where EXIF has none,
   * in XMP. Default false, as in the published Python code. In a PNG they may stand behind the picture: a `Blob` or a `file:` URL is
   * then read twice, a stream, body or other address held as a whole, up to `maxBytes`.
   */
  readonly orient?: boolean | undefined;
  /**
   * Decode a large JPEG at 1/2, 1/4 or 1/8 of its size, the least that the crop still fits in: as Pillow's
   * `Image.draft("RGB", (size, size))`. Several times faster; the pixels differ a little from those of the published code. Default
   * false. Other formats are not changed by it.
   */
  readonly scaled?: boolean | undefined;
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
 *   the picture or a decoder cannot be read, IMAGE_DECODER if the format needs a package that is not installed, UNSUPPORTED if a
 *   decoder cannot start or has not enough memory; TypeError if `input` is none of the accepted types, RangeError if raw pixels have the wrong length; the signal's reason
 */
export async function decodeImage(input: ImageInput | TakenImage, options: DecodeOptions = {}): Promise<RawImage> {
  const limits = imageLimits(options);
  const pixels = input instanceof TakenImage ? input.pixels : pixelsAtOnce(input);
  if (pixels) return fromRawPixels(pixels, limits);
  const taken = input instanceof TakenImage ? input : takeImage(input, limits.maxBytes);
  return withWorkspace(async (workspace) => {
    let whole: WholePicture | undefined;
    let turn = 1;
    await decodeRows(workspace, taken, options, (format, orientation) => {
      turn = orientation;
      whole = new WholePicture(workspace, format);
      return whole;
    });
    const { image } = whole as WholePicture;
    return turn === 1 ? image : turnUpright(image, turn);
  });
}

/** Keeps all rows, gray ones as RGB. */
class WholePicture implements RowSink {
  readonly firstRow = 0;
  readonly endRow: number;
  readonly image: RawImage;
  readonly #workspace: Workspace;
  readonly #format: RowFormat;

  constructor(workspace: Workspace, format: RowFormat) {
    const { width, height } = format;
    const channels = format.channels === 4 ? 4 : 3;
    this.#workspace = workspace;
    this.#format = format;
    this.endRow = height;
    this.image = { data: new Uint8Array(width * height * channels), width, height, channels };
  }

  take({ at, stride, plane, first, count }: Rows): void {
    const { bytes } = this.#workspace;
    const { data, width, channels } = this.image;
    const { planar } = this.#format;
    for (let y = 0; y < count; y++) {
      const row = at + y * stride;
      const to = (first + y) * width * channels;
      if (this.#format.channels === channels && !planar) {
        data.set(bytes.subarray(row, row + width * channels), to);
        continue;
      }
      const channel = planar ? plane : 0;
      for (let x = 0; x < width; x++) {
        data[to + 3 * x] = bytes[row + x] as number;
        data[to + 3 * x + 1] = bytes[row + channel + x] as number;
        data[to + 3 * x + 2] = bytes[row + 2 * channel + x] as number;
      }
    }
  }
}

/** For what takes the rows of a picture with this size, and the orientation, 1 to 8, in which it is wanted. */
export type BeginRows = (format: RowFormat, orientation: number) => RowSink;

/**
 * Decodes a picture into a sink of rows. The event loop turns in between, and the signal is looked at.
 *
 * @param options `reduceTo`: the short edge for which a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size. Default: it is not
 * @param begin is called once, before the first row. Its errors and the sink's pass as they are
 * @throws as {@link decodeImage}
 * @internal
 */
export async function decodeRows(
  workspace: Workspace,
  taken: TakenImage,
  options: DecodeOptions & { readonly reduceTo?: number | undefined },
  begin: BeginRows,
): Promise<void> {
  const limits = imageLimits(options);
  if (taken.pixels) {
    passPixels(workspace, fromRawPixels(taken.pixels, limits), 1, begin);
    return;
  }
  if (taken.bytes) {
    checkBytes(taken.bytes.length, limits);
    await decodeFile(workspace, taken.bytes, options, limits, begin);
    return;
  }
  const { pieces, again } = taken;
  await decodeFile(workspace, pieces!(limits, options.signal), options, limits, begin, again);
}

/**
 * Decodes a file, all of it or in pieces; what is not needed of them is not asked for. A PNG's orientation may stand behind its
 * rows, so it is read before them: a file that can be read only once is held as a whole for that.
 * @param again opens the file anew, if it can be read more than once
 */
async function decodeFile(
  workspace: Workspace,
  file: Uint8Array | Pieces,
  options: DecodeOptions & { readonly reduceTo?: number | undefined },
  limits: ImageLimits,
  begin: BeginRows,
  again?: TakenImage['again'],
): Promise<void> {
  const decode = decodePieces.bind(undefined, workspace, options, limits, begin);
  const { signal } = options;
  const readMetadata = (first: Uint8Array, rest: Pieces) => readPngMetadata(workspace, inTurn(first, rest), signal);
  if (file instanceof Uint8Array) {
    const format = await sniffFormat(file);
    const metadata = format === 'png' && options.orient ? await readMetadata(file, none()) : undefined;
    await decode(format, file, none(), metadata);
    return;
  }
  let pieces = file;
  try {
    let first = await firstBytes(pieces);
    const format = await sniffFormat(first);
    let metadata: Metadata | undefined;
    if (format === 'png' && options.orient && again) {
      metadata = await readMetadata(first, pieces);
      await pieces.return();
      pieces = again(limits, signal);
      first = await firstBytes(pieces);
    } else if (format === 'png' && options.orient) {
      first = await joinPieces(pieces, first);
      metadata = await readMetadata(first, none());
    } else if (format !== 'jpeg' && format !== 'png') {
      first = await joinPieces(pieces, first);
    }
    await decode(format, first, pieces, metadata);
  } finally {
    await pieces.return();
  }
}

async function* none(): Pieces {}

/** The bytes of a file, one piece after the other. */
function inTurn(first: Uint8Array, rest: Pieces): () => Promise<Uint8Array | undefined> {
  let sniffed: Uint8Array | undefined = first;
  return async () => {
    if (!sniffed) return (await rest.next()).value ?? undefined;
    const piece = sniffed;
    sniffed = undefined;
    return piece;
  };
}

/** @param first the whole file if its format is not decoded as it comes */
async function decodePieces(
  workspace: Workspace,
  options: DecodeOptions & { readonly reduceTo?: number | undefined },
  limits: ImageLimits,
  begin: BeginRows,
  format: ImageFormat,
  first: Uint8Array,
  rest: Pieces,
  pngMetadata: Metadata | undefined,
): Promise<void> {
  const orient = options.orient === true;
  if (format === 'webp') {
    const { metadata, decode } = readWebp(first, limits);
    const orientation = orient ? orientationOf(metadata()) : 1;
    await decode((image) => passPixels(workspace, image, orientation, begin));
    return;
  }
  if (format === 'avif' || format === 'heic') {
    const { decodeHeif } = await import('./heif-decode.ts');
    options.signal?.throwIfAborted();
    await decodeHeif(format, first, limits, (image, orientation) =>
      passPixels(workspace, image, orient ? orientation() : 1, begin),
    );
    return;
  }
  const start = (header: PictureHeader) => {
    if (format === 'png') {
      checkHeader('PNG', header, limits);
      if (header.isWhole) checkWhole('interlaced PNG', header, limits);
    }
    return begin(header, orient ? orientationOf(header.metadata) : 1);
  };
  const checkSize = (width: number, height: number) => checkHeader('JPEG', { width, height }, limits);
  const decoder =
    format === 'png'
      ? new PngDecoder(workspace, pngMetadata)
      : new JpegRows(workspace, { target: options.reduceTo, metadata: orient, checkSize });
  await readRows(decoder, inTurn(first, rest), start, options.signal);
}

function passPixels(workspace: Workspace, image: RawImage, orientation: number, begin: BeginRows): void {
  const { width, height, channels } = image;
  takePixels(workspace, begin({ width, height, channels, planar: false }, orientation), image);
}

type Deliver = (image: RawImage) => void;

interface Picture {
  metadata(): Metadata;
  decode(deliver: Deliver): Promise<void>;
}

/** WebP is decoded as a whole: checks the file's header and that it is complete, then says how to get its pixels. */
function readWebp(bytes: Uint8Array, limits: ImageLimits): Picture {
  const header = readWebpHeader(bytes);
  checkHeader('WebP', header, limits);
  checkWhole('WebP', header, limits);
  checkWebpEnd(bytes);
  return {
    metadata: () => webpMetadata(bytes),
    async decode(deliver) {
      const picture = webpPicture(bytes, header);
      const isAll = picture.width === header.width && picture.height === header.height;
      const what = header.animated ? 'animated WebP' : 'WebP';
      await runCodec(what, picture, (image) => deliver(isAll ? image : placeOnCanvas(image, header, picture)));
    },
  };
}

/** Runs the decoder and turns its failures into errors that say what happened. An error of `deliver` passes as it is. */
async function runCodec(what: string, image: EncodedImage, deliver: Deliver): Promise<void> {
  let delivered: { error: unknown } | undefined;
  const sink: PixelSink = (data, width, height) => {
    try {
      deliver({ data, width, height, channels: 4 });
    } catch (error) {
      delivered = { error };
    }
  };
  await decodePixels(image, sink).catch((error) => {
    if (error instanceof ClipError) throw error; // the environment, not the picture
    // Without the trap as its cause, whose stack would keep the decoder with all of its memory as long as the error.
    throw new ClipError('IMAGE_FORMAT', `damaged ${what}: ${reason(error)}`);
  });
  if (delivered) throw delivered.error;
}

/** Traps do not help a reader. */
function reason(error: unknown): string {
  const opaque = !(error instanceof Error) || error instanceof WebAssembly.RuntimeError;
  return opaque ? 'its picture data cannot be decoded' : `its picture data cannot be decoded (${error.message})`;
}

function checkHeader(format: string, header: { width: number; height: number }, limits: ImageLimits): void {
  const { width, height } = header;
  rejectEmpty(format, width, height);
  checkSize(format, width, height, limits);
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
