/** Inflates a zlib stream in the memory of a workspace: input by pieces, output from a window that moves on. */
import type { Pointer } from '../engine/kernels.ts';
import {
  CRC_TABLES,
  INFLATE_COUNT,
  INFLATE_DAMAGED,
  INFLATE_DONE,
  INFLATE_END,
  INFLATE_FULL,
  INFLATE_IN,
  INFLATE_INPUT,
  INFLATE_LIMIT,
  INFLATE_OUT,
  INFLATE_SLACK,
  INFLATE_STATE_BYTES,
  INFLATE_SUM,
  INFLATE_WINDOW,
} from './contract.ts';
import type { Workspace } from './workspace.ts';

/** Bytes of input that are copied to the workspace at a time. */
const INPUT_BYTES = 65_536;
/** Bytes of output between two moves of the window, at least. */
const OUTPUT_BYTES = 98_304;

/** Why `run` returned: the input is used up, there is as much output as it may be, the stream has ended, or it is damaged. */
export type InflateResult = 'input' | 'output' | 'done' | 'damaged';

const RESULTS: { readonly [code: number]: InflateResult } = {
  [INFLATE_INPUT]: 'input',
  [INFLATE_FULL]: 'output',
  [INFLATE_DONE]: 'done',
  [INFLATE_DAMAGED]: 'damaged',
};

export class Inflater {
  readonly #workspace: Workspace;
  readonly #state: Pointer;
  readonly #crcTables: Pointer;
  readonly #input: Pointer;
  readonly #window: Pointer;
  readonly #windowEnd: Pointer;
  /** How much of the input buffer is in use. */
  #fed = 0;
  /** The output that was not taken yet lies from `at` to `#end`. */
  #at: Pointer = 0;
  #end: Pointer = 0;
  #adler = 1;
  /** Whether input came since the last run. */
  #isFresh = true;
  #isIntact = false;

  /**
   * @param most bytes of output that must lie together before some are taken
   * @throws ClipError UNSUPPORTED if there is not enough memory
   */
  constructor(workspace: Workspace, most: number) {
    this.#workspace = workspace;
    this.#state = workspace.reserve(INFLATE_STATE_BYTES);
    this.#crcTables = workspace.reserve(CRC_TABLES * 1024);
    this.#input = workspace.reserve(INPUT_BYTES);
    const bytes = Math.max(INFLATE_WINDOW, most) + Math.max(OUTPUT_BYTES, most);
    this.#window = workspace.reserve(bytes + INFLATE_SLACK);
    this.#windowEnd = this.#window + bytes;
    workspace.kernels.crcTables(this.#crcTables);
    this.restart();
  }

  /** Forgets everything, for another stream. */
  restart(): void {
    this.#workspace.kernels.inflateStart(this.#state, this.#window);
    this.#at = this.#end = this.#window;
    this.#fed = 0;
    this.#isFresh = true;
    this.#adler = 1;
    this.#isIntact = false;
  }

  /** Bytes of input that `feed` takes now. */
  get room(): number {
    return INPUT_BYTES - this.#fed;
  }

  /**
   * Gives input. Only when `run` has asked for it, and before the first run.
   * @param bytes at most `room`
   * @param crc the CRC-32 of what comes before
   * @returns the CRC-32 with these bytes
   */
  feed(bytes: Uint8Array, crc: number): number {
    const at = this.#input + this.#fed;
    this.#workspace.bytes.set(bytes, at);
    this.#fed += bytes.length;
    this.#isFresh = true;
    return this.#workspace.kernels.crc32(this.#crcTables, crc, at, bytes.length) >>> 0;
  }

  /** The first byte of output that was not taken. It may move with each run. */
  get at(): Pointer {
    return this.#at;
  }

  /** Bytes of output that were not taken. */
  get available(): number {
    return this.#end - this.#at;
  }

  take(bytes: number): void {
    this.#at += bytes;
  }

  /**
   * Inflates until the input is used up, as much output is there as fits, or the stream ends.
   * @param most bytes of output, behind `at`, that are enough; up to 259 more may come
   */
  run(most: number): InflateResult {
    const { kernels, memory, bytes } = this.#workspace;
    if (this.#end >= this.#windowEnd) {
      const from = Math.min(this.#at, this.#end - INFLATE_WINDOW);
      bytes.copyWithin(this.#window, from, this.#end);
      this.#at -= from - this.#window;
      this.#end -= from - this.#window;
    }
    const state = new DataView(memory.buffer, this.#state);
    if (this.#isFresh) {
      state.setUint32(INFLATE_IN, this.#input, true);
      state.setUint32(INFLATE_END, this.#input + this.#fed, true);
      this.#isFresh = false;
    }
    state.setUint32(INFLATE_OUT, this.#end, true);
    state.setUint32(INFLATE_LIMIT, Math.min(this.#windowEnd, this.#at + most), true);
    const result = RESULTS[kernels.inflate(this.#state)] as InflateResult;
    const end = state.getUint32(INFLATE_OUT, true);
    this.#adler = kernels.adler32(this.#adler, this.#end, end - this.#end);
    this.#end = end;
    if (result === 'input') this.#fed = 0;
    if (result === 'done') this.#isIntact = this.#adler >>> 0 === state.getUint32(INFLATE_SUM, true);
    return result;
  }

  /** Bytes of the input that no symbol has used yet, whole ones. */
  get unread(): number {
    const state = new DataView(this.#workspace.memory.buffer, this.#state);
    const waiting = this.#fed > 0 ? state.getUint32(INFLATE_END, true) - state.getUint32(INFLATE_IN, true) : 0;
    return waiting + (state.getUint32(INFLATE_COUNT, true) >> 3);
  }

  /** Forgets the input, so that more can be fed for its checksum. */
  drop(): void {
    this.#fed = 0;
  }

  /** Whether the stream has ended and its own checksum (Adler-32) is right. */
  get isIntact(): boolean {
    return this.#isIntact;
  }
}
