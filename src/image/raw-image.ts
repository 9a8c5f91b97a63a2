/** Pixels in memory: what decoders return, and what a caller may pass instead of a file. */
import { ClipError } from '../errors.ts';
import { kindOf } from '../options.ts';
import { checkSize, type ImageLimits } from './limits.ts';

/** u8[height, width, channels], rows from top to bottom, no padding. A fourth channel is alpha, which is ignored. */
export interface RawImage {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
}

/**
 * Pixels instead of a file: u8[height, width, channels], values 0..255 in sRGB, rows from top to bottom, no padding.
 * `channels` is 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGBA); by default it follows from the length of `data`. Alpha is
 * ignored. An `ImageData` has this shape.
 *
 * @example
 * await clip.encodeImage({ data: new Uint8Array(640 * 480 * 3), width: 640, height: 480 });
 */
export interface RawPixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels?: 1 | 2 | 3 | 4;
}

/** Pixels as bytes of this realm, not copied. `data` has passed {@link checkPixelTypes}. */
export function pixelBytes({ buffer, byteOffset, byteLength }: RawPixels['data']): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * Checks the types of the fields. Arrays are recognized by their tags, so those of another realm work too.
 * @throws TypeError if a field has another type
 */
export function checkPixelTypes({ data, width, height, channels }: RawPixels): void {
  const tag = Object.prototype.toString.call(data).slice(8, -1);
  if (tag !== 'Uint8Array' && tag !== 'Uint8ClampedArray') {
    const advice = /^Float/.test(tag) ? ': scale the values to 0..255 and round them' : '';
    throw new TypeError(
      `raw pixels: data must be a Uint8Array or a Uint8ClampedArray of values 0..255, got ${kindOf(data)}${advice}`,
    );
  }
  for (const [name, value] of Object.entries({ width, height, channels: channels ?? 3 })) {
    if (typeof value !== 'number') throw new TypeError(`raw pixels: ${name} must be a number, got ${kindOf(value)}`);
  }
}

/**
 * Checks raw pixels and spreads gray to RGB. RGB and RGBA are passed on without a copy.
 * @param pixels with fields of the right types, see {@link checkPixelTypes}
 * @throws RangeError if the sides or the length do not fit; ClipError IMAGE_TOO_LARGE.
 */
export function fromRawPixels(pixels: RawPixels, limits: ImageLimits): RawImage {
  const { data, width, height } = pixels;
  for (const [name, side] of [
    ['width', width],
    ['height', height],
  ] as const) {
    if (!Number.isInteger(side) || side < 1) {
      throw new RangeError(`raw pixels: ${name} must be an integer of at least 1, got ${side}`);
    }
  }
  checkSize('raw pixels', width, height, limits);
  const area = width * height;
  const channels = pixels.channels ?? data.length / area;
  if (channels !== 1 && channels !== 2 && channels !== 3 && channels !== 4) {
    if (pixels.channels !== undefined) {
      throw new RangeError(`raw pixels: channels must be 1, 2, 3 or 4, got ${pixels.channels}`);
    }
    throw new RangeError(
      `raw pixels: ${width} x ${height} needs ${area} (gray), ${3 * area} (RGB) or ${4 * area} (RGBA) bytes, got ${data.length}`,
    );
  }
  if (data.length !== area * channels) {
    throw new RangeError(
      `raw pixels: ${width} x ${height} with ${channels} channels needs ${area * channels} bytes, got ${data.length}`,
    );
  }
  if (channels >= 3) return { data, width, height, channels: channels as 3 | 4 };
  const rgb = new Uint8Array(area * 3);
  for (let i = 0, from = 0; i < rgb.length; i += 3, from += channels) rgb.fill(data[from] as number, i, i + 3);
  return { data: rgb, width, height, channels: 3 };
}

/** Refuses a picture without pixels. @throws ClipError IMAGE_FORMAT */
export function rejectEmpty(format: string, width: number, height: number): void {
  if (width < 1 || height < 1)
    throw new ClipError('IMAGE_FORMAT', `${format} of ${width} x ${height} pixels: it has no pixels`);
}
