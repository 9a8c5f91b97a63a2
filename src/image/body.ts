/** Files that arrive as a stream: read chunk by chunk, never beyond the limit. */
import { ClipError } from '../errors.ts';
import { checkBytes, type ImageLimits } from './limits.ts';

/** A `ReadableStream` of `Uint8Array` chunks, as far as it is used here. */
export interface ReadableStreamLike {
  readonly locked: boolean;
  getReader(): unknown;
  cancel(reason?: unknown): Promise<void>;
}

/** A `Response` or `Request`, as far as it is used here. */
export interface BodyLike {
  readonly body: object | null;
  readonly bodyUsed: boolean;
  readonly headers: { get(name: string): string | null };
  arrayBuffer(): Promise<ArrayBuffer>;
}

interface Reader {
  read(): Promise<{ done: boolean; value?: unknown }>;
  cancel(reason?: unknown): Promise<void>;
  releaseLock(): void;
}

/**
 * Reads the body of a `Response` or `Request`.
 * @param what names it in errors
 * @throws ClipError IO for a status other than 2xx or a body that breaks off, IMAGE_TOO_LARGE beyond `maxBytes`;
 *   the signal's reason if aborted
 */
export async function readBody(
  source: BodyLike,
  what: string,
  limits: ImageLimits,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const stream = source.body as ReadableStreamLike | null;
  const isStream = stream !== null && typeof stream.getReader === 'function';
  const refuse = async (error: Error) => {
    if (isStream) await stream.cancel(error).catch(() => {});
    throw error;
  };
  const { status, ok } = source as Partial<Response>;
  if (ok === false) await refuse(new ClipError('IO', `cannot read ${what}: status ${status}`));
  const length = Number(source.headers.get('content-length') ?? Number.NaN);
  if (length > limits.maxBytes) {
    try {
      checkBytes(length, limits);
    } catch (error) {
      await refuse(error as Error);
    }
  }
  if (isStream) return readStream(stream, `the body of ${what}`, limits, signal);
  // No body, or one that is not a web stream (older fetch libraries).
  const buffer = await source.arrayBuffer().catch((cause) => {
    throw new ClipError('IO', `cannot read the body of ${what}: ${cause.message}`, { cause });
  });
  checkBytes(buffer.byteLength, limits);
  return new Uint8Array(buffer);
}

/**
 * Reads a stream to its end, or cancels it: at the first byte beyond `maxBytes`, at a chunk that is not bytes, when aborted.
 * @throws ClipError IO if the stream fails, IMAGE_TOO_LARGE; TypeError for other chunks; the signal's reason
 */
export async function readStream(
  stream: ReadableStreamLike,
  what: string,
  limits: ImageLimits,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  signal?.throwIfAborted();
  const reader = stream.getReader() as Reader;
  const abort = () => void reader.cancel(signal?.reason).catch(() => {}); // a waiting read() then ends
  signal?.addEventListener('abort', abort, { once: true });
  let bytes = new Uint8Array(65_536);
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause) => {
        signal?.throwIfAborted();
        throw new ClipError('IO', `cannot read ${what}: ${cause?.message ?? cause}`, { cause });
      });
      signal?.throwIfAborted();
      if (done) return bytes.subarray(0, length);
      const part = chunkBytes(value, what);
      checkBytes(length + part.length, limits);
      if (length + part.length > bytes.length) {
        const larger = new Uint8Array(Math.max(2 * bytes.length, length + part.length));
        larger.set(bytes.subarray(0, length));
        bytes = larger;
      }
      bytes.set(part, length);
      length += part.length;
    }
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    reader.releaseLock();
  }
}

function chunkBytes(value: unknown, what: string): Uint8Array {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  throw new TypeError(`${what} must give Uint8Array chunks, got ${tag}`);
}
