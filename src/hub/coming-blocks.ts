/** Blocks of a file while they come, one after the other: written, hashed, and noted in the list as far as they are there. */
import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { type BlockList, PARTS } from './block-list.ts';
import { writing } from './cache.ts';

export class ComingBlocks {
  readonly #list: BlockList;
  readonly #handle: FileHandle;
  #block: number;
  /** Of the block's bytes that are here. */
  #hash: Hash;
  #bytes: number;
  /** How many of them are in the list, and when that was last written. */
  #noted: number;
  #when = performance.now();

  private constructor(list: BlockList, handle: FileHandle, block: number, bytes: number, hash: Hash) {
    this.#list = list;
    this.#handle = handle;
    this.#block = block;
    this.#hash = hash;
    this.#bytes = bytes;
    this.#noted = bytes;
  }

  /** Goes on after so many bytes of a block. */
  static async after(list: BlockList, handle: FileHandle, block: number, bytes: number): Promise<ComingBlocks> {
    return new ComingBlocks(list, handle, block, bytes, await list.hash(handle, block, bytes));
  }

  /** Where in the file the next byte belongs. */
  get at(): number {
    return this.#list.start(this.#block) + this.#bytes;
  }

  /**
   * Takes the next bytes.
   * @param took called with how much of a block is here now
   * @throws ClipError IO if they cannot be written
   */
  async take(piece: Uint8Array, took: (block: number, bytes: number) => void): Promise<void> {
    await writing(this.#list.parts, () => writeAll(this.#handle, piece, this.at));
    for (let done = 0; done < piece.byteLength; ) {
      const all = this.#list.bytes(this.#block);
      const part = piece.subarray(done, done + all - this.#bytes);
      this.#hash.update(part);
      this.#bytes += part.byteLength;
      done += part.byteLength;
      const whole = this.#bytes === all;
      if (whole || performance.now() - this.#when >= PARTS.noteMs) await this.note();
      took(this.#block, this.#bytes);
      if (whole) this.#begin(this.#block + 1);
    }
  }

  /** Notes what has come, for the next load. */
  async note(): Promise<void> {
    if (this.#bytes === this.#noted) return;
    await this.#list.note(this.#handle, this.#block, this.#bytes, this.#hash.copy().digest('hex'));
    this.#noted = this.#bytes;
    this.#when = performance.now();
  }

  #begin(block: number): void {
    this.#block = block;
    this.#hash = createHash('sha256');
    this.#bytes = 0;
    this.#noted = 0;
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    done += (await handle.write(bytes, done, bytes.byteLength - done, at + done)).bytesWritten;
  }
}
