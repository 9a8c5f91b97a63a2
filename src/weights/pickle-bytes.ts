/** The operands in a pickle's bytes, one after the other. */
import { ClipError } from '../errors.ts';

/** Bytes of an integer. */
const MAX_INTEGER = 64;
/** Bytes of a name that are read. */
const MAX_NAME = 1000;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class PickleBytes {
  /** Where the next operand begins. */
  at: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #name: string;

  /** @param name the file's, for messages */
  constructor(bytes: Uint8Array, at: number, name: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#name = name;
    this.at = at;
  }

  fail(message: string): never {
    throw new ClipError('WEIGHTS_FORMAT', `"${this.#name}" ${message}`);
  }

  u8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  /** Big-endian, unlike all others. */
  f64(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  /** A length of eight bytes; what is too large to be exact is larger than any pickle. */
  u64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  binary(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(length: number): string {
    const bytes = this.binary(length);
    try {
      return decoder.decode(bytes);
    } catch {
      return this.fail('is damaged: its pickle has a string that is not UTF-8');
    }
  }

  /** A line of ASCII, without its end. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) this.fail('is damaged: its pickle ends inside a name');
    const at = this.#take(end + 1 - this.at);
    return String.fromCharCode(...this.#bytes.subarray(at, Math.min(end, at + MAX_NAME)));
  }

  /** A two's complement integer, little-endian. */
  integer(length: number): number | bigint {
    if (length > MAX_INTEGER) this.fail(`has a pickle with an integer of ${length} bytes`);
    const at = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[at + i]!);
    value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  /** Takes `count` bytes; returns where they begin. */
  #take(count: number): number {
    const { at } = this;
    if (count > this.#bytes.length - at) {
      this.fail(`is damaged: its pickle of ${this.#bytes.length} bytes ends inside an operation`);
    }
    this.at = at + count;
    return at;
  }
}
