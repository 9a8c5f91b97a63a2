/** EXIF orientation: how a camera was held, and the picture turned upright. As Pillow's ImageOps.exif_transpose. */
import type { RawImage } from './raw-image.ts';

/** EXIF's tag of the orientation, and the type code of a 16-bit number. */
const ORIENTATION = 0x0112;
const SHORT = 3;

/** The orientation, 1 (upright) to 8, that a TIFF structure states in its first directory; 1 if it states none. */
export function exifOrientation(exif: Uint8Array | undefined): number {
  if (!exif || exif.length < 8) return 1;
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  const little = view.getUint16(0) === 0x4949;
  if (!little && view.getUint16(0) !== 0x4d4d) return 1;
  const directory = view.getUint32(4, little);
  if (directory + 2 > exif.length) return 1;
  const entries = view.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const at = directory + 2 + 12 * i;
    if (at + 12 > exif.length) break;
    if (view.getUint16(at, little) !== ORIENTATION || view.getUint16(at + 2, little) !== SHORT) continue;
    const value = view.getUint16(at + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/**
 * The picture turned upright, as a new one of 3 channels.
 *
 *   stored as  1 F   2 mirrored   3 upside down   4 flipped   5 to 8: the same four with rows and columns swapped
 */
export function turnUpright(image: RawImage, orientation: number): RawImage {
  const { data, width, height, channels } = image;
  const swap = orientation >= 5;
  // Orientations whose upright rows / columns run backwards in the stored picture.
  const backwardX = orientation === 2 || orientation === 3 || orientation === 7 || orientation === 8;
  const backwardY = orientation === 3 || orientation === 4 || orientation === 6 || orientation === 7;
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
