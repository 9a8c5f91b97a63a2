/** Limits on pictures, checked from the header before anything is allocated. */
import { ClipError } from '../errors.ts';
import { show } from '../json.ts';

/**
 * The longest supported side in pixels, which is JPEG's limit. The resize's arithmetic and memory plan rely on it, so it
 * cannot be raised.
 */
const MAX_SIDE = 65_535;

/** The default of `maxPixels`: 100 million. Rows are decoded one by one, so such a picture costs a second, not memory. */
export const DEFAULT_MAX_PIXELS = 100_000_000;

/**
 * The same for pictures that are held as a whole while they are decoded (WebP, interlaced PNG): a quarter. A
 * lossless WebP of that size was measured at 410 MB. A larger `maxPixels` raises it as well.
 */
const DEFAULT_MAX_WHOLE_PIXELS = 25_000_000;

/** The default of `maxBytes`: 128 MiB of file. */
export const DEFAULT_MAX_BYTES = 134_217_728;

export interface ImageLimits {
  /** Width times height, at most. Default 100,000,000. */
  readonly maxPixels: number;
  /** Bytes of the file, at most. Default 134,217,728. */
  readonly maxBytes: number;
}

/** Fills in defaults. @throws RangeError unless both limits are positive numbers. */
export function imageLimits(options: { maxPixels?: number | undefined; maxBytes?: number | undefined }): ImageLimits {
  const { maxPixels = DEFAULT_MAX_PIXELS, maxBytes = DEFAULT_MAX_BYTES } = options;
  for (const [name, value] of Object.entries({ maxPixels, maxBytes })) {
    if (!(value > 0)) throw new RangeError(`${name} must be a positive number, got ${show(value)}`);
  }
  return { maxPixels, maxBytes };
}

/** @throws ClipError IMAGE_TOO_LARGE if a side or the area is beyond the limits. */
export function checkSize(what: string, width: number, height: number, limits: ImageLimits): void {
  if (width > MAX_SIDE || height > MAX_SIDE) {
    throw new ClipError('IMAGE_TOO_LARGE', `${what} of ${width} x ${height} pixels: a side is at most ${MAX_SIDE}`);
  }
  if (width * height > limits.maxPixels) {
    throw new ClipError(
      'IMAGE_TOO_LARGE',
      `${what} of ${width} x ${height} = ${width * height} pixels: the limit (maxPixels) is ${limits.maxPixels}`,
    );
  }
}

/** The most pixels of a picture that is held as a whole while it is decoded. */
export const mostWholePixels = ({ maxPixels }: ImageLimits): number =>
  Math.max(DEFAULT_MAX_WHOLE_PIXELS, maxPixels / 4);

/**
 * Checks a picture that is held as a whole while it is decoded.
 * @throws ClipError IMAGE_TOO_LARGE above 25,000,000 pixels and a quarter of `maxPixels`
 */
export function checkWhole(
  what: string,
  { width, height }: { width: number; height: number },
  limits: ImageLimits,
): void {
  const most = mostWholePixels(limits);
  if (width * height > most) {
    throw new ClipError(
      'IMAGE_TOO_LARGE',
      `${what} of ${width} x ${height} = ${width * height} pixels, which are all held in memory: the limit is ${most} (a quarter of maxPixels, at least ${DEFAULT_MAX_WHOLE_PIXELS})`,
    );
  }
}

/** @throws ClipError IMAGE_TOO_LARGE if a file has more bytes than the limit. */
export function checkBytes(bytes: number, limits: ImageLimits): void {
  if (bytes > limits.maxBytes) {
    throw new ClipError('IMAGE_TOO_LARGE', `image file of ${bytes} bytes: the limit (maxBytes) is ${limits.maxBytes}`);
  }
}
