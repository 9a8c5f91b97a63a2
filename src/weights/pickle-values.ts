/** Python's objects as a pickle's reader gives them. */

/** Python's None is null; lists and tuples are arrays; dicts are maps; sets are arrays. */
export type PickleValue = unknown;

/** What stands for a Python class or function: called with the arguments, it returns the value. */
export class PickleClass {
  /** As Python spells it, e.g. `collections.OrderedDict`. */
  readonly path: string;
  readonly make: (args: readonly PickleValue[]) => PickleValue;

  constructor(path: string, make: (args: readonly PickleValue[]) => PickleValue) {
    this.path = path;
    this.make = make;
  }
}

/** An instance of a class that is known by name only. */
export class InertRecord {
  readonly path: string;
  readonly args: readonly PickleValue[];
  /** What `__setstate__` would have been given, e.g. the attributes. */
  state: PickleValue = null;

  constructor(path: string, args: readonly PickleValue[]) {
    this.path = path;
    this.args = args;
  }
}
