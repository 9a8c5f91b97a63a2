/**
 * Python's pickle format, protocols 2 to 5 (CPython, Lib/pickletools.py), read as data. A pickle is a program for a stack
 * machine that can name any function of Python and call it. Here nothing is imported and nothing runs: a name is looked up
 * in a table of the caller's, which answers with a function of ours or refuses.
 */
import { PickleBytes } from './pickle-bytes.ts';
import { PickleStack } from './pickle-stack.ts';
import { InertRecord, PickleClass, type PickleValue } from './pickle-values.ts';

export interface PickleContext {
  /** The file's name, for messages. */
  readonly name: string;
  /** @throws ClipError if the class or function is not known */
  find(module: string, name: string): PickleClass;
  /** The object behind a persistent id, such as a storage of torch. */
  persistent(id: PickleValue): PickleValue;
}

/**
 * A training checkpoint of 2 billion parameters has 200,000 operations and 50,000 objects, entries of dicts and entries of the
 * memo. Up to the limits a pickle takes less than half a second and 64 MB.
 */
const MAX_OPERATIONS = 1_000_000;
const MAX_OBJECTS = 200_000;

/**
 * Reads one pickle.
 * @param start where it begins in `bytes`
 * @returns the value and where the pickle ends
 * @throws ClipError `WEIGHTS_FORMAT` if it is damaged, too large, uses what is not supported or names an unknown class
 */
export function readPickle(bytes: Uint8Array, context: PickleContext, start = 0): { value: PickleValue; end: number } {
  const machine = new Machine(bytes, context, start);
  return { value: machine.run(), end: machine.end };
}

class Machine {
  readonly #bytes: PickleBytes;
  readonly #context: PickleContext;
  readonly #stack: PickleStack;
  readonly #memo = new Map<number, PickleValue>();
  #objects = 0;

  constructor(bytes: Uint8Array, context: PickleContext, start: number) {
    this.#bytes = new PickleBytes(bytes, start, context.name);
    this.#stack = new PickleStack(this.#bytes);
    this.#context = context;
  }

  get end(): number {
    return this.#bytes.at;
  }

  run(): PickleValue {
    for (let operations = 0; ; operations++) {
      if (operations === MAX_OPERATIONS) this.#bytes.fail(`has a pickle of more than ${MAX_OPERATIONS} operations`);
      const place = this.end;
      const code = this.#bytes.u8();
      if (code === 0x2e /* STOP */) return this.#stack.pop();
      const value = this.#step(code, place);
      if (value !== undefined) this.#stack.push(value);
    }
  }

