/**
 * The structure of a JPEG file (ITU T.81, annex B): size, colour components, EXIF, and whether it is whole.
 * libjpeg only warns when data ends early and paints the rest grey, so that is found here.
 */
import { ClipError } from '../errors.ts';
import { hasText } from './format.ts';

/** Marker codes: the byte after 0xff. */
const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const APP1 = 0xe1;

export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  /** The TIFF structure inside the EXIF segment, if there is one. */
  readonly exif: Uint8Array | undefined;
}

/**
 * Reads up to the frame header.
 * @throws ClipError IMAGE_TRUNCATED if the file ends before; IMAGE_FORMAT for what the decoder cannot read (CMYK, 12 bits, ..)
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader {
  let exif: Uint8Array | undefined;
  for (let at = 2; ; ) {
    const { code, body, next } = segment(bytes, at);
    at = next;
    if (code === APP1 && exif === undefined && hasText(bytes, body, 'Exif\0\0')) exif = bytes.subarray(body + 6, next);
    if (code === SOS || code === EOI)
      throw new ClipError('IMAGE_FORMAT', 'damaged JPEG: no frame header before the picture data');
    if (!isFrame(code)) continue;
    if (next - body < 6) throw new ClipError('IMAGE_FORMAT', 'damaged JPEG: the frame header is too short');
    const precision = bytes[body] as number;
    const height = word(bytes, body + 1);
    const width = word(bytes, body + 3);
    const components = bytes[body + 5] as number;
    if (code !== 0xc0 && code !== 0xc1 && code !== 0xc2) {
      const kind = code === 0xc3 ? 'lossless' : code >= 0xc9 ? 'arithmetic-coded' : 'hierarchical';
      throw new ClipError('IMAGE_FORMAT', `${kind} JPEG is not supported: convert it to an ordinary JPEG`);
    }
    if (precision !== 8)
      throw new ClipError('IMAGE_FORMAT', `JPEG with ${precision} bits a sample is not supported, only 8`);
    if (components === 4) {
      throw new ClipError('IMAGE_FORMAT', 'CMYK JPEG (four inks) is not supported: convert it to RGB');
    }
    if (components !== 1 && components !== 3) {
      throw new ClipError('IMAGE_FORMAT', `JPEG with ${components} colour components is not supported, only 1 and 3`);
    }
    return { width, height, exif };
  }
}

/**
 * Goes through all segments and scans to the end-of-image marker. Thumbnails inside segments are skipped over as part of
 * them, and bytes after the marker do not matter.
 * @throws ClipError IMAGE_TRUNCATED if the file ends first
 */
export function checkJpegEnd(bytes: Uint8Array): void {
  for (let at = 2, code = SOI; code !== EOI; ) ({ code, next: at } = segment(bytes, at));
}

/** Frame headers are SOF0 .. SOF15; DHT, JPG and DAC lie between them. */
function isFrame(code: number): boolean {
  return code >= 0xc0 && code <= 0xcf && code !== 0xc4 && code !== 0xc8 && code !== 0xcc;
}

/**
 * The next marker that has meaning from `at` on. As in libjpeg's next_marker, whatever lies before it is skipped: that is
 * entropy-coded data (where a data byte 0xff is followed by zero), fill bytes, restart markers, and rubbish.
 * `body` .. `next` is the content of its segment.
 */
function segment(bytes: Uint8Array, at: number): { code: number; body: number; next: number } {
  for (let i = bytes.indexOf(0xff, at); i >= 0; i = bytes.indexOf(0xff, i)) {
    while (bytes[i] === 0xff) i++;
    const code = bytes[i++];
    if (code === undefined) break;
    if (code === 0 || code === 1 || (code >= 0xd0 && code <= SOI)) continue;
    if (code === EOI) return { code, body: i, next: i };
    if (i + 2 > bytes.length) break;
    const length = word(bytes, i);
    if (length < 2) throw new ClipError('IMAGE_FORMAT', 'damaged JPEG: a segment with an impossible length');
    if (i + length > bytes.length) break;
    return { code, body: i + 2, next: i + length };
  }
  throw new ClipError(
    'IMAGE_TRUNCATED',
    `truncated JPEG: the file ends after ${bytes.length} bytes without an end-of-image marker`,
  );
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
