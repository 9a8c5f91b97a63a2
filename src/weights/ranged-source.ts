/**
 * A source whose bytes are fetched in blocks, as far as they are needed: of a checkpoint with both towers, only the blocks of
 * one. A server without ranges gives the whole file, which then serves.
 */
import { ClipError } from '../errors.ts';
import { checkRange, type Source } from './source.ts';

/** How much is fetched at once of a file whose list of tensors alone is wanted, in bytes: that of ViT-B/32 has 40 kB. */
export const LIST_BLOCK = 256 << 10;
/** Small enough that little is fetched in vain, large enough that the time between requests does not matter. */
export const BLOCK = 8 << 20;
/** Blocks that stay in memory: tensors are read in the order of the layout, not of the file. */
const KEPT = 2;

/** Bytes [start, end), or the whole file as a source. */
export type FetchRange = (start: number, end: number, signal?: AbortSignal) => Promise<Uint8Array | Source>;

/**
 * @param first the first block, if it is here already
 * @param listOnly the source is read for its list of tensors alone: little is fetched at once
 */
export function rangedSource(
  name: string,
  byteLength: number,
  fetchRange: FetchRange,
  { first, listOnly = false }: { readonly first?: Uint8Array; readonly listOnly?: boolean } = {},
): Source {
  const blockBytes = listOnly ? LIST_BLOCK : BLOCK;
  const blocks = new Map<number, Promise<Uint8Array | undefined>>();
  let whole: Source | undefined;
  if (first) blocks.set(0, Promise.resolve(first));

  const fetchBlock = async (index: number, signal?: AbortSignal): Promise<Uint8Array | undefined> => {
    const got = await fetchRange(index * blockBytes, Math.min((index + 1) * blockBytes, byteLength), signal);
    if (got instanceof Uint8Array) return got;
    if (got.byteLength !== byteLength) throw changed(name, byteLength, got.byteLength);
    whole = got;
    return undefined;
  };

  /** A block; undefined if the whole file is here instead. Readers at the same time share it. */
  const block = (index: number, signal?: AbortSignal): Promise<Uint8Array | undefined> => {
    const bytes = blocks.get(index) ?? fetchBlock(index, signal);
    blocks.delete(index);
    blocks.set(index, bytes);
    bytes.catch(() => blocks.delete(index));
    for (const oldest of blocks.keys()) if (blocks.size > KEPT) blocks.delete(oldest);
    return bytes;
  };

  return {
    name,
    byteLength,
    async readInto(offset, target, signal) {
      checkRange(this, offset, target.byteLength);
      for (let done = 0; done < target.byteLength && !whole; ) {
        signal?.throwIfAborted();
        const at = offset + done;
        const index = Math.floor(at / blockBytes);
        const bytes = await block(index, signal);
        if (!bytes) break;
        const part = bytes.subarray(at - index * blockBytes, at - index * blockBytes + target.byteLength - done);
        target.set(part, done);
        done += part.byteLength;
      }
      signal?.throwIfAborted();
      await whole?.readInto(offset, target, signal);
    },
    async close() {
      await whole?.close?.();
    },
  };
}

export function changed(name: string, expected: number, got: number): ClipError {
  return new ClipError('IO', `"${name}" changed while it was read: it had ${expected} bytes and now has ${got}`);
}
