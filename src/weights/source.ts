/**
 * Where the bytes of a model come from. A source is read at any offset, straight into the caller's view, so that a
 * tensor goes from disk into the wasm memory without a second copy. Files are in src/platform/node.ts.
 */
import { ClipError } from '../errors.ts';

/** Readable bytes of known length. */
export interface Source {
  /** What error messages call it: a path, an address, or a word. */
  readonly name: string;
  /** Length in bytes. */
  readonly byteLength: number;
  /**
   * Fills `target` with the bytes from `offset`. The target may be a view of a wasm memory, shared or not.
   * @throws ClipError `IO` if the range reaches past the end or the bytes cannot be read; the signal's reason if aborted.
   */
  readInto(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Lets go of the file. A source without this method holds nothing. */
  close?(): Promise<void>;
}

/** What is read from a stream at once, in bytes. Larger reads gain nothing, smaller ones cost calls. */
const STREAM_CHUNK = 1 << 20;

/** A source over bytes in memory (not copied). */
export function bytesSource(bytes: Uint8Array | ArrayBuffer, name = 'bytes'): Source {
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  return {
    name,
    byteLength: view.byteLength,
    async readInto(offset, target, signal) {
      signal?.throwIfAborted();
      checkRange(this, offset, target.byteLength);
      target.set(view.subarray(offset, offset + target.byteLength));
    },
  };
}

/** A source over a `Blob` or `File`. Only the wanted range is read. */
export function blobSource(
  blob: Blob,
  name = 'name' in blob && typeof blob.name === 'string' ? blob.name : 'blob',
): Source {
  return {
    name,
    byteLength: blob.size,
    async readInto(offset, target, signal) {
      checkRange(this, offset, target.byteLength);
      const range = blob.slice(offset, offset + target.byteLength);
      await streamInto(range.stream(), target, { name, ...(signal && { signal }) });
    },
  };
}

/** @throws ClipError `IO` if bytes [offset, offset + length) are not inside the source. */
export function checkRange(source: Source, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > source.byteLength) {
    throw new ClipError(
      'IO',
      `"${source.name}": bytes ${offset} to ${offset + length} were asked for, but it has ${source.byteLength} bytes`,
    );
  }
}

export interface StreamOptions {
  /** What error messages call the stream. Default: "stream". */
  name?: string;
  signal?: AbortSignal;
  /** Called after every piece with the number of bytes that have come so far. */
  onProgress?: (loaded: number) => void;
}

/**
 * Fills `target` from a stream (the body of a `Response`, say), which must hold exactly as many bytes.
 * Reads with a 1 MiB bring-your-own-buffer reader where the stream allows it: in workerd the default reader takes six
 * times as long. The buffer cannot be the target itself, because such a read transfers it away.
 * @throws ClipError `IO` if the stream fails, ends early or has bytes left; the signal's reason if aborted.
 */
export async function streamInto(
  stream: ReadableStream<Uint8Array>,
  target: Uint8Array,
  { name = 'stream', signal, onProgress }: StreamOptions = {},
): Promise<void> {
  const reader = openReader(stream);
  const onAbort = () => void reader.cancel(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  let loaded = 0;
  let ended = false;
  try {
    signal?.throwIfAborted();
    for (;;) {
      const piece = await reader.read();
      signal?.throwIfAborted();
      if (piece === undefined) break;
      if (loaded + piece.byteLength > target.byteLength) {
        throw new ClipError('IO', `"${name}": expected ${target.byteLength} bytes, but more came`);
      }
      target.set(piece, loaded);
      loaded += piece.byteLength;
      onProgress?.(loaded);
    }
    ended = true;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof ClipError) throw error;
    throw new ClipError('IO', `"${name}": reading failed after ${loaded} bytes: ${reason(error)}`, { cause: error });
  } finally {
    signal?.removeEventListener('abort', onAbort);
    if (!ended) reader.cancel();
  }
  if (loaded < target.byteLength) {
    throw new ClipError('IO', `"${name}": expected ${target.byteLength} bytes, but it ended after ${loaded}`);
  }
}

interface PieceReader {
  /** The next piece, valid until the next call, or undefined at the end. */
  read(): Promise<Uint8Array | undefined>;
  cancel(reason?: unknown): void;
}

function openReader(stream: ReadableStream<Uint8Array>): PieceReader {
  const ignore = () => {};
  let reader: ReadableStreamBYOBReader;
  try {
    reader = stream.getReader({ mode: 'byob' });
  } catch {
    // Not a byte stream, or a runtime without such readers (Bun).
    const plain = stream.getReader();
    return {
      read: async () => (await plain.read()).value,
      cancel: (why) => void plain.cancel(why).catch(ignore),
    };
  }
  let buffer = new ArrayBuffer(STREAM_CHUNK);
  return {
    async read() {
      const { value, done } = await reader.read(new Uint8Array(buffer));
      if (done || value === undefined) return undefined;
      buffer = value.buffer;
      return value;
    },
    cancel: (why) => void reader.cancel(why).catch(ignore),
  };
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
