/** What values must be, whatever file they come from: finite, and some within a range. */
import { ClipError } from '../errors.ts';

const NOT_FINITE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/**
 * Refuses NaN and infinity.
 * @param what names the values in the message, as in "tensor x"
 * @param shape for the index in the message; default that of a vector
 * @param first flat index of the first value
 * @throws ClipError `WEIGHTS_VALUE`
 */
export function requireFinite(
  values: Float32Array,
  what: string,
  shape: readonly number[] = [values.length],
  first = 0,
): void {
  // The engine's own search: a callback per value takes 10 ms for a ViT-B/32, and megabytes of garbage.
  if (!NOT_FINITE.some((value) => values.includes(value))) return;
  const index = values.findIndex((value) => !Number.isFinite(value));
  throw new ClipError(
    'WEIGHTS_VALUE',
    `${what} has ${values[index]} at index [${placeOf(first + index, shape).join(', ')}]`,
  );
}

/**
 * Refuses values outside a range.
 * @throws ClipError `WEIGHTS_VALUE`
 */
export function requireRange(values: Float32Array, what: string, [least, most]: readonly [number, number]): void {
  const wrong = values.find((value) => !(value >= least && value <= most));
  if (wrong === undefined) return;
  throw new ClipError('WEIGHTS_VALUE', `${what} has ${wrong}, expected a value from ${least} to ${most}`);
}

/** The index in every dimension of the element at a flat, row-major index. */
function placeOf(flat: number, shape: readonly number[]): number[] {
  const place: number[] = [];
  for (const size of [...shape].reverse()) {
    place.unshift(flat % size);
    flat = Math.floor(flat / size);
  }
  return place;
}
