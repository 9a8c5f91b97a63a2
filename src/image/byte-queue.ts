/** The bytes of a file that comes in pieces. */
const NOTHING = new Uint8Array(0);

/** What was pushed and not yet taken. */
export class ByteQueue {
  #bytes: Uint8Array = NOTHING;
  #at = 0;
  /** Whether `#bytes` belongs to the queue, with room behind `#end`. */
  #own = false;
  #end = 0;
  /** Bytes that were taken or skipped. */
  taken = 0;
  /** Whether nothing comes after what was pushed. */
  ended = false;

  /** Adds a piece. It is not copied unless bytes before it are still there: it must not change until `keep`. */
  push(piece: Uint8Array): void {
    const left = this.length;
    if (left === 0) {
      this.#bytes = piece;
      this.#at = 0;
      this.#end = piece.length;
      this.#own = false;
      return;
    }
    if (!this.#own || this.#end + piece.length > this.#bytes.length) {
      const larger = new Uint8Array(2 * (left + piece.length));
      larger.set(this.#bytes.subarray(this.#at, this.#end));
      this.#bytes = larger;
      this.#at = 0;
      this.#end = left;
      this.#own = true;
    }
    this.#bytes.set(piece, this.#end);
    this.#end += piece.length;
  }

  /** Copies what is left of a piece, which may change or vanish now. */
  keep(): void {
    if (this.#own) return;
    this.#own = this.length > 0;
    this.#bytes = this.#own ? this.#bytes.slice(this.#at, this.#end) : NOTHING;
    this.#end -= this.#at;
    this.#at = 0;
  }

  /** Bytes that are there. */
  get length(): number {
    return this.#end - this.#at;
  }

  /** The byte `offset` bytes ahead, or undefined. */
  peek(offset: number): number | undefined {
    return offset < this.length ? this.#bytes[this.#at + offset] : undefined;
  }

  /** A view of the next bytes, at most `count`, which stay in the queue. */
  view(count: number): Uint8Array {
    return this.#bytes.subarray(this.#at, Math.min(this.#at + count, this.#end));
  }

  /** How many bytes come before the next `byte`; all of them if it is not there. */
  before(byte: number): number {
    const found = this.#bytes.subarray(0, this.#end).indexOf(byte, this.#at);
    return found < 0 ? this.length : found - this.#at;
  }

  /** Takes bytes away, at most as many as are there. */
  skip(count: number): number {
    const skipped = Math.min(count, this.length);
    this.#at += skipped;
    this.taken += skipped;
    return skipped;
  }

  /** Puts bytes back that were taken last. */
  unread(bytes: Uint8Array): void {
    this.taken -= bytes.length;
    if (this.#at >= bytes.length) {
      this.#at -= bytes.length;
      return;
    }
    const rest = this.view(this.length);
    const joined = new Uint8Array(bytes.length + rest.length);
    joined.set(bytes);
    joined.set(rest, bytes.length);
    this.#bytes = joined;
    this.#at = 0;
    this.#end = joined.length;
    this.#own = true;
  }
}
