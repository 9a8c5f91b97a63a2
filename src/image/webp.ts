/**
 * The structure of a WebP file (RFC 9649): size, metadata, whether it is complete; and the first frame of an animation as a
 * still WebP, since the decoder reads only those.
 */
import { ClipError } from '../errors.ts';
import type { Metadata } from './orientation.ts';

/** Bytes of a chunk's name and length, and of the file header. */
const CHUNK = 8;
const RIFF = 12;

export interface WebpHeader {
  /** Size of the picture, for an animation of its canvas. */
  readonly width: number;
  readonly height: number;
  readonly animated: boolean;
}

/** The first frame of an animation: a still WebP and its position on the canvas. The remaining canvas is black. */
export interface WebpFrame extends WebpHeader {
  readonly bytes: Uint8Array;
  readonly left: number;
  readonly top: number;
}

interface Chunk {
  readonly name: string;
  readonly body: Uint8Array;
  /** Offset of the chunk behind it. */
  readonly next: number;
}

/** @throws ClipError IMAGE_TRUNCATED or IMAGE_FORMAT */
export function readWebpHeader(bytes: Uint8Array): WebpHeader {
  const { name, body } = chunkAt(bytes, RIFF);
  if (name === 'VP8X') {
    if (body.length < 10) throw truncated(bytes);
    return { width: 1 + number24(body, 4), height: 1 + number24(body, 7), animated: ((body[0] as number) & 2) !== 0 };
  }
  return { ...stillSize(name, body, bytes), animated: false };
}

/** @throws ClipError IMAGE_TRUNCATED if the file is shorter than its header says */
export function checkWebpEnd(bytes: Uint8Array): void {
  const size = number32(bytes, 4) + CHUNK;
  if (bytes.length < size) throw truncated(bytes);
}

/** EXIF and XMP chunks. As in libwebp's demuxer, those that the extended header does not announce do not count. */
export function webpMetadata(bytes: Uint8Array): Metadata {
  const { name, body } = chunkAt(bytes, RIFF);
  const flags = name === 'VP8X' ? (body[0] as number) : 0;
  const announced = (flag: number, chunk: string) => (flags & flag ? find(bytes, RIFF, chunk)?.body : undefined);
  return { exif: announced(0x08, 'EXIF'), xmp: announced(0x04, 'XMP ') };
}

/** @throws ClipError IMAGE_FORMAT if the animation has no frame */
export function firstWebpFrame(bytes: Uint8Array): WebpFrame {
  const frame = find(bytes, RIFF, 'ANMF')?.body;
  if (!frame || frame.length < 16) throw new ClipError('IMAGE_FORMAT', 'damaged animated WebP: no first frame');
  const parts: Uint8Array[] = [];
  for (let at = 16; at + CHUNK <= frame.length; ) {
    const { name, next } = chunkAt(frame, at);
    const part = frame.subarray(at, next);
    at = next;
    if (name === 'ALPH') parts.push(part);
    if (name !== 'VP8 ' && name !== 'VP8L') continue;
    const { width, height } = stillSize(name, part.subarray(CHUNK), bytes);
    // Alpha beside a lossy picture needs the extended header: its flag 0x10, three reserved bytes, width - 1, height - 1.
    if (parts.length > 0) {
      const [w, h] = [width - 1, height - 1];
      parts.unshift(chunk('VP8X', [0x10, 0, 0, 0, w & 255, (w >> 8) & 255, w >> 16, h & 255, (h >> 8) & 255, h >> 16]));
    }
    parts.push(part);
    const left = 2 * number24(frame, 0);
    const top = 2 * number24(frame, 3);
    return { width, height, left, top, animated: true, bytes: riff(parts) };
  }
  throw new ClipError('IMAGE_FORMAT', 'damaged animated WebP: its first frame has no image data');
}

/** Size from the bitstream's own header: VP8 (RFC 6386, 9.1) and VP8L. */
function stillSize(name: string, body: Uint8Array, file: Uint8Array): { width: number; height: number } {
  if (name === 'VP8 ') {
    if (body.length < 10) throw truncated(file);
    if (body[3] !== 0x9d || body[4] !== 0x01 || body[5] !== 0x2a)
      throw new ClipError('IMAGE_FORMAT', 'damaged WebP: no VP8 key frame');
    return { width: number16(body, 6) & 0x3fff, height: number16(body, 8) & 0x3fff };
  }
  if (name !== 'VP8L') throw new ClipError('IMAGE_FORMAT', `damaged WebP: the first chunk is ${JSON.stringify(name)}`);
  if (body.length < 5) throw truncated(file);
  if (body[0] !== 0x2f) throw new ClipError('IMAGE_FORMAT', 'damaged WebP: no VP8L signature');
  const bits = number32(body, 1);
  return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
}

function find(bytes: Uint8Array, start: number, name: string): Chunk | undefined {
  for (let at = start; at + CHUNK <= bytes.length; ) {
    const found = chunkAt(bytes, at);
    if (found.name === name) return found;
    at = found.next;
  }
  return undefined;
}

function chunkAt(bytes: Uint8Array, at: number): Chunk {
  if (at + CHUNK > bytes.length) throw truncated(bytes);
  const length = number32(bytes, at + 4);
  const body = bytes.subarray(at + CHUNK, at + CHUNK + length);
  // Chunks are padded to even lengths.
  return { name: String.fromCharCode(...bytes.subarray(at, at + 4)), body, next: at + CHUNK + length + (length % 2) };
}

function chunk(name: string, body: readonly number[]): Uint8Array {
  return Uint8Array.of(...Array.from(name, (letter) => letter.charCodeAt(0)), body.length, 0, 0, 0, ...body);
}

function riff(parts: readonly Uint8Array[]): Uint8Array {
  // A last chunk of odd length may lack its padding in the frame.
  const size = parts.reduce((sum, part) => sum + part.length + (part.length % 2), 0);
  const bytes = new Uint8Array(RIFF + size);
  bytes.set(Array.from('RIFF....WEBP', (letter) => letter.charCodeAt(0)));
  new DataView(bytes.buffer).setUint32(4, size + 4, true);
  let at = RIFF;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length + (part.length % 2);
  }
  return bytes;
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
