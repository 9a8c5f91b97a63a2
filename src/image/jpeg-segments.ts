/** The segments of a JPEG file (ITU T.81, annex B) as plain data. */

import { hasText } from '../bytes.ts';
import { ClipError } from '../errors.ts';

/** Marker codes: the byte after 0xff. */
const SOF2 = 0xc2;
export const DHT = 0xc4;
export const SOI = 0xd8;
export const EOI = 0xd9;
export const SOS = 0xda;
export const DQT = 0xdb;
export const DRI = 0xdd;
export const APP0 = 0xe0;
export const APP1 = 0xe1;
export const APP14 = 0xee;
const COM = 0xfe;

const EXIF = 'Exif\0\0';
const XMP = 'http://ns.adobe.com/xap/1.0/\0';

/** Position in natural order of coefficient k in zigzag order (figure A.6). */
export const ZIGZAG: readonly number[] = zigzag();

/** A component as the frame header describes it. */
export interface FrameComponent {
  readonly id: number;
  /** Sampling factors, 1 to 4. */
  readonly across: number;
  readonly down: number;
  /** Which quantization table. */
  readonly table: number;
}

export interface FrameHeader {
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  readonly components: readonly FrameComponent[];
}

export interface ScanHeader {
  readonly components: readonly { readonly id: number; readonly dc: number; readonly ac: number }[];
  /** Progressive: the band of coefficients, and the bit positions of the scan before and of this one. */
  readonly first: number;
  readonly last: number;
  readonly high: number;
  readonly low: number;
}

/** A Huffman table's counts, u8[16], and values. */
export interface HuffmanTable {
  readonly counts: Uint8Array;
  readonly values: Uint8Array;
}

/** Frame headers are SOF0 .. SOF15, except for the codes of DHT, JPG and DAC. */
export function isFrame(code: number): boolean {
  return code >= 0xc0 && code <= 0xcf && code !== DHT && code !== 0xc8 && code !== 0xcc;
}

/** Whether libjpeg takes a marker (jdmarker.c, read_markers): frames, tables, scans, APP0 .. APP15, DNL and comments. */
export function isKnown(code: number): boolean {
  return (code >= 0xc0 && code <= DRI && code !== 0xc8) || (code >= APP0 && code <= 0xef) || code === COM;
}

/** @throws ClipError IMAGE_FORMAT if the body is damaged or the frame is of a kind that is not supported */
export function readFrame(code: number, body: Uint8Array): FrameHeader {
  if (body.length < 6) throw damaged('the frame header is too short');
  const precision = body[0] as number;
  const count = body[5] as number;
  if (code > SOF2) {
    const kind = code === 0xc3 ? 'lossless' : code >= 0xc9 ? 'arithmetic-coded' : 'hierarchical';
    throw new ClipError('IMAGE_FORMAT', `${kind} JPEG is not supported: convert it to an ordinary JPEG`);
  }
  if (precision !== 8) {
    throw new ClipError('IMAGE_FORMAT', `JPEG with ${precision} bits a sample is not supported, only 8`);
  }
  if (count !== 1 && count !== 3 && count !== 4) {
    throw new ClipError('IMAGE_FORMAT', `JPEG with ${count} color components is not supported, only 1, 3 and 4`);
  }
  if (body.length !== 6 + 3 * count) throw damaged('the frame header has the wrong length');
  const components = Array.from({ length: count }, (_, i) => {
    const at = 6 + 3 * i;
    const factors = body[at + 1] as number;
    const [across, down] = [factors >> 4, factors & 15];
    if (across < 1 || across > 4 || down < 1 || down > 4) {
      throw damaged(`sampling factors of ${across} x ${down}, expected 1 to 4`);
    }
    return { id: body[at] as number, across, down, table: body[at + 2] as number };
  });
  return { height: word(body, 1), width: word(body, 3), progressive: code === SOF2, components };
}

