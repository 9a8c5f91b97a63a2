/** Comparisons that are fast on long arrays and say where arrays differ. */
import { expect } from 'vitest';

type Values = Float32Array | Int32Array | Int16Array | Uint8Array;

/**
 * The same bits: distinguishes 0 from -0 and one NaN from another.
 * @param width columns of a matrix: the message then has row and column
 */
export function expectSameBits<T extends Values>(actual: T, expected: T, label = '', width?: number): void {
  if (actual.length !== expected.length) expect.fail(`${label}: ${actual.length} values, not ${expected.length}`);
  const a = bits(actual);
  const b = bits(expected);
  const differing: number[] = [];
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) differing.push(i);
  if (differing.length === 0) return;
  const [first] = differing;
  const place = width === undefined ? `value ${first}` : `row ${Math.floor(first! / width)}, column ${first! % width}`;
  expect.fail(`${label}: ${place} is ${actual[first!]}, not ${expected[first!]}${extent(differing, a.length, width)}`);
}

/** The same bits in every row, e.g. the embeddings of a batch; the message has row and column. */
export function expectSameRows(actual: readonly Values[], expected: readonly Values[], label = ''): void {
  if (actual.length !== expected.length) expect.fail(`${label}: ${actual.length} rows, not ${expected.length}`);
  const width = expected[0]?.length ?? 0;
  for (const [row, values] of [...actual, ...expected].entries()) {
    if (values.length !== width) {
      expect.fail(`${label}: row ${row % expected.length} has ${values.length} columns, not ${width}`);
    }
  }
  const joined = (rows: readonly Values[]) => Float32Array.from(rows.flatMap((row) => [...row]));
  expectSameBits(joined(actual), joined(expected), label, width);
}

/** How many values differ, and in which rows and columns they are: a thread's part of a product shows in this. */
function extent(differing: readonly number[], n: number, width?: number): string {
  const count = `; ${differing.length} of ${n} values differ`;
  if (width === undefined) return count;
  const range = (places: readonly number[]) => {
    const sorted = [...new Set(places)].sort((a, b) => a - b);
    return sorted.length === 1 ? `${sorted[0]}` : `${sorted[0]} to ${sorted.at(-1)}`;
  };
  const rows = range(differing.map((i) => Math.floor(i / width)));
  const columns = range(differing.map((i) => i % width));
  return `${count}, in rows ${rows}, columns ${columns}`;
}

const bits = (array: Values) =>
  array instanceof Float32Array ? new Uint32Array(array.buffer, array.byteOffset, array.length) : array;

/** |actual - expected| <= tolerance at each place; NaN is never close. */
export function expectClose(
  actual: Float32Array,
  expected: ArrayLike<number>,
  tolerance: number | ArrayLike<number>,
  label = '',
): void {
  if (actual.length !== expected.length) expect.fail(`${label}: ${actual.length} values, not ${expected.length}`);
  for (let i = 0; i < actual.length; i++) {
    const allowed = typeof tolerance === 'number' ? tolerance : tolerance[i]!;
    if (!(Math.abs(actual[i]! - expected[i]!) <= allowed)) {
      expect.fail(`${label}: value ${i} is ${actual[i]}, not ${expected[i]} +- ${allowed}`);
    }
  }
}
