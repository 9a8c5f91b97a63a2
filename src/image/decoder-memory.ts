/** How much memory the decoders of this thread have, for all models together. */

/** A memory that may grow: its buffer is another one then. */
export interface DecoderMemory {
  readonly buffer: ArrayBufferLike;
}

/** Memories that are alive, and their bytes; a decoder that is let go leaves its own. */
const memories = new Set<DecoderMemory>();

export function countMemory(memory: DecoderMemory): void {
  memories.add(memory);
}

export function forgetMemory(memory: DecoderMemory): void {
  memories.delete(memory);
}

/** Bytes of the memories in which this thread decodes and resizes pictures: those in use, and those kept for the next picture. */
export function decoderBytes(): number {
  let bytes = 0;
  for (const { buffer } of memories) bytes += buffer.byteLength;
  return bytes;
}