/** @throws ClipError IMAGE_FORMAT */
export function readScan(body: Uint8Array): ScanHeader {
  const count = body[0] ?? 0;
  if (count < 1 || count > 4 || body.length !== 4 + 2 * count) throw damaged('a scan header has the wrong length');
  const components = Array.from({ length: count }, (_, i) => {
    const tables = body[2 + 2 * i] as number;
    return { id: body[1 + 2 * i] as number, dc: tables >> 4, ac: tables & 15 };
  });
  const [first, last, bits] = body.subarray(1 + 2 * count) as unknown as [number, number, number];
  return { components, first, last, high: bits >> 4, low: bits & 15 };
}

/** Puts quantization tables, u16[64] in natural order, where they belong. @throws ClipError IMAGE_FORMAT */
export function readQuantization(body: Uint8Array, tables: (Uint16Array | undefined)[]): void {
  for (let at = 0; at < body.length; ) {
    const head = body[at++] as number;
    const wide = head >> 4 > 0;
    if ((head & 15) > 3) throw damaged(`quantization table ${head & 15}, expected 0 to 3`);
    if (at + (wide ? 128 : 64) > body.length) throw damaged('a quantization table is too short');
    const table = new Uint16Array(64);
    for (const position of ZIGZAG) {
      table[position] = wide ? word(body, at) : (body[at] as number);
      at += wide ? 2 : 1;
    }
    tables[head & 15] = table;
  }
}

/** Puts Huffman tables where they belong: DC tables at 0 to 3, AC tables at 4 to 7. @throws ClipError IMAGE_FORMAT */
export function readHuffman(body: Uint8Array, tables: (HuffmanTable | undefined)[]): void {
  for (let at = 0; at < body.length; ) {
    const head = body[at] as number;
    const counts = body.slice(at + 1, at + 17);
    const count = counts.reduce((sum, n) => sum + n, 0);
    at += 17 + count;
    if (counts.length < 16 || count > 256 || at > body.length) throw damaged('a Huffman table has the wrong length');
    if ((head & 0xe0) !== 0 || (head & 15) > 3) throw damaged(`Huffman table ${head}, expected 0 to 3 or 16 to 19`);
    tables[(head & 15) + (head >> 4) * 4] = { counts, values: body.slice(at - count, at) };
  }
}

/** The restart interval. @throws ClipError IMAGE_FORMAT */
export function readInterval(body: Uint8Array): number {
  if (body.length !== 2) throw damaged('the restart interval has the wrong length');
  return word(body, 0);
}

/** Whether an APP0 segment is JFIF's, which implies YCbCr. */
export function isJfif(body: Uint8Array): boolean {
  return body.length >= 14 && hasText(body, 0, 'JFIF\0');
}

/** The color transform of Adobe's APP14 segment: 0 none, 1 YCbCr, 2 YCCK; undefined for others' segments. */
export function adobeTransform(body: Uint8Array): number | undefined {
  return body.length >= 12 && hasText(body, 0, 'Adobe') ? body[11] : undefined;
}

/** EXIF in an APP1 segment. */
export function exifPart(body: Uint8Array): Uint8Array | undefined {
  return hasText(body, 0, EXIF) ? body.slice(EXIF.length) : undefined;
}

/** XMP in an APP1 segment. */
export function xmpPart(body: Uint8Array): Uint8Array | undefined {
  return hasText(body, 0, XMP) ? body.slice(XMP.length) : undefined;
}

export function damaged(what: string): ClipError {
  return new ClipError('IMAGE_FORMAT', `damaged JPEG: ${what}`);
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function zigzag(): number[] {
  const order: number[] = [];
  for (let diagonal = 0; diagonal < 15; diagonal++) {
    for (let i = 0; i <= diagonal; i++) {
      const [x, y] = diagonal % 2 === 0 ? [i, diagonal - i] : [diagonal - i, i];
      if (x < 8 && y < 8) order.push(8 * y + x);
    }
  }
  return order;
}
