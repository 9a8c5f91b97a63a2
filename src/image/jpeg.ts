/**
 * The structure of a JPEG file (ITU T.81, annex B): size, color components, metadata, and whether it is complete.
 * libjpeg only warns when data ends early and paints the missing part gray, so that is detected here.
 */
import { ClipError } from '../errors.ts';
import { concatenate, hasText } from './bytes.ts';
import type { Metadata } from './orientation.ts';

/** Marker codes: the byte after 0xff. */
const SOF2 = 0xc2;
const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const APP1 = 0xe1;

const EXIF = 'Exif\0\0';
const XMP = 'http://ns.adobe.com/xap/1.0/\0';

export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  readonly components: number;
  readonly progressive: boolean;
}

/** What the decoder gets. */
export interface JpegData {
  readonly bytes: Uint8Array;
  /**
   * How the file ends. Without an end marker, what follows the scan tells whether it is complete:
   * another marker, or bytes that the decoder does not need.
   */
  readonly end: 'marker' | 'bytes-after-scan' | 'marker-after-scan';
}

/**
 * Reads up to the frame header.
 * @throws ClipError IMAGE_TRUNCATED if the file ends before; IMAGE_FORMAT for what the decoder cannot read (CMYK, 12 bits, ..)
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader {
  for (let at = 2; ; ) {
    const { code, body, next } = segment(bytes, at);
    at = next;
    if (code === SOS || code === EOI)
      throw new ClipError('IMAGE_FORMAT', 'damaged JPEG: no frame header before the picture data');
    if (!isFrame(code)) continue;
    if (next - body < 6) throw new ClipError('IMAGE_FORMAT', 'damaged JPEG: the frame header is too short');
    const precision = bytes[body] as number;
    const height = word(bytes, body + 1);
    const width = word(bytes, body + 3);
    const components = bytes[body + 5] as number;
    if (code > SOF2) {
      const kind = code === 0xc3 ? 'lossless' : code >= 0xc9 ? 'arithmetic-coded' : 'hierarchical';
      throw new ClipError('IMAGE_FORMAT', `${kind} JPEG is not supported: convert it to an ordinary JPEG`);
    }
    if (precision !== 8)
      throw new ClipError('IMAGE_FORMAT', `JPEG with ${precision} bits a sample is not supported, only 8`);
    if (components === 4) {
      throw new ClipError('IMAGE_FORMAT', 'CMYK JPEG (four inks) is not supported: convert it to RGB');
    }
    if (components !== 1 && components !== 3) {
      throw new ClipError('IMAGE_FORMAT', `JPEG with ${components} color components is not supported, only 1 and 3`);
    }
    return { width, height, components, progressive: code === SOF2 };
  }
}

/** EXIF and XMP of the segments before the first scan. As in Pillow, EXIF may be split over segments, and the last XMP counts. */
export function jpegMetadata(bytes: Uint8Array): Metadata {
  const exif: Uint8Array[] = [];
  let xmp: Uint8Array | undefined;
  for (let at = 2; ; ) {
    const { code, body, next } = segment(bytes, at);
    if (code === SOS || code === EOI) break;
    if (code === APP1 && hasText(bytes, body, EXIF)) exif.push(bytes.subarray(body + EXIF.length, next));
    if (code === APP1 && hasText(bytes, body, XMP)) xmp = bytes.subarray(body + XMP.length, next);
    at = next;
  }
  return { exif: exif.length > 1 ? concatenate(exif) : exif[0], xmp };
}

/**
 * Goes through all segments and scans to the end-of-image marker. Thumbnails inside segments are skipped with them, and
 * bytes after the marker do not matter.
 *
 * Some cameras' panoramas have a trailer instead of the marker. As Pillow does, a picture of one sequential scan is accepted
 * without it; whether the scan is complete then shows in decoding, see {@link checkJpegData}.
 * @throws ClipError IMAGE_TRUNCATED if the file ends first
 */
