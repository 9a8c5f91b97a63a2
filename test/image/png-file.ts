/** PNG files for tests, chunk by chunk. */
import { deflateSync } from 'node:zlib';
import { concatenate } from '../../src/bytes.ts';
import { crc32 } from '../../src/crc32.ts';

export const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** A chunk with its checksum, or another one. */
export function chunk(type: string, body: Uint8Array = new Uint8Array(0), sum?: number): Uint8Array {
  const bytes = new Uint8Array(12 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.length);
  bytes.set(Buffer.from(type, 'latin1'), 4);
  bytes.set(body, 8);
  view.setUint32(8 + body.length, sum ?? crc32(bytes.subarray(4, 8 + body.length)));
  return bytes;
}

/** The header chunk. Color types: 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA. */
export function header(width: number, height: number, colorType = 2, depth = 8, interlace = 0): Uint8Array {
  const body = new Uint8Array(13);
  const view = new DataView(body.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  body.set([depth, colorType, 0, 0, interlace], 8);
  return chunk('IHDR', body);
}

/** A file of these chunks and the end's. */
export function pngOf(...chunks: Uint8Array[]): Uint8Array {
  return concatenate([SIGNATURE, ...chunks, chunk('IEND')]);
}

/** Pixels of 3 or 4 channels as a file; its rows have no filter. */
export function encodePng(data: ArrayLike<number>, width: number, height: number, channels: 3 | 4): Uint8Array {
  const rows = new Uint8Array(height * (1 + width * channels));
  for (let i = 0; i < width * height * channels; i++) rows[i + Math.floor(i / (width * channels)) + 1] = data[i]!;
  return pngOf(header(width, height, channels === 4 ? 6 : 2), chunk('IDAT', deflateSync(rows)));
}
