/** What readers of other people's JSON share: telling an object, and showing a value in a message. */

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Maximum number of characters of a value that a message shows. */
const SHOWN = 80;

/** A value on one line, cut. Never throws: what JSON cannot hold, or the stack cannot, is shown as `[...]` or `{...}`. */
export function show(value: unknown): string {
  const text = toText(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN - 3)}...` : text;
}

function toText(value: unknown): string {
  // JSON would write NaN and Infinity as null.
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  try {
    const finite = (_: string, item: unknown) =>
      typeof item === 'number' && !Number.isFinite(item) ? String(item) : item;
    return JSON.stringify(value, finite) ?? (value === undefined ? 'nothing' : `a ${typeof value}`);
  } catch {
    return Array.isArray(value) ? '[...]' : '{...}';
  }
}
