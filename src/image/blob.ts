/** A `Blob` or `File` in pieces, each freed as soon as the next is asked for: Node's collector comes to them some 20 MB later. */
import { free } from '../bytes.ts';
import { ClipError } from '../errors.ts';
import { yieldIfDue } from '../scheduler.ts';
import type { Pieces } from './body.ts';
import { checkBytes, type ImageLimits } from './limits.ts';

/** A `Blob` or `File`. Declared by structure, as other inputs are, so that no DOM types are needed. */
export interface BlobLike {
  readonly size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
  slice?(start: number, end: number): BlobLike;
  stream?(): object;
}

/** A stream of chunks that are the reader's own. */
interface ChunkStream {
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array<ArrayBuffer> }>;
    cancel(): Promise<void>;
  };
}

/** Bytes that are asked for at once, from another process or thread. */
const PART = 262_144;

/**
 * @param most bytes that are asked for at once
 * @throws ClipError IO if it cannot be read, IMAGE_TOO_LARGE; the signal's reason
 */
export async function* blobPieces(blob: BlobLike, limits: ImageLimits, signal?: AbortSignal, most = PART): Pieces {
  checkBytes(blob.size, limits);
  // What only looks like a blob may keep what it gives.
  const isReal = /^\[object (Blob|File)\]$/.test(Object.prototype.toString.call(blob));
  const step = blob.slice ? most : blob.size;
  for (let at = 0; at < blob.size; at += step) {
    await yieldIfDue(signal);
    const part = step < blob.size ? blob.slice!(at, at + step) : blob;
    if (isReal && part.stream) {
      yield* chunks(part.stream() as ChunkStream, signal);
      continue;
    }
    const buffer = await part.arrayBuffer().catch(refuse);
    yield new Uint8Array(buffer);
    if (isReal) free(buffer);
  }
}

/** By its stream, a file takes a third of the memory that `arrayBuffer` of its parts takes in Node. */
async function* chunks(stream: ChunkStream, signal: AbortSignal | undefined): Pieces {
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(refuse);
      signal?.throwIfAborted();
      ended = done;
      if (!value) return;
      yield value;
      if (value.length === value.buffer.byteLength) free(value.buffer);
    }
  } finally {
    if (!ended) void reader.cancel().catch(() => {});
  }
}

function refuse(cause: Error): never {
  throw new ClipError('IO', `cannot read the Blob: ${cause.message}`, { cause });
}
