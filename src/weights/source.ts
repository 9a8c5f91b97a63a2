/**
 * Where the bytes of a model come from. A source is read at any offset, straight into the caller's view: a tensor goes
 * from disk into the wasm memory without a second copy. Sources over files are in src/platform/node.ts.
 */
import { ClipError } from '../errors.ts';
import type { Tower } from '../model/config.ts';

/** Readable bytes of known length. */
export interface Source {
  /** What error messages call it: a path or an address. */
  readonly name: string;
  /** Length in bytes. */
  readonly byteLength: number;
  /**
   * Fills `target` with the bytes from `offset`. The target may be a view of a wasm memory, shared or not.
   * @throws ClipError `IO` if the range reaches past the end or the bytes cannot be read; the signal's reason if aborted.
   */
  readInto(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void>;
  /**
   * Of a file of which only parts are here: throws if weights of this tower are not among them, and may not be fetched.
   * @throws ClipError IO
   * @internal
   */
  checkTower?(tower: Tower): Promise<void>;
  /** Closes the file. A source without this method holds none. */
  close?(): Promise<void>;
}

/** Where a model's files come from: a folder, the package itself, or a caller's own store. */
export interface ModelFiles {
  /** What error messages call the model. */
  readonly name: string;
  /** The file of weights to take, whatever is beside it. Default: the first that is there of the usual names. */
  readonly weights?: string;
  /** Added to a message that a file is missing, with its punctuation: where was looked, and why not elsewhere. */
  readonly note?: string;
  /** The text of OpenAI's `tokenizer.json`, from elsewhere, for a model that has none and may be OpenAI's. @internal */
  openaiTokenizer?(): Promise<string | undefined>;
  /** A text file by its name, or undefined if there is none. */
  text(name: string): Promise<string | undefined>;
  /** A binary file by its name, or undefined if there is none. */
  source(name: string): Promise<Source | undefined>;
}

/**
 * A source over bytes in memory. They are not copied: keep them unchanged until the model is loaded.
 * @param name what error messages call it
 * @example
 * source: async (name) => (name === 'model.safetensors' ? bytesSource(bytes, name) : undefined)
 */
export function bytesSource(bytes: Uint8Array | ArrayBuffer, name = 'bytes'): Source {
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  return {
    name,
    byteLength: view.byteLength,
    async readInto(offset, target, signal) {
      signal?.throwIfAborted();
      checkRange(this, offset, target.byteLength);
      if (view.byteLength !== this.byteLength) throw new ClipError('IO', `"${name}": the buffer was transferred`);
      target.set(view.subarray(offset, offset + target.byteLength));
    },
  };
}

/** How much of a blob is read at once, in bytes: this bounds the copy that a read makes. */
const BLOB_STEP = 4 << 20;

/**
 * A source over a `Blob` or `File`. Only the wanted range is read; not as a stream, which in Chromium 156 may never end.
 * @param name what error messages call it; default the name of the file, or `blob`
 * @example
 * const source = blobSource(new File([new Uint8Array(24)], 'model.safetensors')); // or one that the user chose
 * source.name; // 'model.safetensors'
 * source.byteLength; // 24
 */
export function blobSource(
  blob: Blob,
  name = 'name' in blob && typeof blob.name === 'string' ? blob.name : 'blob',
): Source {
  return {
    name,
    byteLength: blob.size,
    async readInto(offset, target, signal) {
      checkRange(this, offset, target.byteLength);
      for (let done = 0; done < target.byteLength; done += BLOB_STEP) {
        signal?.throwIfAborted();
        const range = blob.slice(offset + done, offset + Math.min(done + BLOB_STEP, target.byteLength));
        const bytes = await range.arrayBuffer().catch((cause) => {
          throw new ClipError('IO', `"${name}": reading failed: ${reason(cause)}`, { cause });
        });
        if (bytes.byteLength !== range.size) {
          throw new ClipError('IO', `"${name}": reading gave ${bytes.byteLength} of ${range.size} bytes`);
        }
        target.set(new Uint8Array(bytes), done);
      }
      signal?.throwIfAborted();
    },
  };
}

/** What parts can be read of: a `Blob` or `File`, bytes, or a store of the caller's own with range reads. */
export interface Sliceable {
  readonly size?: number;
  readonly byteLength?: number;
  /** Bytes from `start` up to, not including, `end`. */
  slice(start: number, end: number): SlicePart | Promise<SlicePart>;
}

type SlicePart = ArrayBuffer | ArrayBufferView | { arrayBuffer(): Promise<ArrayBuffer> };

/** Whether parts of it can be read: a `Blob`, a `File`, bytes, or an object with a size and `slice`. */
export function isSliceable(value: unknown): value is Sliceable {
  if (typeof value !== 'object' || value === null) return false;
  const { slice, size, byteLength } = value as Partial<Sliceable>;
  return typeof slice === 'function' && typeof (size ?? byteLength) === 'number';
}

/**
 * A source over an object with `slice(start, end)`, which gives bytes or something with `arrayBuffer()`. Only what is needed
 * is read.
 * @param name what error messages call it
 * @throws TypeError if it has neither `size` nor `byteLength`
 */
export function sliceSource(store: Sliceable, name = 'file'): Source {
  const byteLength = store.size ?? store.byteLength;
  if (!Number.isSafeInteger(byteLength) || byteLength! < 0) {
    throw new TypeError(`"${name}" must have its length in bytes as size or byteLength, got ${String(byteLength)}`);
  }
  return {
    name,
    byteLength: byteLength!,
    async readInto(offset, target, signal) {
      checkRange(this, offset, target.byteLength);
      for (let done = 0; done < target.byteLength; done += BLOB_STEP) {
        signal?.throwIfAborted();
        const start = offset + done;
        const end = offset + Math.min(done + BLOB_STEP, target.byteLength);
        const bytes = bytesOf(await sliced(store, start, end, name));
        if (bytes?.byteLength !== end - start) {
          const got = bytes ? `${bytes.byteLength} bytes` : 'no bytes';
          throw new ClipError('IO', `"${name}": slice(${start}, ${end}) gave ${got}, expected ${end - start}`);
        }
        target.set(bytes, done);
      }
      signal?.throwIfAborted();
    },
  };
}

async function sliced(store: Sliceable, start: number, end: number, name: string): Promise<unknown> {
  try {
    const part: unknown = await store.slice(start, end);
    const { arrayBuffer } = (part ?? {}) as Partial<Blob>;
    return typeof arrayBuffer === 'function' ? await arrayBuffer.call(part) : part;
  } catch (cause) {
    throw new ClipError('IO', `"${name}": reading failed: ${reason(cause)}`, { cause });
  }
}

/** By tag: buffers of other realms are not instances of this realm's class. */
function bytesOf(part: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
  const isBuffer = /^\[object (?:Shared)?ArrayBuffer\]$/.test(Object.prototype.toString.call(part));
  return isBuffer ? new Uint8Array(part as ArrayBuffer) : undefined;
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

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
