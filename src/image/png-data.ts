/** The picture data of a PNG file: the content of its IDAT chunks, inflated, and whether their checksums let them count. */
import type { Pointer } from '../engine/kernels.ts';
import { ClipError } from '../errors.ts';
import type { Inflater } from './inflater.ts';
import { IDAT, IEND, type PngChunks } from './png-chunks.ts';
import { damagedPng } from './png-header.ts';

/** Chunks that are passed over at a time: some ms. */
export const CHUNKS_AT_A_TIME = 50_000;
/** The CRC-32 of the letters IDAT: a chunk's sum covers its type and its content. */
const IDAT_CRC = 0x35af061e;
/**
 * Where the sum of a chunk is wrong, that of the data itself decides (Adler-32), as in Pillow. It is at the end of the stream,
 * which must come within so many bytes behind the last row.
 */
const MOST_EXTRA_BYTES = 1_048_576;
/** Bytes behind the last row that are inflated at a time. */
const EXTRA_BYTES = 65_536;

/** Whether what was asked for is there; if not, whether bytes of the file are missing or it takes more time. */
export type Progress = 'ready' | 'input' | 'busy';

export class PngData {
  readonly #chunks: PngChunks;
  readonly #inflater: Inflater;
  /** Bytes of the rows that were not taken. */
  #left: number;
  #inChunk = true;
  #crc = IDAT_CRC;
  /** Bytes of content that were read, those before the present chunk, and before the first chunk whose sum is wrong. */
  #read = 0;
  #chunkFrom = 0;
  #wrongFrom = Number.POSITIVE_INFINITY;
  /** How many of them all the rows needed. */
  #needed: number | undefined;
  /** Whether the inflater has used up its input. */
  #isHungry = true;
  /** Whether nothing is inflated any more. */
  #isOver = false;
  #extra = 0;

  /**
   * @param chunks at the content of the first IDAT chunk
   * @param left bytes of all the rows
   */
  constructor(chunks: PngChunks, inflater: Inflater, left: number) {
    this.#chunks = chunks;
    this.#inflater = inflater;
    this.#left = left;
  }

  /** Where the next bytes of the rows are. */
  get at(): Pointer {
    return this.#inflater.at;
  }

  take(bytes: number): void {
    this.#inflater.take(bytes);
    this.#left -= bytes;
  }

  /**
   * Inflates until `bytes` bytes lie together at `at`. Nothing behind the last row is inflated.
   * @throws ClipError IMAGE_FORMAT, IMAGE_TRUNCATED
   */
  need(bytes: number): Progress {
    const inflater = this.#inflater;
    if (inflater.available >= bytes) return 'ready';
    if (this.#isHungry) {
      const fed = this.#feed();
      if (fed === 'end') {
        if (this.#chunks.type === IEND) throw damagedPng('its picture data end before the last row');
        throw truncatedPng(this.#chunks);
      }
      if (fed !== 'ready') return fed;
    }
    const result = inflater.run(this.#left);
    this.#isHungry = result === 'input';
    if (inflater.available >= bytes) return 'ready';
    if (result === 'damaged') throw damagedPng('its picture data cannot be decoded');
    if (result === 'done') throw damagedPng('its picture data end before the last row');
    return 'busy';
  }

  /**
   * After the last row: reads to the end of its chunk, for the sum; where one is wrong, to the end of the stream. What comes
   * behind is left alone.
   * @throws ClipError IMAGE_FORMAT if checksums are wrong
   */
  finish(): Progress {
    const inflater = this.#inflater;
    this.#needed ??= this.#read - inflater.unread;
    const isChunkOpen = this.#inChunk && this.#chunkFrom < this.#needed;
    const isWrong = this.#wrongFrom < this.#needed;
    if (!isChunkOpen && !isWrong) return 'ready';
    if (!this.#isOver && !this.#isHungry) {
      this.#inflateExtra();
      return 'busy';
    }
    if (!isChunkOpen && this.#isOver) {
      if (!inflater.isIntact) throw damagedPng('wrong checksum of its picture data');
      return 'ready';
    }
    const fed = this.#feed();
    if (fed === 'end') {
      this.#inChunk = false; // a file that ends before the sum: there is none to compare
      this.#isOver = true;
      return 'busy';
    }
    if (fed !== 'ready') return fed;
    if (this.#isOver) inflater.drop();
    else this.#isHungry = false;
    return 'busy';
  }

  #inflateExtra(): void {
    const inflater = this.#inflater;
    const result = inflater.run(EXTRA_BYTES);
    this.#extra += inflater.available;
    inflater.take(inflater.available);
    this.#isHungry = result === 'input';
    this.#isOver = result === 'done' || result === 'damaged' || this.#extra > MOST_EXTRA_BYTES;
    if (this.#isOver) inflater.drop();
  }

  /** Gives the inflater what it takes of the chunks' content. `ready` if that was anything, `end` if there is no more. */
  #feed(): Progress | 'end' {
    const chunks = this.#chunks;
    const before = this.#read;
    const stop = (why: Progress | 'end') => (this.#read > before ? 'ready' : why);
    const missing = () => stop(chunks.isComplete ? 'end' : 'input');
    for (let passed = 0; this.#inflater.room > 0; ) {
      if (this.#inChunk) {
        const part = chunks.content(this.#inflater.room);
        if (!part) return missing();
        if (part.length > 0) {
          this.#crc = this.#inflater.feed(part, this.#crc);
          this.#read += part.length;
          continue;
        }
        const sum = chunks.sum();
        if (sum === undefined) return missing();
        if (sum !== this.#crc) this.#wrongFrom = Math.min(this.#wrongFrom, this.#chunkFrom);
        this.#inChunk = false;
      }
      if (chunks.type === IEND) return stop('end');
      if (passed++ === CHUNKS_AT_A_TIME) return stop('busy');
      if (!chunks.next()) return missing();
      if (chunks.type !== IDAT) continue;
      this.#inChunk = true;
      this.#chunkFrom = this.#read;
      this.#crc = IDAT_CRC;
    }
    return stop('busy');
  }
}

export function truncatedPng({ bytes }: PngChunks, where = ''): ClipError {
  return new ClipError('IMAGE_TRUNCATED', `truncated PNG: the file ends after ${bytes} bytes${where}`);
}
