/**
 * The structure of a WebP file (RFC 9649): size, metadata, whether it is complete; and its picture, or the first of an animation,
 * as a file of nothing else. That is all that the decoder gets: alpha does not change the colors, and passing over millions of
 * chunks takes it minutes.
 */

import { hasText } from '../bytes.ts';
import { ClipError } from '../errors.ts';
import type { Metadata } from './orientation.ts';

/** Bytes of a chunk's name and length, of the file header, and of a frame's position and size. */
const CHUNK = 8;
const RIFF = 12;
const FRAME = 16;

export interface WebpHeader {
  /** Size of the picture, for an animation of its canvas. */
  readonly width: number;
  readonly height: number;
  readonly animated: boolean;
}

/** A picture as a file of its own, and its position on the canvas of an animation. The remaining canvas is black. */
export interface WebpPicture {
  readonly width: number;
  readonly height: number;
  readonly bytes: Uint8Array;
  readonly left: number;
  readonly top: number;
}

/** @throws ClipError IMAGE_TRUNCATED or IMAGE_FORMAT */
export function readWebpHeader(bytes: Uint8Array): WebpHeader {
  if (RIFF + CHUNK > bytes.length) throw truncated(bytes);
  const body = bodyAt(bytes, RIFF);
  if (hasText(bytes, RIFF, 'VP8X')) {
    if (body.length < 10) throw truncated(bytes);
    return { width: 1 + number24(body, 4), height: 1 + number24(body, 7), animated: ((body[0] as number) & 2) !== 0 };
  }
  return { ...stillSize(bytes, RIFF, bytes), animated: false };
}

/** @throws ClipError IMAGE_TRUNCATED if the file is shorter than its header says */
export function checkWebpEnd(bytes: Uint8Array): void {
  const size = number32(bytes, 4) + CHUNK;
  if (bytes.length < size) throw truncated(bytes);
}

/** EXIF and XMP chunks. As in libwebp's demuxer, those that the extended header does not announce do not count. */
export function webpMetadata(bytes: Uint8Array): Metadata {
  const flags = hasText(bytes, RIFF, 'VP8X') ? (bodyAt(bytes, RIFF)[0] as number) : 0;
  const announced = (flag: number, chunk: string) => {
    const at = flags & flag ? find(bytes, RIFF, chunk) : undefined;
    return at === undefined ? undefined : bodyAt(bytes, at);
  };
  return { exif: announced(0x08, 'EXIF'), xmp: announced(0x04, 'XMP ') };
}

/**
 * The picture of a still file, the first of an animation.
 * @throws ClipError IMAGE_FORMAT if there is none, or it does not fit
 */
export function webpPicture(bytes: Uint8Array, header: WebpHeader): WebpPicture {
  const { width, height, animated } = header;
  if (!animated) {
    const picture = still(bytes, RIFF, bytes);
    if (!picture) throw damaged('WebP: no image data');
    if (picture.width !== width || picture.height !== height) throw damaged('WebP: its picture has another size');
    return { ...picture, left: 0, top: 0 };
  }
  const at = find(bytes, RIFF, 'ANMF');
  const frame = at === undefined ? undefined : bodyAt(bytes, at);
  if (!frame || frame.length < FRAME) throw damaged('animated WebP: no first frame');
  const picture = still(frame, FRAME, bytes);
  if (!picture) throw damaged('animated WebP: its first frame has no image data');
  const left = 2 * number24(frame, 0);
  const top = 2 * number24(frame, 3);
  if (left + picture.width > width || top + picture.height > height) {
    throw damaged('animated WebP: its first frame reaches beyond the canvas');
  }
  return { ...picture, left, top };
}

/** The first picture among the chunks from `start`. */
function still(bytes: Uint8Array, start: number, file: Uint8Array): Omit<WebpPicture, 'left' | 'top'> | undefined {
  const at = find(bytes, start, 'VP8 ', 'VP8L');
  if (at === undefined) return undefined;
  const size = stillSize(bytes, at, file);
  const chunk = bytes.subarray(at, at + CHUNK + number32(bytes, at + 4));
  // A last chunk of odd length may lack its padding.
  const alone = new Uint8Array(RIFF + chunk.length + (chunk.length % 2));
  alone.set(Array.from('RIFF....WEBP', (letter) => letter.charCodeAt(0)));
  new DataView(alone.buffer).setUint32(4, alone.length - CHUNK, true);
  alone.set(chunk, RIFF);
  return { ...size, bytes: alone };
}

/** Size from the bitstream's own header: VP8 (RFC 6386, 9.1) and VP8L. */
function stillSize(bytes: Uint8Array, at: number, file: Uint8Array): { width: number; height: number } {
  const body = bodyAt(bytes, at);
  if (hasText(bytes, at, 'VP8 ')) {
    if (body.length < 10) throw truncated(file);
    if (body[3] !== 0x9d || body[4] !== 0x01 || body[5] !== 0x2a) throw damaged('WebP: no VP8 key frame');
    return { width: number16(body, 6) & 0x3fff, height: number16(body, 8) & 0x3fff };
  }
  if (!hasText(bytes, at, 'VP8L')) {
    const name = String.fromCharCode(...bytes.subarray(at, at + 4));
    throw damaged(`WebP: the first chunk is ${JSON.stringify(name)}`);
  }
  if (body.length < 5) throw truncated(file);
  if (body[0] !== 0x2f) throw damaged('WebP: no VP8L signature');
  const bits = number32(body, 1);
  return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
}

/** Where the first chunk of one of these names begins. Nothing is made for those before it: there may be millions. */
function find(bytes: Uint8Array, start: number, ...names: string[]): number | undefined {
  const wanted = names.map((name) =>
    number32(
      Uint8Array.from(name, (letter) => letter.charCodeAt(0)),
      0,
    ),
  );
  for (let at = start; at + CHUNK <= bytes.length; ) {
    if (wanted.includes(number32(bytes, at))) return at;
    const length = number32(bytes, at + 4);
    at += CHUNK + length + (length % 2); // padded to even lengths
  }
  return undefined;
}

/** The content of the chunk at `at`, as far as it is there. */
function bodyAt(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.subarray(at + CHUNK, at + CHUNK + number32(bytes, at + 4));
}

function damaged(what: string): ClipError {
  return new ClipError('IMAGE_FORMAT', `damaged ${what}`);
}

function truncated(bytes: Uint8Array): ClipError {
  const says = bytes.length >= 8 ? `, its header says ${number32(bytes, 4) + CHUNK}` : '';
  return new ClipError('IMAGE_TRUNCATED', `truncated WebP: the file ends after ${bytes.length} bytes${says}`);
}

function number16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

function number24(bytes: Uint8Array, at: number): number {
  return number16(bytes, at) | ((bytes[at + 2] as number) << 16);
}

function number32(bytes: Uint8Array, at: number): number {
  return (number24(bytes, at) | ((bytes[at + 3] as number) << 24)) >>> 0;
}
