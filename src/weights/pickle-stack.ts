/** The stack of a pickle: values, and marks below which an operation may not take any. */
import type { PickleBytes } from './pickle-bytes.ts';
import type { PickleValue } from './pickle-values.ts';

export class PickleStack {
  /** For its messages. */
  readonly #bytes: PickleBytes;
  readonly #values: PickleValue[] = [];
  /** Heights of the stack at the marks. */
  readonly #marks: number[] = [];

  constructor(bytes: PickleBytes) {
    this.#bytes = bytes;
  }

  push(value: PickleValue): void {
    this.#values.push(value);
  }

  mark(): void {
    this.#marks.push(this.#values.length);
  }

  top(): PickleValue {
    this.#need(1);
    return this.#values.at(-1);
  }

  pop(): PickleValue {
    return this.popMany(1)[0];
  }

  popMany(count: number): PickleValue[] {
    this.#need(count);
    return this.#values.splice(this.#values.length - count);
  }

  /** All values above the last mark, and the mark. */
  popMark(): PickleValue[] {
    const mark = this.#marks.pop() ?? this.#bytes.fail('is damaged: its pickle has no mark');
    return this.#values.splice(mark);
  }

  /** The operation POP: above a mark with nothing on it, it takes the mark. */
  popValueOrMark(): void {
    if (this.#marks.length > 0 && this.#values.length === this.#floor()) this.#marks.pop();
    else this.pop();
  }

  /** The height of the stack at the last mark. */
  #floor(): number {
    return this.#marks.at(-1) ?? 0;
  }

  #need(count: number): void {
    if (this.#values.length - this.#floor() < count) this.#bytes.fail('is damaged: its pickle takes more than it has');
  }
}
