/** Checked reading of a JSON object's fields. Every error names the field, what was expected and what came. */
import { ClipError } from './errors.ts';
import { isObject, show } from './json.ts';

interface Range {
  readonly min: number;
  readonly max: number;
  /** Taken if the field is absent or null. Without it the field is required. */
  readonly or?: number;
}

/** For each option, the values with which it may be ignored. */
export type Neutral = Readonly<Record<string, 'any' | readonly unknown[]>>;

export class Fields {
  readonly #json: Record<string, unknown>;
  readonly #prefix: string;
  readonly #read = new Set<string>();

  /** `prefix` comes before a field's name in messages, e.g. `model_cfg.` or `config.json: `. */
  constructor(json: Record<string, unknown>, prefix: string) {
    this.#json = json;
    this.#prefix = prefix;
  }

  /** The field's full name, e.g. `model_cfg.text_cfg.width`. */
  path(key: string): string {
    return this.#prefix + key;
  }

  /** The field as it is, undefined if it is absent or null. */
  value(key: string): unknown {
    return this.#take(key);
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
    // Without the default: [null, null] is not an absent size.
    return new Fields({ [key]: value[0] }, this.#prefix).integer(key, { min: range.min, max: range.max });
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

  /** Refuses the field if it is there with another value. */
  only(key: string, value: unknown, expected = show(value)): void {
    const found = this.#take(key) ?? value;
    if (found !== value) this.fail(key, expected, found);
  }

  /** A list of strings, empty if absent. */
  strings(key: string): readonly string[] {
    const value = this.#take(key) ?? [];
    const strings = Array.isArray(value) && Array.from(value).every((item) => typeof item === 'string');
    return strings ? (value as string[]) : this.fail(key, 'a list of strings', value);
  }

  object(key: string): Fields {
    const value = this.#take(key);
    if (isObject(value)) return new Fields(value, `${this.path(key)}.`);
    return this.fail(key, 'an object', value);
  }

  fail(key: string, expected: string, value: unknown): never {
    throw new ClipError('CONFIG', `${this.path(key)}: expected ${expected}, got ${show(value)}`);
  }

  /** `what` is a subject with its verb: "CoCa models are". */
  refuse(key: string, what: string): never {
    throw new ClipError('CONFIG', `${this.path(key)} = ${show(this.#get(key))}: ${what} not supported`);
  }

  /**
   * Refuses every field that was not read, unless it is null or has a neutral value: an ignored option would silently
   * give wrong numbers. `falseIsOff`: an unknown option that is false counts as switched off.
   */
  refuseUnread(neutral: Neutral, { falseIsOff }: { readonly falseIsOff: boolean }): void {
    for (const key of Object.keys(this.#json)) {
      const value = this.#get(key);
      const allowed = Object.hasOwn(neutral, key) ? neutral[key] : undefined;
      if (value === undefined || (falseIsOff && value === false) || allowed === 'any') continue;
      if (allowed === undefined ? this.#read.has(key) : allowed.some((item) => show(item) === show(value))) continue;
      this.refuse(key, 'this option is');
    }
  }

  /** The same without counting it as read. */
  #get(key: string): unknown {
    return Object.hasOwn(this.#json, key) ? (this.#json[key] ?? undefined) : undefined;
  }

  #take(key: string): unknown {
    this.#read.add(key);
    return this.#get(key);
  }
}
