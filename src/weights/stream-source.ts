/**
 * A model's file that comes as a stream: its bytes go to their final place through one small buffer, and the file is never held
 * whole. Loading reads a file's head, then all of it from beginning to end, so it is opened once.
 */

import { ByteReader, type ByteStream } from '../byte-reader.ts';
import { ClipError } from '../errors.ts';
import { checkRange, type Source } from './source.ts';

/** Opens the file's bytes from `offset` to its end. */
export type OpenStream = (offset: number) => Promise<ByteStream>;

/** A stream, and where in the file it begins: before the offset that was asked for, where a server knows no ranges. */
export interface OpenedStream {
  readonly stream: ByteStream;
  readonly offset: number;
}

/** The first bytes of a file, which are kept: they are read more than once, to tell what it is. */
const HEAD = 1 << 16;
/** Bytes that are read and dropped rather than asked for anew. */
const SKIP = 1 << 20;
const NOTHING = new Uint8Array(0);

/**
 * A source over a stream, such as an object of a bucket. Reads through one buffer of 1 MiB where streams fill buffers of the
 * caller's (BYOB), else chunk by chunk.
 * @param open opens the bytes from an offset to the end: from 0 first, and again only if earlier bytes are needed once more
 * @param byteLength length of the file in bytes
 * @param name what error messages call it
 * @example
 * const { size } = await bucket.head(name);
 * const source = streamSource(async (offset) => (await bucket.get(name, { range: { offset } })).body, size, name);
 * await source.readInto(0, new Uint8Array(8)); // the first bytes
 * await source.close();
 */
export function streamSource(open: OpenStream, byteLength: number, name = 'stream'): Source {
  return new StreamSource(async (offset) => ({ stream: await open(offset), offset }), byteLength, name);
}

/** @internal */
export class StreamSource implements Source {
  readonly name: string;
  readonly byteLength: number;
  readonly #open: (offset: number) => Promise<OpenedStream>;
  readonly #unopened: () => Promise<void> | undefined;
  #head: Uint8Array | undefined;
  #reader: ByteReader | undefined;
  /** Where the reader is, and what it gave beyond that. */
  #position = 0;
  #rest: Uint8Array = NOTHING;
  /** Reads go one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param unopened drops a stream that was never opened, when the source is closed */
  constructor(
    open: (offset: number) => Promise<OpenedStream>,
    byteLength: number,
    name: string,
    unopened: () => Promise<void> | undefined = () => undefined,
  ) {
    this.#open = open;
    this.#unopened = unopened;
    this.byteLength = byteLength;
    this.name = name;
  }

  readInto(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    const abort = () => void this.close(); // a read that waits then ends
    const read = this.#last
      .then(() => {
        signal?.addEventListener('abort', abort, { once: true });
        return this.#readInto(offset, target, signal);
      })
      .finally(() => signal?.removeEventListener('abort', abort));
    this.#last = read.catch(() => this.close());
    return read;
  }

  async close(): Promise<void> {
    this.#head = undefined;
    await this.#closeReader();
    await this.#unopened();
  }

  /** Nothing refers to its buffer afterwards. */
  async #closeReader(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    this.#rest = NOTHING;
    await reader?.cancel();
  }

  async #readInto(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkRange(this, offset, target.byteLength);
    if (!this.#head) {
      const head = new Uint8Array(Math.min(HEAD, this.byteLength));
      await this.#forward(0, head, signal);
      this.#head = head;
    }
    const known = this.#head.subarray(offset, offset + target.byteLength);
    target.set(known);
    await this.#forward(offset + known.byteLength, target.subarray(known.byteLength), signal);
  }

  /** Fills the target from where the reader is, or opens the stream anew. */
  async #forward(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (target.byteLength === 0) return;
    if (!this.#reader || offset < this.#position || offset > this.#position + SKIP) {
      await this.#closeReader();
      const { stream, offset: from } = await this.#open(offset);
      this.#reader = new ByteReader(stream);
      this.#position = from;
    }
    while (this.#position < offset) await this.#take(offset - this.#position, signal);
    for (let done = 0; done < target.byteLength; ) {
      const bytes = await this.#take(target.byteLength - done, signal);
      target.set(bytes, done);
      done += bytes.byteLength;
    }
    signal?.throwIfAborted();
    if (this.#position === this.byteLength) await this.#closeReader();
  }

  /** The next bytes, `most` or fewer. They are valid until the next call. */
  async #take(most: number, signal?: AbortSignal): Promise<Uint8Array> {
    signal?.throwIfAborted();
    if (this.#rest.byteLength === 0) this.#rest = await this.#read(most, signal);
    const bytes = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(bytes.byteLength);
    this.#position += bytes.byteLength;
    return bytes;
  }

  async #read(most: number, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = await this.#reader!.read(most).catch((cause) => {
      signal?.throwIfAborted();
      const reason = (cause as Error)?.message ?? cause;
      throw new ClipError('IO', `cannot read "${this.name}": it broke off: ${reason}`, { cause });
    });
    signal?.throwIfAborted();
    if (bytes) return bytes;
    const where = `after ${this.#position} of ${this.byteLength} bytes`;
    throw new ClipError('IO', `cannot read "${this.name}": it ended ${where}`);
  }
}
