/** A scan of a JPEG file in the workspace: its tables and state as the kernels read them, and the bytes that they decode. */
import type { Pointer } from '../engine/kernels.ts';
import { ClipError } from '../errors.ts';
import type { ByteQueue } from './byte-queue.ts';
import * as c from './contract.ts';
import type { Component } from './jpeg-frame.ts';
import { damaged, type HuffmanTable, type ScanHeader, ZIGZAG } from './jpeg-segments.ts';
import type { Workspace } from './workspace.ts';

/** Bytes of the file that are in the workspace at once. */
const INPUT_BYTES = 65_536;
/** A block of coefficients. */
export const BLOCK_BYTES = 128;

/** A component with what its scans need. */
export interface Part {
  readonly component: Component;
  /** Its quantization table as of its first scan, u16[64]; 0 before. */
  quantization: Pointer;
  /** Several scans: its coefficients, i16[storedDown][storedAcross][64]. */
  coefficients: Pointer;
  /** Progressive: for each coefficient the lowest bit that is known, -1 for none. */
  readonly known: Int32Array;
  table: Uint16Array | undefined;
}

/** What a scan decodes. */
export interface ScanPlan {
  readonly header: ScanHeader;
  /** The components of the header. */
  readonly parts: readonly Part[];
  /** One of the contract's MODE_ numbers. */
  readonly mode: number;
  readonly usesDc: boolean;
  readonly usesAc: boolean;
  /** MCUs of a row, and which of them are wanted as pixels. */
  readonly mcus: number;
  readonly firstMcu: number;
  readonly endMcu: number;
  /** MCUs between restart markers; 0 for none. */
  readonly interval: number;
  /** The Huffman tables of the file: 0 to 3 of DC, 4 to 7 of AC. */
  readonly huffman: readonly (HuffmanTable | undefined)[];
}

export class JpegScan {
  /** Where the kernels find it. */
  readonly at: Pointer;
  readonly #tables: Pointer;
  readonly #input: Pointer;
  readonly #workspace: Workspace;
  readonly #queue: ByteQueue;

  constructor(workspace: Workspace, queue: ByteQueue) {
    this.#workspace = workspace;
    this.#queue = queue;
    this.at = workspace.reserveZeroed(c.SCAN_BYTES);
    this.#tables = workspace.reserve(8 * c.HUFFMAN_BYTES);
    this.#input = workspace.reserve(INPUT_BYTES);
    for (let k = 0; k < 80; k++) workspace.bytes[this.at + c.SCAN_ORDER + k] = 2 * (ZIGZAG[k] ?? 63);
  }

