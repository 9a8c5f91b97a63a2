/** Checks of arguments: what came, and what to do instead, in one sentence. */

/** What an option must be; `any` is checked where it is used. `undefined` always means the default. */
export type OptionType = 'boolean' | 'number' | 'string' | 'function' | 'signal' | 'any';

/**
 * Checks an options object: its own names and their types.
 * @param call what messages begin with, e.g. `encodeImage`
 * @param advice what to do if something else than an object of options came, e.g. a second picture
 * @throws TypeError if it is not an object, has a name that is not among `types`, or a value of another type
 */
export function checkOptions(
  call: string,
  options: unknown,
  types: Readonly<Record<string, OptionType>>,
  advice?: string,
): void {
  if (Object.prototype.toString.call(options) !== '[object Object]') {
    const todo = advice === undefined || options === null ? '' : `; ${advice}`;
    throw new TypeError(`${call}: the options must be an object, got ${kindOf(options)}${todo}`);
  }
  for (const [name, value] of Object.entries(options as object)) {
    const type = Object.hasOwn(types, name) ? types[name]! : undefined;
    if (type === undefined) {
      const names = Object.keys(types);
      const near = nearestName(name, names);
      const known = near === undefined ? `; known are ${names.join(', ')}` : `; did you mean ${near}?`;
      throw new TypeError(`${call}: unknown option "${name}"${known}`);
    }
    if (value === undefined || type === 'any') continue;
    if (type === 'signal') {
      if (!isSignal(value)) throw new TypeError(`${call}: signal must be an AbortSignal, got ${kindOf(value)}`);
    } else if (typeof value !== type) {
      throw new TypeError(`${call}: ${name} must be a ${type}, got ${kindOf(value)}`);
    }
  }
}

/** By what it can do, as runtimes and test runners mix realms. */
function isSignal(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { aborted, addEventListener, removeEventListener, throwIfAborted } = value as AbortSignal;
  const methods = [addEventListener, removeEventListener, throwIfAborted];
  return typeof aborted === 'boolean' && methods.every((method) => typeof method === 'function');
}

/** A value in a message: `null`, `an array`, `a string ("cat")`, `a Float64Array`. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string')
    return `a string (${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value)})`;
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (Array.isArray(value)) return 'an array';
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (tag === 'Object') return 'an object';
  return `${/^[AEIO]/.test(tag) ? 'an' : 'a'} ${tag}`;
}

/** Whether it is a Float32Array, of this realm or another. */
export function isFloat32Array(value: unknown): value is Float32Array {
  return Object.prototype.toString.call(value) === '[object Float32Array]';
}

/** The name that was probably meant: the same but for case, or at most two edits away. */
function nearestName(wrong: string, names: readonly string[]): string | undefined {
  const distances = names.map((name) => ({ name, edits: editDistance(wrong.toLowerCase(), name.toLowerCase()) }));
  const [best] = distances.sort((a, b) => a.edits - b.edits);
  return best && best.edits <= Math.min(2, best.name.length / 2) ? best.name : undefined;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
