/** Files that arrive as a stream: piece by piece, never beyond the limit. */
import { ByteReader } from '../byte-reader.ts';
import { concatenate } from '../bytes.ts';
import { ClipError } from '../errors.ts';
import { yieldIfDue } from '../scheduler.ts';
import { checkBytes, type ImageLimits } from './limits.ts';

/** A `ReadableStream` of chunks of bytes, as far as it is used here. */
export interface ReadableStreamLike {
  readonly locked: boolean;
  getReader(options?: { mode: 'byob' }): unknown;
  cancel(reason?: unknown): Promise<void>;
}

/** A `Response` or `Request`, as far as it is used here. */
export interface BodyLike {
  readonly body: object | null;
  readonly bodyUsed: boolean;
  readonly headers: { get(name: string): string | null };
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** A file in pieces, in order. Each is only valid until the next is asked for. */
export type Pieces = AsyncGenerator<Uint8Array, void, undefined>;

/** Bytes of a piece, unless they are a stream's own chunks or the caller wants more at once. */
export const PIECE = 65_536;

/**
 * The body of a `Response` or `Request`.
 * @param what names it in errors
 * @throws ClipError IO for a status other than 2xx or a body that breaks off, IMAGE_TOO_LARGE beyond `maxBytes`;
 *   the signal's reason if aborted
 */
export async function* bodyPieces(
  source: BodyLike,
  what: string,
  limits: ImageLimits,
  signal?: AbortSignal,
  most?: number,
): Pieces {
  const stream = source.body as ReadableStreamLike | null;
  const isStream = stream !== null && typeof stream.getReader === 'function';
  const refuse = async (error: Error) => {
    if (isStream) void stream.cancel(error).catch(() => {}); // not awaited: a server's stream may wait for its client
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
  if (isStream) {
    yield* streamPieces(stream, `the body of ${what}`, limits, signal, most);
    return;
  }
  // No body, or one that is not a web stream (older fetch libraries).
  const buffer = await source.arrayBuffer().catch((cause) => {
    throw new ClipError('IO', `cannot read the body of ${what}: ${cause.message}`, { cause });
  });
  checkBytes(buffer.byteLength, limits);
  yield new Uint8Array(buffer);
}

/**
 * The pieces of a stream, through one buffer where the stream fills those of its readers. It is canceled at the first byte beyond
 * `maxBytes`, at a chunk that is not bytes, when aborted, and when no more of it is wanted.
 * @param most bytes of a piece where the buffer is ours
 * @throws ClipError IO if the stream fails, IMAGE_TOO_LARGE; TypeError for other chunks; the signal's reason
 */
export async function* streamPieces(
  stream: ReadableStreamLike,
  what: string,
  limits: ImageLimits,
  signal?: AbortSignal,
  most = PIECE,
): Pieces {
  signal?.throwIfAborted();
  const reader = new ByteReader(stream);
  const abort = () => void reader.cancel(signal?.reason); // a waiting read() then ends
  signal?.addEventListener('abort', abort, { once: true });
  let length = 0;
  let ended = false;
  let failure: unknown;
  try {
    for (;;) {
      await yieldIfDue(signal); // a stream that has its bytes at hand never lets the event loop turn
      const chunk = await reader.read(most).catch((cause) => {
        signal?.throwIfAborted();
        throw new ClipError('IO', `cannot read ${what}: ${cause?.message ?? cause}`, { cause });
      });
      signal?.throwIfAborted();
      ended = chunk === undefined;
      if (chunk === undefined) return;
      const piece = chunkBytes(chunk, what);
      length += piece.length;
      checkBytes(length, limits);
      yield piece;
    }
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    if (!ended) void reader.cancel(failure);
    signal?.removeEventListener('abort', abort);
    reader.release();
  }
}

/** Bytes that tell a file's format, and what is wrong with one that is not a picture. */
const SNIFF_BYTES = 4096;

/** The first pieces together, enough to tell the format; fewer only at the end of the file. Valid until the next piece. */
export async function firstBytes(pieces: Pieces): Promise<Uint8Array> {
  let bytes: Uint8Array = new Uint8Array(0);
  while (bytes.length < SNIFF_BYTES) {
    const { done, value } = await pieces.next();
    if (done) break;
    if (bytes.length === 0 && value.length >= SNIFF_BYTES) return value;
    bytes = concatenate([bytes, value]); // a piece is only valid until the next
  }
  return bytes;
}

/** All pieces in one array; `first` come before them. */
export async function joinPieces(pieces: AsyncIterable<Uint8Array>, first?: Uint8Array): Promise<Uint8Array> {
  let bytes = new Uint8Array(Math.max(65_536, first?.length ?? 0));
  let length = 0;
  const add = (piece: Uint8Array) => {
    if (length + piece.length > bytes.length) {
      const larger = new Uint8Array(Math.max(2 * bytes.length, length + piece.length));
      larger.set(bytes.subarray(0, length));
      bytes = larger;
    }
    bytes.set(piece, length);
    length += piece.length;
  };
  if (first) add(first);
  for await (const piece of pieces) add(piece);
  return bytes.subarray(0, length);
}

function chunkBytes(value: unknown, what: string): Uint8Array {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (tag === 'ArrayBuffer') return new Uint8Array(value as ArrayBuffer); // a FileHandle's readableWebStream() in Node.js 20
  throw new TypeError(`${what} must give Uint8Array chunks, got ${tag}`);
}
