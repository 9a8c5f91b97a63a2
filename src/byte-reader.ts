/** Reading a stream of bytes with as little memory and as few calls as the runtime allows. */
import { macrotask } from './scheduler.ts';

/** A `ReadableStream` of bytes, as far as it is used here. Declared by structure, so that no DOM types are needed. */
export interface ByteStream {
  getReader(options?: { mode: 'byob' }): unknown;
}

interface Chunk {
  readonly done: boolean;
  readonly value?: Uint8Array | undefined;
}

interface StreamReader {
  readonly closed?: Promise<unknown>;
  read(view?: Uint8Array): Promise<Chunk>;
  cancel(reason?: unknown): Promise<void>;
  releaseLock?(): void;
}

/** The largest buffer of a reader that fills buffers of the caller's (BYOB), in bytes. */
export const BUFFER = 1 << 20;

/** Reads through one buffer, again and again, where streams fill buffers of the caller's; else chunk by chunk, as they come. */
export class ByteReader {
  readonly #reader: StreamReader;
  readonly #fills: boolean;
  #buffer = new ArrayBuffer(0);
  /** Ends the read that waits. */
  #endRead: (() => void) | undefined;

  constructor(stream: ByteStream) {
    let reader: unknown;
    try {
      reader = stream.getReader({ mode: 'byob' });
    } catch {
      // Bun's streams and those that JavaScript made give chunks of their own.
    }
    this.#fills = reader !== undefined;
    this.#reader = (reader ?? stream.getReader()) as StreamReader;
    if (this.#fills) void this.#watchEnd();
  }

  /**
   * The next bytes: `most` or fewer where the buffer is ours, else a chunk. They are valid until the next call.
   * @returns undefined at the end
   */
  async read(most: number): Promise<Uint8Array | undefined> {
    const { done, value } = await (this.#fills ? this.#fill(Math.min(BUFFER, most)) : this.#reader.read());
    this.#endRead = undefined;
    if (this.#fills && value) this.#buffer = value.buffer as ArrayBuffer; // the same memory: a read transfers it and back
    return done ? undefined : value;
  }

  /** Never fails. */
  async cancel(reason?: unknown): Promise<void> {
    await this.#reader.cancel(reason).catch(() => {});
  }

  /** Lets the stream go. Nothing may be read afterwards. */
  release(): void {
    this.#reader.releaseLock?.();
  }

  #fill(bytes: number): Promise<Chunk> {
    if (this.#buffer.byteLength < bytes) this.#buffer = new ArrayBuffer(bytes);
    const view = new Uint8Array(this.#buffer, 0, bytes);
    return new Promise((resolve, reject) => {
      this.#endRead = () => resolve({ done: true });
      this.#reader.read(view).then(resolve, reject);
    });
  }

  /**
   * A source that closes its stream without an answer to the read that waits would leave it waiting: only `respond(0)` ends it
   * (Streams Standard, ReadableByteStreamController.close).
   */
  async #watchEnd(): Promise<void> {
    try {
      await this.#reader.closed;
    } catch {
      return; // the stream failed, which the read tells, or was let go
    }
    const end = this.#endRead;
    if (!end) return;
    await macrotask(); // an answer that came before the end is on its way
    end?.();
  }
}
