/** assembly/packed-rows.ts: where a value of an [m, k] matrix stands. Groups of 5 rows, the last of 1 to 4. */
import type { RowLayout } from '../builds.ts';
import { mul, roundEven } from './float.ts';

const GROUP = 5;

/** Bytes of m packed rows: whole groups are 5 rows, the last only as many as it has. */
export const packedBytes = (m: number, k: number, cell: 2 | 4) => m * k * cell;

function* cells(m: number, k: number) {
  for (let r = 0; r < m; r++) {
    const first = r - (r % GROUP);
    const rows = Math.min(GROUP, m - first);
    for (let i = 0; i < k; i++) yield { from: r * k + i, start: first * k, rows, row: r - first, i };
  }
}

/** [k/2][rows][2] i16, or [k/4][rows][hi x4, lo x4] bytes with value = 128 (hi - 64) + lo. */
export function packInt16(values: ArrayLike<number>, m: number, k: number, layout: RowLayout): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(packedBytes(m, k, 2));
  const shorts = new Int16Array(bytes.buffer);
  for (const { from, start, rows, row, i } of cells(m, k)) {
    const value = values[from]!;
    if (layout === 'simd') {
      shorts[start + ((i >> 1) * rows + row) * 2 + (i & 1)] = value;
      continue;
    }
    const quad = start * 2 + ((i >> 2) * rows + row) * 8 + (i & 3);
    const low = ((value % 128) + 128) % 128;
    const high = (value - low) / 128 + 64;
    if (high < 0 || high > 127) throw new RangeError(`${value} does not fit the relaxed layout`);
    bytes[quad] = high;
    bytes[quad + 4] = low;
  }
  return bytes;
}

/** The [m, k] matrix that packed rows stand for. */
export function unpackInt16(packed: Uint8Array<ArrayBuffer>, m: number, k: number, layout: RowLayout): Int16Array {
  const shorts = new Int16Array(packed.buffer, packed.byteOffset, packed.length / 2);
  const values = new Int16Array(m * k);
  for (const { from, start, rows, row, i } of cells(m, k)) {
    const pair = start + ((i >> 1) * rows + row) * 2 + (i & 1);
    const quad = start * 2 + ((i >> 2) * rows + row) * 8 + (i & 3);
    values[from] = layout === 'simd' ? shorts[pair]! : 128 * (packed[quad]! - 64) + packed[quad + 4]!;
  }
  return values;
}

/** [k][rows] f32. */
export function packFloats(values: ArrayLike<number>, m: number, k: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(m * k);
  for (const { from, start, rows, row, i } of cells(m, k)) out[start + i * rows + row] = values[from]!;
  return out;
}

/** Rows as integers of at most aMax, and each row's scale. */
export function quantize(x: Float32Array, m: number, k: number, aMax: number) {
  const values = new Int16Array(m * k);
  const scale = new Float32Array(m);
  for (let r = 0; r < m; r++) {
    const row = x.subarray(r * k, (r + 1) * k);
    const largest = row.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    const inverse = largest > 0 ? Math.fround(aMax / largest) : 0;
    scale[r] = largest / aMax;
    for (let i = 0; i < k; i++) values[r * k + i] = roundEven(mul(row[i]!, inverse));
  }
  return { values, scale };
}
