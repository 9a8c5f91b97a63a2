/** The chunks of a PNG file (PNG specification, chapter 5), read from bytes that come in pieces. Nothing is made for a chunk. */

/** Bytes of a chunk's length and type, and of the checksum behind its content. */
const HEAD = 8;
const SUM = 4;
/** Bytes of the file before its first chunk. */
export const PNG_SIGNATURE = 8;

/** A chunk's type as the number that its four letters are. */
export function chunkType(letters: string): number {
  return [...letters].reduce((type, letter) => type * 256 + letter.charCodeAt(0), 0);
}

export const IHDR = chunkType('IHDR');
export const PLTE = chunkType('PLTE');
export const IDAT = chunkType('IDAT');
export const IEND = chunkType('IEND');

const NOTHING = new Uint8Array(0);

/**
 * Reads chunk after chunk: `next`, then `content` until all of it came or as much as is wanted, then `sum` or the next `next`.
 * Each of them returns undefined if bytes are missing, and goes on where it stopped when more were pushed.
 */
export class PngChunks {
  /** The type of the chunk, see {@link chunkType}. */
  type = 0;
  /** Bytes of its content that were not read. */
  left = 0;
  /** Bytes of the file that were pushed. */
  bytes = 0;
  /** Whether these were all. */
  isComplete = false;
  #piece: Uint8Array = NOTHING;
  #at = 0;
  /** Bytes to pass over: the signature at first, the rest of a chunk that is not wanted. */
  #over = PNG_SIGNATURE;
  #hasSum = false;
  /** A chunk's head or checksum, which may come in two pieces. */
  readonly #small = new DataView(new ArrayBuffer(HEAD));
  #smallBytes = 0;

  /** Gives the next bytes of the file. What was not read of those before must not matter any more, or be none. */
  push(bytes: Uint8Array): void {
    this.#piece = bytes;
    this.#at = 0;
    this.bytes += bytes.length;
  }

  /** Says that no bytes follow those that were pushed, all of which must have been read. */
  end(): void {
    this.#piece = NOTHING;
    this.#at = 0;
    this.isComplete = true;
  }

  /** Begins the next chunk. What is left of the present one is passed over. */
  next(): true | undefined {
    if (this.#hasSum) {
      this.#over += this.left + SUM - this.#smallBytes;
      this.#smallBytes = this.left = 0;
      this.#hasSum = false;
    }
    const passed = Math.min(this.#over, this.#piece.length - this.#at);
    this.#at += passed;
    this.#over -= passed;
    if (this.#over > 0) return undefined;
    const head = this.#gather(HEAD);
    if (!head) return undefined;
    this.left = head.getUint32(0);
    this.type = head.getUint32(4);
    this.#hasSum = true;
    return true;
  }

  /** The next bytes of the content, at most `most`, as a view of the piece; none when all were read. */
  content(most: number): Uint8Array | undefined {
    const count = Math.min(this.left, most, this.#piece.length - this.#at);
    if (count === 0) return this.left === 0 || most === 0 ? NOTHING : undefined;
    const part = this.#piece.subarray(this.#at, this.#at + count);
    this.#at += count;
    this.left -= count;
    return part;
  }

  /** The checksum behind the content, all of which must have been read. */
  sum(): number | undefined {
    const sum = this.#gather(SUM)?.getUint32(0);
    if (sum !== undefined) this.#hasSum = false;
    return sum;
  }

  #gather(count: number): DataView | undefined {
    while (this.#smallBytes < count && this.#at < this.#piece.length) {
      this.#small.setUint8(this.#smallBytes, this.#piece[this.#at] as number);
      this.#smallBytes++;
      this.#at++;
    }
    if (this.#smallBytes < count) return undefined;
    this.#smallBytes = 0;
    return this.#small;
  }
}
