/** Orientation: how the camera was held, and the picture turned upright. As `ImageOps.exif_transpose` of Pillow 13. */
import { exifOrientation, xmpOrientation } from './exif.ts';
import type { RawImage } from './raw-image.ts';

/** What a file says beside its pixels. */
export interface Metadata {
  /** A TIFF structure. JPEG's prefix `Exif\0\0` may precede it. */
  readonly exif: Uint8Array | undefined;
  readonly xmp: Uint8Array | undefined;
}

/**
 * The orientation, 1 (upright) to 8. XMP counts only where EXIF has no orientation tag, as in Pillow's `Image.getexif`;
 * a value outside of 1..8 and damaged EXIF leave the picture as it is.
 */
export function orientationOf({ exif, xmp }: Metadata): number {
  const value = (exif && exifOrientation(exif)) ?? (xmp && xmpOrientation(xmp)) ?? 1;
  return Number.isInteger(value) && value >= 1 && value <= 8 ? value : 1;
}

/**
 * How the upright picture runs through the stored one: whether its rows are columns there, and which axes of the stored
 * picture it walks backwards.
 *
 *   stored as  1 F   2 mirrored   3 upside down   4 flipped   5 to 8: the same four with rows and columns swapped
 */
export function turnOf(orientation: number): { swap: boolean; backwardX: boolean; backwardY: boolean } {
  return {
    swap: orientation >= 5,
    backwardX: orientation === 2 || orientation === 3 || orientation === 7 || orientation === 8,
    backwardY: orientation === 3 || orientation === 4 || orientation === 6 || orientation === 7,
  };
}

/** The picture turned upright, as a new one of 3 channels. */
export function turnUpright(image: RawImage, orientation: number): RawImage {
  const { data, width, height, channels } = image;
  const { swap, backwardX, backwardY } = turnOf(orientation);
  const turned = new Uint8Array(width * height * 3);
  const [outWidth, outHeight] = swap ? [height, width] : [width, height];
  const stepX = (backwardX ? -1 : 1) * channels;
  const stepY = (backwardY ? -1 : 1) * channels * width;
  const corner = ((backwardY ? height - 1 : 0) * width + (backwardX ? width - 1 : 0)) * channels;
  const [across, down] = swap ? [stepY, stepX] : [stepX, stepY];
  for (let y = 0, to = 0; y < outHeight; y++) {
    for (let x = 0, from = corner + y * down; x < outWidth; x++, from += across, to += 3) {
      turned[to] = data[from] as number;
      turned[to + 1] = data[from + 1] as number;
      turned[to + 2] = data[from + 2] as number;
    }
  }
  return { data: turned, width: outWidth, height: outHeight, channels: 3 };
}
