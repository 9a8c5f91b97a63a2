/** The kernels of PNG's rows against plain code. */
import { readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../src/crc32.ts';
import { CRC_TABLES } from '../../src/image/contract.ts';
import { Workspace } from '../../src/image/workspace.ts';
import { Random } from '../kernels/random.ts';

const file = (path: string) => new WebAssembly.Module(readFileSync(new URL(`../../${path}`, import.meta.url)));

/** PNG specification, 9.2. */
function unfiltered(type: number, row: Uint8Array, above: Uint8Array, pixel: number): Uint8Array {
  const out = new Uint8Array(row.length);
  for (let i = 0; i < row.length; i++) {
    const a = i >= pixel ? out[i - pixel]! : 0;
    const b = above[i]!;
    const c = i >= pixel ? above[i - pixel]! : 0;
    const p = a + b - c;
    const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
    const paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    out[i] = row[i]! + [0, a, b, (a + b) >> 1, paeth][type]!;
  }
  return out;
}

describe.each([
  ['debug', file('build/pictures-debug.wasm')],
  ['release', file('dist/pictures.wasm')],
])('the %s build', (_, module) => {
  const workspace = new Workspace(module);
  const { kernels } = workspace;
  const [from, above, to] = [0, 1, 2].map(() => workspace.reserve(8192)) as [number, number, number];
  const random = new Random(9);
  const put = (at: number, bytes: Uint8Array) => workspace.bytes.set(bytes, at);
  const got = (bytes: number) => workspace.bytes.slice(to, to + bytes);

  it('undoes every filter for pixels of every size and rows of every length', () => {
    for (const pixel of [1, 2, 3, 4, 6, 8]) {
      for (let type = 0; type <= 4; type++) {
        for (let pixels = 1; pixels <= 40; pixels++) {
          const bytes = pixels * pixel;
          // Extreme values, too: their differences leave the range of a byte.
          const values = () => random.bytes(bytes).map((x) => (x < 40 ? 0 : x > 215 ? 255 : x));
          const [row, before] = [values(), values()];
          put(from, row);
          put(above, before);
          kernels.unfilterRow(type, from, above, to, bytes, pixel);
          expect(got(bytes), `type ${type}, ${pixels} of ${pixel}`).toEqual(unfiltered(type, row, before, pixel));
        }
      }
    }
  });

  it('finds the Paeth predictor of all a, b and c', () => {
    const values = [0, 1, 2, 3, 63, 64, 65, 126, 127, 128, 129, 191, 192, 253, 254, 255];
    for (const a of values) {
      for (const b of values) {
        for (const c of values) {
          const [row, before] = [Uint8Array.of(a - c, 0), Uint8Array.of(c, b)];
          put(from, row);
          put(above, before);
          kernels.unfilterRow(4, from, above, to, 2, 1);
          expect(got(2)).toEqual(unfiltered(4, row, before, 1));
        }
      }
    }
  });

  it('makes bytes of samples of any depth', () => {
    const palette = random.bytes(1024).map((x, i) => (i % 4 === 3 ? 0 : x));
    for (let count = 1; count <= 70; count++) {
      const row = random.bytes(8 * count).map((x) => (x < 60 ? 0 : x));
      put(from, row);
      put(above, palette);
      kernels.everySecond(from, to, count);
      expect(got(count)).toEqual(Uint8Array.from({ length: count }, (_, i) => row[2 * i]!));
      kernels.clip16(from, to, count);
      expect(got(count)).toEqual(
        Uint8Array.from({ length: count }, (_, i) => Math.min(255, row[2 * i]! * 256 + row[2 * i + 1]!)),
      );
      kernels.lookUp(from, above, to, count);
      expect(got(3 * count)).toEqual(
        Uint8Array.from({ length: 3 * count }, (_, i) => palette[4 * row[Math.floor(i / 3)]! + (i % 3)]!),
      );
      for (const depth of [1, 2, 4]) {
        const scale = 255 / (2 ** depth - 1);
        kernels.unpackBits(from, to, count, depth, scale);
        const sample = (i: number) => (row[(i * depth) >> 3]! >> (8 - depth - ((i * depth) & 7))) & (2 ** depth - 1);
        expect(got(count)).toEqual(Uint8Array.from({ length: count }, (_, i) => sample(i) * scale));
      }
      for (const channels of [1, 3, 4]) {
        const kept = Math.min(channels, 3);
        const step = 2 * kept;
        workspace.bytes.fill(7, to, to + count * step);
        kernels.scatter(from, to, count, channels, step);
        const placed = (i: number) => (i % step < kept ? row[Math.floor(i / step) * channels + (i % step)]! : 7);
        expect(got(count * step)).toEqual(Uint8Array.from({ length: count * step }, (_, i) => placed(i)));
      }
    }
  });

  it('sums up as PNG and zlib do', () => {
    const tables = workspace.reserve(CRC_TABLES * 1024);
    kernels.crcTables(tables);
    const at = workspace.reserve(100_000);
    for (const bytes of [0, 1, 15, 16, 17, 63, 5552, 5568, 99_999]) {
      const data = bytes === 99_999 ? new Uint8Array(bytes).fill(255) : random.bytes(bytes);
      put(at, data);
      expect(kernels.crc32(tables, 0, at, bytes) >>> 0).toBe(crc32(data));
      const half = bytes >> 1;
      expect(kernels.crc32(tables, crc32(data.subarray(0, half)), at + half, bytes - half) >>> 0).toBe(crc32(data));
      const adler = deflateSync(data).readUInt32BE(deflateSync(data).length - 4);
      expect(kernels.adler32(1, at, bytes) >>> 0).toBe(adler);
      expect(kernels.adler32(kernels.adler32(1, at, half), at + half, bytes - half) >>> 0).toBe(adler);
    }
  });
});
