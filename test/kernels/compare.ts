/** Comparisons that are quick on long arrays and say where the first difference stands. */
import { expect } from 'vitest';

/** The same bits: tells 0 from -0 and one NaN from another. */
export function expectSameBits<T extends Float32Array | Int32Array | Int16Array | Uint8Array>(
  actual: T,
  expected: T,
  label = '',
): void {
  if (actual.length !== expected.length) expect.fail(`${label}: ${actual.length} values, not ${expected.length}`);
  const a = bits(actual);
  const b = bits(expected);
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) expect.fail(`${label}: value ${i} is ${actual[i]}, not ${expected[i]}`);
  }
}

const bits = (array: Float32Array | Int32Array | Int16Array | Uint8Array) =>
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
