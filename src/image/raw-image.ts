/** Pixels in memory: what decoders give and what a caller may pass instead of a file. */
import { ClipError } from '../errors.ts';
import { checkSize, type ImageLimits } from './limits.ts';

/** Rows from top to bottom, `channels` bytes a pixel, no padding. A fourth channel is alpha, which nothing here looks at. */
export interface RawImage {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
}

/**
 * Pixels of the caller's own: `width * height * channels` bytes, 0..255, sRGB as in a file.
 * `channels` is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA); without it, the length of `data` says.
 */
export interface RawPixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels?: 1 | 2 | 3 | 4;
}

/** Whether `value` has the shape of raw pixels or of an `ImageData`. */
export function isRawPixels(value: unknown): value is RawPixels {
  return typeof value === 'object' && value !== null && 'data' in value && 'width' in value && 'height' in value;
}

/**
 * Checks raw pixels and spreads grey to RGB. RGB and RGBA are passed on without a copy.
 * @throws TypeError if a field has another type; RangeError if the sides or the length do not fit; ClipError IMAGE_TOO_LARGE.
 */
export function fromRawPixels(pixels: RawPixels, limits: ImageLimits): RawImage {
  const { data, width, height } = pixels;
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new TypeError('raw pixels: data must be a Uint8Array or a Uint8ClampedArray of values 0..255');
  }
  for (const [name, side] of [
    ['width', width],
    ['height', height],
  ] as const) {
    if (typeof side !== 'number') throw new TypeError(`raw pixels: ${name} must be a number, found ${typeof side}`);
    if (!Number.isInteger(side) || side < 1) {
      throw new RangeError(`raw pixels: ${name} must be a whole number of at least 1, found ${side}`);
    }
  }
  checkSize('raw pixels', width, height, limits);
  const area = width * height;
  const channels = pixels.channels ?? data.length / area;
  if (channels !== 1 && channels !== 2 && channels !== 3 && channels !== 4) {
    if (pixels.channels !== undefined) {
      throw new RangeError(`raw pixels: channels must be 1, 2, 3 or 4, found ${pixels.channels}`);
    }
    throw new RangeError(
      `raw pixels: ${width} x ${height} needs ${area} (grey), ${3 * area} (RGB) or ${4 * area} (RGBA) bytes, found ${data.length}`,
    );
  }
  if (data.length !== area * channels) {
    throw new RangeError(
      `raw pixels: ${width} x ${height} with ${channels} channels needs ${area * channels} bytes, found ${data.length}`,
    );
  }
  if (channels >= 3) return { data, width, height, channels: channels as 3 | 4 };
  const rgb = new Uint8Array(area * 3);
  for (let i = 0, from = 0; i < rgb.length; i += 3, from += channels) rgb.fill(data[from] as number, i, i + 3);
  return { data: rgb, width, height, channels: 3 };
}

/** A picture without pixels is no picture: every format's header check ends here. */
export function rejectEmpty(format: string, width: number, height: number): void {
  if (width < 1 || height < 1)
    throw new ClipError('IMAGE_FORMAT', `${format} of ${width} x ${height} pixels: nothing to see`);
}
