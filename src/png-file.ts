/** Writing a picture as a PNG file (PNG specification, third edition), for pages that show it. */
import { deflateSync } from 'node:zlib';
import { crc32 } from './crc32.ts';

/** RGB bytes as a PNG file; each line is stored as differences from the pixel before it. */
export function png(rgb: Uint8Array, width: number, height: number): Uint8Array {
  const row = width * 3;
  const lines = new Uint8Array(height * (row + 1));
  for (let y = 0; y < height; y++) {
    lines[y * (row + 1)] = 1; // filter "Sub"
    for (let x = 0; x < row; x++) {
      const left = x < 3 ? 0 : rgb[y * row + x - 3]!;
      lines[y * (row + 1) + 1 + x] = rgb[y * row + x]! - left;
    }
  }
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8); // bits a channel
  header.setUint8(9, 2); // RGB
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', new Uint8Array(header.buffer)),
    chunk('IDAT', deflateSync(lines, { level: 9 })),
    chunk('IEND', new Uint8Array(0)),
  ]);
}

function chunk(type: string, data: Uint8Array): Buffer {
  const out = Buffer.alloc(data.length + 12);
  out.writeUInt32BE(data.length, 0);
  out.write(type, 4, 'latin1');
  out.set(data, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)) >>> 0, 8 + data.length);
  return out;
}
