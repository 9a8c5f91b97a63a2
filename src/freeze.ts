/** What the package hands out cannot be changed by its callers. */

/** Freezes plain objects and arrays with all they hold, and returns the value. Do not pass a caller's own objects. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  for (const item of Object.values(value)) deepFreeze(item);
  return Object.freeze(value);
}