  /** @throws ClipError IMAGE_FORMAT for Huffman tables that are not there or impossible */
  begin(plan: ScanPlan): void {
    this.#writeRecords(plan);
    const { header, mode, interval } = plan;
    this.set([
      [c.SCAN_BITS, 0],
      [c.SCAN_BITS + 4, 0],
      [c.SCAN_COUNT, 0],
      [c.SCAN_PADDING, 0],
      [c.SCAN_NEXT, this.#input],
      [c.SCAN_END, this.#input],
      [c.SCAN_FINAL, 0],
      [c.SCAN_INTERVAL, interval],
      [c.SCAN_TO_RESTART, interval],
      [c.SCAN_RESTART, 0],
      [c.SCAN_END_RUN, 0],
      [c.SCAN_MCU, 0],
      [c.SCAN_MCUS, plan.mcus],
      [c.SCAN_COMPONENTS, plan.parts.length],
      [c.SCAN_FIRST, header.first],
      [c.SCAN_LAST, header.last],
      [c.SCAN_HIGH, header.high],
      [c.SCAN_LOW, header.low],
      [c.SCAN_MODE, mode],
      [c.SCAN_WANTED, plan.firstMcu],
      [c.SCAN_WANTED_END, plan.endMcu],
    ]);
  }

  set(fields: readonly (readonly [offset: number, value: number])[]): void {
    const view = new Int32Array(this.#workspace.memory.buffer, this.at, c.SCAN_BYTES / 4);
    for (const [offset, value] of fields) view[offset / 4] = value;
  }

  get(offset: number): number {
    return new Int32Array(this.#workspace.memory.buffer, this.at, c.SCAN_BYTES / 4)[offset / 4] as number;
  }

  /** Decodes the rest of a row of MCUs; false if input is missing. @throws ClipError IMAGE_TRUNCATED */
  decodeMcus(): boolean {
    for (;;) {
      const outcome = this.#workspace.kernels.decodeMcus(this.at);
      if (outcome === c.MCUS_DONE) return true;
      if (outcome === c.MCUS_TRUNCATED) throw this.#missing();
      if (!this.#refill()) return false;
    }
  }

  /** Gives back the input that it did not take. Returns whether bytes followed that it did not need. */
  end(): boolean {
    const unused = this.get(c.SCAN_COUNT) - this.get(c.SCAN_PADDING);
    this.#queue.unread(this.#workspace.bytes.slice(this.get(c.SCAN_NEXT), this.get(c.SCAN_END)));
    return unused >= 8 || this.#queue.before(0xff) > 0;
  }

  /** The tables that it uses, and the records of its components. */
  #writeRecords({ header, parts, usesDc, usesAc, huffman }: ScanPlan): void {
    const built = new Set<number>();
    const build = (index: number) => {
      const table = this.#tables + index * c.HUFFMAN_BYTES;
      if (!built.has(index)) this.#buildTable(table, huffman[index], index);
      built.add(index);
      return table;
    };
    const interleaved = parts.length > 1;
    for (const [i, { component, quantization, coefficients }] of parts.entries()) {
      const { dc, ac } = header.components[i]!;
      const record = c.SCAN_RECORDS + i * c.RECORD_BYTES;
      if ((usesDc && dc > 3) || (usesAc && ac > 3)) throw damaged(`Huffman tables ${dc} and ${ac}, expected 0 to 3`);
      const dcTable = usesDc ? build(dc) : 0;
      const acTable = usesAc ? build(4 + ac) : 0;
      this.set([
        [record + c.RECORD_ACROSS, interleaved ? component.across : 1],
        [record + c.RECORD_DOWN, interleaved ? component.down : 1],
        [record + c.RECORD_DC_TABLE, dcTable],
        [record + c.RECORD_AC_TABLE, acTable],
        [record + c.RECORD_QUANTIZATION, quantization],
        [record + c.RECORD_DC, 0],
        [record + c.RECORD_AT, coefficients],
        [record + c.RECORD_STRIDE, component.storedAcross * BLOCK_BYTES],
        [record + c.RECORD_WIDTH, component.blocksAcross],
        [record + c.RECORD_HEIGHT, component.down],
        [record + c.RECORD_SIDE, component.side],
      ]);
    }
  }

  #buildTable(table: Pointer, found: HuffmanTable | undefined, index: number): void {
    const { bytes, kernels } = this.#workspace;
    if (!found) throw damaged(`no Huffman table ${index & 3}`);
    bytes.fill(0, table + c.HUFFMAN_VALUES, table + c.HUFFMAN_BYTES);
    bytes.set(found.values, table + c.HUFFMAN_VALUES);
    bytes.set(found.counts, table + c.HUFFMAN_COUNTS);
    if (!kernels.buildHuffman(table, index < 4 ? 1 : 0)) throw damaged('an impossible Huffman table');
  }

  /** Moves input to the workspace; false if there is none. */
  #refill(): boolean {
    const { bytes } = this.#workspace;
    const next = this.get(c.SCAN_NEXT);
    const end = this.get(c.SCAN_END);
    if (this.#queue.length === 0 && !this.#queue.ended) return false;
    bytes.copyWithin(this.#input, next, end);
    const left = end - next;
    const piece = this.#queue.view(INPUT_BYTES - left);
    bytes.set(piece, this.#input + left);
    this.#queue.skip(piece.length);
    this.set([
      [c.SCAN_NEXT, this.#input],
      [c.SCAN_END, this.#input + left + piece.length],
      [c.SCAN_FINAL, this.#queue.ended && this.#queue.length === 0 ? 1 : 0],
    ]);
    return true;
  }

  /** The data end before the picture does: at a marker, or with the file. */
  #missing(): ClipError {
    if (this.get(c.SCAN_NEXT) >= this.get(c.SCAN_END)) return endsEarly(this.#queue);
    return new ClipError('IMAGE_TRUNCATED', 'truncated JPEG: a part of the picture data is missing');
  }
}

/** The file ends without its marker. */
export function endsEarly({ taken, length }: ByteQueue): ClipError {
  const message = `truncated JPEG: the file ends after ${taken + length} bytes without an end-of-image marker`;
  return new ClipError('IMAGE_TRUNCATED', message);
}
