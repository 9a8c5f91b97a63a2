/** Reading a stream of bytes with as little memory and as few calls as the runtime allows. */

/** A `ReadableStream` of bytes, as far as it is used here. Declared by structure, so that no DOM types are needed. */
export interface ByteStream {
  getReader(options?: { mode: 'byob' }): unknown;
}

interface StreamReader {
  read(view?: Uint8Array): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(reason?: unknown): Promise<void>;
}

/** The largest buffer of a reader that fills buffers of the caller's (BYOB), in bytes. */
export const BUFFER = 1 << 20;

/** Reads through one buffer, again and again, where streams fill buffers of the caller's; else chunk by chunk, as they come. */
export class ByteReader {
  readonly #reader: StreamReader;
  readonly #fills: boolean;
  #buffer = new ArrayBuffer(0);

  constructor(stream: ByteStream) {
    let reader: unknown;
    try {
      reader = stream.getReader({ mode: 'byob' });
    } catch {
      // Bun's streams and those that JavaScript made give chunks of their own.
    }
    this.#fills = reader !== undefined;
    this.#reader = (reader ?? stream.getReader()) as StreamReader;
  }

  /**
   * The next bytes: `most` or fewer where the buffer is ours, else a chunk. They are valid until the next call.
   * @returns undefined at the end
   */
  async read(most: number): Promise<Uint8Array | undefined> {
    const { done, value } = await this.#reader.read(this.#fills ? this.#view(Math.min(BUFFER, most)) : undefined);
    if (this.#fills && value) this.#buffer = value.buffer as ArrayBuffer; // the same memory: a read transfers it and back
    return done ? undefined : value;
  }

  /** Never fails. */
  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }

  #view(bytes: number): Uint8Array {
    if (this.#buffer.byteLength < bytes) this.#buffer = new ArrayBuffer(bytes);
    return new Uint8Array(this.#buffer, 0, bytes);
  }
}
