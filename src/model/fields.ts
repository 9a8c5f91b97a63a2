/** Checked reading of a JSON object's fields. Every error names the field, what was expected and what came. */
import { ClipError } from '../errors.ts';

interface Range {
  readonly min: number;
  readonly max: number;
  /** Taken if the field is absent or null. Without it the field is required. */
  readonly or?: number;
}

/** For each option the values under which it may stand unread. */
type Neutral = Readonly<Record<string, 'any' | readonly unknown[]>>;

export class Fields {
  readonly #json: Record<string, unknown>;
  readonly #path: string;
  readonly #read = new Set<string>();

  /** `path` is what comes before the field's name in messages, empty for the outermost object. */
  constructor(json: Record<string, unknown>, path: string) {
    this.#json = json;
    this.#path = path;
  }

  /** The field's full name, e.g. `model_cfg.text_cfg.width`. */
  path(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }

  /** The field as it is, undefined if it is absent or null. */
  value(key: string): unknown {
    return Object.hasOwn(this.#json, key) ? (this.#json[key] ?? undefined) : undefined;
  }

  has(key: string): boolean {
    return this.#take(key) !== undefined;
  }

  number(key: string, { min, max, or }: Range): number {
    const value = this.#take(key) ?? or;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    return this.fail(key, `a number from ${min} to ${max}`, value);
  }

  integer(key: string, { min, max, or }: Range): number {
    const value = this.#take(key) ?? or;
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
    return this.fail(key, min === max ? String(min) : `an integer from ${min} to ${max}`, value);
  }

  /** An integer, or a list of two equal ones (height and width). */
  square(key: string, range: Range): number {
    const value = this.#take(key);
    if (!Array.isArray(value)) return this.integer(key, range);
    if (value.length !== 2 || value[0] !== value[1]) return this.fail(key, 'the side of a square', value);
    return new Fields({ [key]: value[0] }, this.#path).integer(key, range);
  }

  /** False if absent. */
  flag(key: string): boolean {
    const value = this.#take(key) ?? false;
    if (typeof value === 'boolean') return value;
    return this.fail(key, 'true or false', value);
  }

  oneOf<T extends string>(key: string, choices: readonly T[], or: T): T {
    const value = this.#take(key) ?? or;
    const choice = choices.find((item) => item === value);
    return choice ?? this.fail(key, choices.map(show).join(' or '), value);
  }

  object(key: string): Fields {
    const value = this.#take(key);
    if (isObject(value)) return new Fields(value, this.path(key));
    return this.fail(key, 'an object', value);
  }

  fail(key: string, expected: string, value: unknown): never {
    throw new ClipError('CONFIG', `${this.path(key)}: expected ${expected}, got ${show(value)}`);
  }

  /** `what` is a subject with its verb: "CoCa models are". */
  refuse(key: string, what: string): never {
    throw new ClipError('CONFIG', `${this.path(key)} = ${show(this.value(key))}: ${what} not supported`);
  }

  /**
   * Refuses what has not been read, unless it is switched off (null or false) or has a neutral value: an option that is
   * passed over would give wrong numbers without a word.
   */
  refuseUnread(neutral: Neutral): void {
    for (const key of Object.keys(this.#json)) {
      const value = this.value(key);
      const allowed = Object.hasOwn(neutral, key) ? neutral[key] : undefined;
      if (value === undefined || value === false || allowed === 'any') continue;
      if (allowed === undefined ? this.#read.has(key) : allowed.some((item) => show(item) === show(value))) continue;
      this.refuse(key, 'this option is');
    }
  }

  #take(key: string): unknown {
    this.#read.add(key);
    return this.value(key);
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON value on one line, cut. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
