/** Token ids as a caller gives them. */

/** Token ids of one text: an array or typed array, e.g. the BigInt64Array that ONNX tokenizers give. */
export type TokenIds = ArrayLike<number> | ArrayLike<bigint>;

/**
 * One text's ids as an array of numbers, a copy. What the numbers are, `pooledLength` checks.
 * @param row which row of the caller's list this is, for messages
 * @throws TypeError if it is not an array or a typed array
 */
export function copyTokenIds(ids: unknown, row: number): number[] {
  if (!isList(ids)) throw new TypeError(`token ids must be arrays of integers, row ${row} is ${describeId(ids)}`);
  return Array.from(ids as ArrayLike<number | bigint>, (id) => (typeof id === 'bigint' ? Number(id) : id));
}

/** An array or a typed array, of this realm or another. */
function isList(value: unknown): boolean {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && tag(value) !== 'DataView');
}

function tag(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** A value that is not an id or not a list of them, for messages. */
export function describeId(value: unknown): string {
  if (typeof value === 'object' && value !== null) return tag(value);
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);
}