export function findJpegEnd(bytes: Uint8Array, header: JpegHeader): JpegData {
  let scan: number | undefined;
  for (let at = 2; ; ) {
    const marker = nextMarker(bytes, at);
    if (marker?.code === EOI) return { bytes, end: 'marker' };
    if (marker?.code === SOI && scan === undefined) {
      at = marker.body;
      continue;
    }
    // Behind the scan, garbage is a trailer.
    const next = marker && marker.code !== SOI ? segmentEnd(bytes, marker.body, scan !== undefined) : undefined;
    if (marker && next !== undefined) {
      const components = bytes[marker.body + 2];
      if (marker.code === SOS && components === header.components && !header.progressive) scan = next;
      at = next;
      continue;
    }
    if (scan === undefined) throw truncated(bytes);
    const end = nextMarker(bytes, scan)?.start;
    const data = bytes.subarray(0, end ?? (bytes[bytes.length - 1] === 0xff ? -1 : undefined));
    return {
      bytes: concatenate([data, Uint8Array.of(0xff, EOI)]),
      end: end === undefined ? 'bytes-after-scan' : 'marker-after-scan',
    };
  }
}

/**
 * Judges from what libjpeg printed whether the data was complete.
 * @throws ClipError IMAGE_TRUNCATED
 */
export function checkJpegData({ end }: JpegData, printed: string): void {
  // libjpeg met a marker where it still expected data: the missing part is painted gray.
  if (/premature end/i.test(printed)) {
    throw new ClipError('IMAGE_TRUNCATED', 'truncated JPEG: a part of the picture data is missing');
  }
  // As for Pillow, which needs some bytes after the scan to be sure that it is complete.
  if (end === 'bytes-after-scan' && !/extraneous bytes before marker 0xd9/i.test(printed)) {
    throw new ClipError('IMAGE_TRUNCATED', 'truncated JPEG: the file ends without an end-of-image marker');
  }
}

/** Frame headers are SOF0 .. SOF15, except for the codes of DHT, JPG and DAC. */
function isFrame(code: number): boolean {
  return code >= 0xc0 && code <= 0xcf && code !== 0xc4 && code !== 0xc8 && code !== 0xcc;
}

/** The next segment from `at` on, its content in `body` .. `next`. @throws ClipError IMAGE_TRUNCATED */
function segment(bytes: Uint8Array, at: number): { code: number; body: number; next: number } {
  for (let marker = nextMarker(bytes, at); marker; marker = nextMarker(bytes, marker.body)) {
    const { code, body } = marker;
    if (code === SOI) continue;
    if (code === EOI) return { code, body, next: body };
    const next = segmentEnd(bytes, body);
    if (next === undefined) break;
    return { code, body: body + 2, next };
  }
  throw truncated(bytes);
}

/**
 * The next marker from `at` on. As in libjpeg's next_marker, whatever lies before it is skipped: entropy-coded data (where a
 * data byte 0xff is followed by zero), fill bytes, restart markers, and garbage. `start` is the offset of its first 0xff.
 */
function nextMarker(bytes: Uint8Array, at: number): { code: number; start: number; body: number } | undefined {
  for (let i = bytes.indexOf(0xff, at); i >= 0; i = bytes.indexOf(0xff, i)) {
    const start = i;
    while (bytes[i] === 0xff) i++;
    const code = bytes[i++];
    if (code === undefined) return undefined;
    if (code > 1 && (code < 0xd0 || code >= SOI)) return { code, start, body: i };
  }
  return undefined;
}

/** Where the segment whose length is at `at` ends; undefined if the file ends before, or for `garbage`. */
function segmentEnd(bytes: Uint8Array, at: number, garbage = false): number | undefined {
  if (at + 2 > bytes.length) return undefined;
  const length = word(bytes, at);
  if (length < 2) {
    if (garbage) return undefined;
    throw new ClipError('IMAGE_FORMAT', 'damaged JPEG: a segment with an impossible length');
  }
  return at + length > bytes.length ? undefined : at + length;
}

function truncated(bytes: Uint8Array): ClipError {
  const message = `truncated JPEG: the file ends after ${bytes.length} bytes without an end-of-image marker`;
  return new ClipError('IMAGE_TRUNCATED', message);
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
