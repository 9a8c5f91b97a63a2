/** The orientation that EXIF and XMP state, read as Pillow 13 reads them (Image.getexif, TiffImagePlugin). */
import { hasText } from '../bytes.ts';

/** EXIF's tag of the orientation. */
const ORIENTATION = 0x0112;
const PREFIX = 'Exif\0\0';
/** A TIFF header's first four bytes, and whether little-endian. The last two are wrong, but read by Pillow. */
const HEADERS: readonly (readonly [string, boolean])[] = [
  ['II*\0', true],
  ['MM\0*', false],
  ['II\0*', true],
  ['MM*\0', false],
];

type ReadNumber = (view: DataView, at: number, little: boolean) => number;

/** Bytes and first value of a TIFF type. A type without a number (bytes, text) never turns a picture. */
const TYPES: { readonly [type: number]: readonly [bytes: number, read?: ReadNumber] } = {
  1: [1],
  2: [1],
  3: [2, (view, at, little) => view.getUint16(at, little)],
  4: [4, (view, at, little) => view.getUint32(at, little)],
  5: [8, (view, at, little) => view.getUint32(at, little) / view.getUint32(at + 4, little)],
  6: [1, (view, at) => view.getInt8(at)],
  7: [1],
  8: [2, (view, at, little) => view.getInt16(at, little)],
  9: [4, (view, at, little) => view.getInt32(at, little)],
  10: [8, (view, at, little) => view.getInt32(at, little) / view.getInt32(at + 4, little)],
  11: [4, (view, at, little) => view.getFloat32(at, little)],
  12: [8, (view, at, little) => view.getFloat64(at, little)],
  13: [4, (view, at, little) => view.getUint32(at, little)],
  16: [8, (view, at, little) => Number(view.getBigUint64(at, little))],
};

/**
 * The value of the orientation tag in the first directory of a TIFF structure, which JPEG's prefix may precede once or twice.
 * @returns undefined if the tag is not there; NaN if its type holds no number, or if this is not a TIFF structure
 */
export function exifOrientation(exif: Uint8Array): number | undefined {
  const start = hasText(exif, 0, PREFIX) ? (hasText(exif, 6, PREFIX) ? 12 : 6) : 0;
  const view = new DataView(exif.buffer, exif.byteOffset + start, exif.byteLength - start);
  if (view.byteLength === 0) return undefined;
  const header = HEADERS.find(([text]) => hasText(exif, start, text));
  if (!header || view.byteLength < 8) return Number.NaN;
  const [, little] = header;
  const directory = view.getUint32(4, little);
  if (directory + 2 > view.byteLength) return undefined;
  const entries = view.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const entry = directory + 2 + 12 * i;
    if (entry + 12 > view.byteLength) return undefined;
    if (view.getUint16(entry, little) !== ORIENTATION) continue;
    const type = TYPES[view.getUint16(entry + 2, little)];
    if (!type) continue;
    const [bytes, read] = type;
    // Values of up to four bytes are in the entry itself.
    const size = bytes * view.getUint32(entry + 4, little);
    const at = size <= 4 ? entry + 8 : view.getUint32(entry + 8, little);
    if (size === 0 || at + size > view.byteLength) continue;
    return read ? read(view, at, little) : Number.NaN;
  }
  return undefined;
}

/** The orientation that an XMP packet states, as an attribute or as an element; undefined if it states none. */
export function xmpOrientation(xmp: Uint8Array): number | undefined {
  const digit = /tiff:Orientation(?:="|>)([0-9])/.exec(new TextDecoder('latin1').decode(xmp))?.[1];
  return digit === undefined ? undefined : Number(digit);
}