  /** One operation; the letters are those of pickletools. What it returns goes onto the stack; undefined is nothing. */
  #step(code: number, place: number): PickleValue {
    const bytes = this.#bytes;
    switch (code) {
      case 0x80: // PROTO
        if (bytes.u8() > 5) bytes.fail('has a pickle of a protocol after 5');
        return undefined;
      case 0x95: // FRAME
        bytes.u64();
        return undefined;
      case 0x4e: // N NONE
        return null;
      case 0x88: // NEWTRUE
        return true;
      case 0x89: // NEWFALSE
        return false;
      case 0x4b: // K BININT1
        return bytes.u8();
      case 0x4d: // M BININT2
        return bytes.u16();
      case 0x4a: // J BININT
        return bytes.i32();
      case 0x8a: // LONG1
        return bytes.integer(bytes.u8());
      case 0x8b: // LONG4
        return bytes.integer(bytes.u32());
      case 0x47: // G BINFLOAT
        return bytes.f64();
      case 0x58: // X BINUNICODE
        return this.#counted(bytes.text(bytes.u32()));
      case 0x8c: // SHORT_BINUNICODE
        return this.#counted(bytes.text(bytes.u8()));
      case 0x8d: // BINUNICODE8
        return this.#counted(bytes.text(bytes.u64()));
      case 0x55: // U SHORT_BINSTRING
      case 0x43: // C SHORT_BINBYTES
        return this.#counted(bytes.binary(bytes.u8()));
      case 0x54: // T BINSTRING
      case 0x42: // B BINBYTES
        return this.#counted(bytes.binary(bytes.u32()));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#counted(bytes.binary(bytes.u64()));
      case 0x5d: // ] EMPTY_LIST
      case 0x29: // ) EMPTY_TUPLE
      case 0x8f: // EMPTY_SET
        return this.#counted([]);
      case 0x7d: // } EMPTY_DICT
        return this.#counted(new Map());
      case 0x28: // ( MARK
        this.#stack.mark();
        return undefined;
      case 0x31: // 1 POP_MARK
        this.#stack.popMark();
        return undefined;
      case 0x30: // 0 POP
        this.#stack.popValueOrMark();
        return undefined;
      case 0x32: // 2 DUP
        return this.#stack.top();
      case 0x6c: // l LIST
      case 0x74: // t TUPLE
      case 0x91: // FROZENSET
        return this.#counted(this.#stack.popMark());
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#counted(this.#stack.popMany(code - 0x84));
      case 0x64: // d DICT
        return this.#setItems(this.#counted(new Map()), this.#stack.popMark());
      case 0x61: // a APPEND
        this.#append(this.#stack.popMany(1));
        return undefined;
      case 0x65: // e APPENDS
      case 0x90: // ADDITEMS
        this.#append(this.#stack.popMark());
        return undefined;
      case 0x73: {
        // s SETITEM
        const items = this.#stack.popMany(2);
        this.#setItems(this.#stack.top(), items);
        return undefined;
      }
      case 0x75: {
        // u SETITEMS
        const items = this.#stack.popMark();
        this.#setItems(this.#stack.top(), items);
        return undefined;
      }
      case 0x71: // q BINPUT
        this.#memorize(bytes.u8());
        return undefined;
      case 0x72: // r LONG_BINPUT
        this.#memorize(bytes.u32());
        return undefined;
      case 0x94: // MEMOIZE
        this.#memorize(this.#memo.size);
        return undefined;
      case 0x68: // h BINGET
        return this.#recall(bytes.u8());
      case 0x6a: // j LONG_BINGET
        return this.#recall(bytes.u32());
      case 0x63: // c GLOBAL
        return this.#find(this.#counted(bytes.line()), this.#counted(bytes.line()));
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#stack.popMany(2);
        return this.#find(module, name);
      }
      case 0x69: {
        // i INST
        const found = this.#find(this.#counted(bytes.line()), this.#counted(bytes.line()));
        return this.#make(found, this.#stack.popMark());
      }
      case 0x6f: {
        // o OBJ
        const [found, ...args] = this.#stack.popMark();
        return this.#make(found, args);
      }
      case 0x52: // R REDUCE
      case 0x81: {
        // NEWOBJ
        const [found, args] = this.#stack.popMany(2);
        return this.#make(found, args);
      }
      case 0x92: {
        // NEWOBJ_EX
        const [found, args] = this.#stack.popMany(3);
        return this.#make(found, args);
      }
      case 0x62: {
        // b BUILD
        const state = this.#stack.pop();
        const object = this.#stack.top();
        if (object instanceof InertRecord) object.state = state;
        return undefined;
      }
      case 0x51: // Q BINPERSID
        return this.#context.persistent(this.#stack.pop());
      default:
        return bytes.fail(
          `has a pickle with the operation 0x${code.toString(16).padStart(2, '0')} at byte ${place}, ` +
            "which torch.save does not write: expected pickle's protocol 2 or later",
        );
    }
  }

  #counted<T>(object: T): T {
    if (++this.#objects > MAX_OBJECTS) this.#bytes.fail(`has a pickle of more than ${MAX_OBJECTS} objects`);
    return object;
  }

  #append(items: readonly PickleValue[]): void {
    const list = this.#stack.top();
    if (Array.isArray(list)) for (const item of items) list.push(item);
    else if (!(list instanceof InertRecord)) this.#bytes.fail('is damaged: its pickle appends to what is not a list');
  }

  #setItems(dict: PickleValue, items: readonly PickleValue[]): PickleValue {
    if (items.length % 2 !== 0) this.#bytes.fail('is damaged: its pickle has a key without a value');
    if (dict instanceof Map) {
      for (let i = 0; i < items.length; i += 2) {
        dict.set(items[i], items[i + 1]);
        this.#counted(dict);
      }
    } else if (!(dict instanceof InertRecord))
      this.#bytes.fail('is damaged: its pickle sets items of what is not a dict');
    return dict;
  }

  #memorize(index: number): void {
    this.#memo.set(index, this.#stack.top());
    if (this.#memo.size > MAX_OBJECTS) this.#bytes.fail(`has a pickle that stores more than ${MAX_OBJECTS} objects`);
  }

  #recall(index: number): PickleValue {
    if (!this.#memo.has(index)) this.#bytes.fail(`is damaged: its pickle recalls ${index}, which it did not store`);
    return this.#memo.get(index);
  }

  #find(module: PickleValue, name: PickleValue): PickleClass {
    if (typeof module !== 'string' || typeof name !== 'string')
      this.#bytes.fail('is damaged: its pickle has a name that is not text');
    return this.#counted(this.#context.find(module as string, name as string));
  }

  #make(found: PickleValue, args: PickleValue): PickleValue {
    if (!(found instanceof PickleClass))
      this.#bytes.fail('is damaged: its pickle calls what is not a class or function');
    if (!Array.isArray(args)) this.#bytes.fail('is damaged: its pickle calls with arguments that are not a tuple');
    const made = (found as PickleClass).make(args as PickleValue[]);
    if (made === undefined)
      this.#bytes.fail(`is damaged: its pickle calls ${(found as PickleClass).path} with too few arguments`);
    return this.#counted(made);
  }
}
