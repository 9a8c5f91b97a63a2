/**
 * A JPEG file to rows of pixels, as libjpeg-turbo 3.2 decodes it with its defaults: baseline, extended and progressive Huffman
 * of 8 bits. A file of one sequential scan needs the samples of two rows of MCUs; any other keeps its coefficients, two
 * bytes each, until the last scan is read.
 *
 * libjpeg only warns when data end early and paints the missing part gray; here that is an error.
 */

import { ByteQueue } from './byte-queue.ts';
import * as c from './contract.ts';
import { type Colors, colorsOf, type Frame, planFrame, reducedSide } from './jpeg-frame.ts';
import { JpegMarkers, type MarkerOptions, noFrame } from './jpeg-markers.ts';
import { JpegOutput } from './jpeg-output.ts';
import { JpegPlanes } from './jpeg-planes.ts';
import { BLOCK_BYTES, endsEarly, JpegScan, type Part } from './jpeg-scan.ts';
import { progressiveScan, SEQUENTIAL } from './jpeg-scan-kind.ts';
import * as segments from './jpeg-segments.ts';
import { addStandardHuffman } from './jpeg-standard-tables.ts';
import type { PictureHeader, RowDecoder, Step, Window } from './rows.ts';
import type { Workspace } from './workspace.ts';

/** Blocks that a step decodes at most, some milliseconds of work. */
const STEP_BLOCKS = 16_384;
/** Scans may go over all blocks this many times: the most that an encoder has use for is less than 30. */
const MOST_PASSES = 64;
/** And over this many more blocks, for pictures so small that any number of scans is cheap. */
const FREE_BLOCKS = 4_000_000;

type Phase = 'markers' | 'scan' | 'output' | 'done';

export interface JpegOptions extends MarkerOptions {
  /** Short edge for which the picture may be reduced to 1/2, 1/4 or 1/8, as Pillow's `draft` does. Default: it is not. */
  readonly target?: number | undefined;
}

export class JpegRows implements RowDecoder {
  header: PictureHeader | undefined;
  readonly #workspace: Workspace;
  readonly #options: JpegOptions;
  readonly #queue = new ByteQueue();
  readonly #markers: JpegMarkers;
  #phase: Phase = 'markers';
  /** A scan header that waits for the caller to have seen `header`. */
  #waiting: segments.ScanHeader | undefined;

  /** Side of a block in pixels. */
  #side = 8;
  #frame!: Frame;
  #colors!: Colors;
  #parts: Part[] = [];
  #planes!: JpegPlanes;
  #window: Window | undefined;
  #scan!: JpegScan;
  /** Whether one scan has all components, so that blocks become pixels at once. */
  #single = false;
  #scanParts: Part[] = [];
  #scanRow = 0;
  #scanRows = 0;
  #blocks = 0;
  /** How a single scan ended: bytes followed it that it did not need. */
  #leftover = false;
  #output!: JpegOutput;
  #complete = false;

  constructor(workspace: Workspace, options: JpegOptions = {}) {
    this.#workspace = workspace;
    this.#options = options;
    this.#markers = new JpegMarkers(this.#queue, options);
  }

  push(bytes: Uint8Array): void {
    this.#queue.push(bytes);
  }

  end(): void {
    this.#queue.ended = true;
  }

  want(window: Window): void {
    this.#window = window;
  }

  step(): Step {
    switch (this.#phase) {
      case 'markers':
        return this.#readMarkers();
      case 'scan':
        return this.#single ? this.#decodeRow() : this.#decodeRows();
      case 'output':
        return this.#writeRow();
      case 'done':
        return 'end';
    }
  }

  /** Segment after segment, until there is a scan to decode. */
  #readMarkers(): Step {
    if (this.#waiting) return this.#startScan(this.#waiting);
    const found = this.#markers.next(this.#complete);
    if (found === 'more') return this.#queue.ended ? this.#finishEarly() : this.#input();
    if (found === 'busy') return found;
    if (found === 'end') return this.#finish();
    this.#waiting = found;
    if (this.header) return 'busy';
    this.#makeHeader(found);
    return 'header';
  }

  #input(): Step {
    this.#queue.keep();
    return 'input';
  }

  #makeHeader(scan: segments.ScanHeader): void {
    const { jfif, adobe, metadata } = this.#markers;
    const frame = this.#markers.frame!;
    const { width, height } = frame;
    const { target } = this.#options;
    const side = target === undefined ? 8 : reducedSide(frame, target);
    this.#single = !frame.progressive && scan.components.length === frame.components.length;
    this.#colors = colorsOf(frame, jfif, adobe);
    const gray = this.#colors === 'gray';
    this.header = {
      width: Math.ceil((width * side) / 8),
      height: Math.ceil((height * side) / 8),
      channels: gray ? 1 : 3,
      planar: !gray,
      metadata,
    };
    this.#side = side;
  }

  /** Reserves what the picture needs, once its size is known to be within the limits. */
  #allocate(): void {
    const workspace = this.#workspace;
    const frame = this.#markers.frame!;
    if (!frame.progressive) addStandardHuffman(this.#markers.huffman);
    this.#frame = planFrame(frame, this.#side);
    this.#scan = new JpegScan(workspace, this.#queue);
    this.#parts = this.#frame.components.map((component) => ({
      component,
      quantization: 0,
      coefficients: this.#single
        ? 0
        : workspace.reserveZeroed(component.storedAcross * component.storedDown * BLOCK_BYTES),
      known: new Int32Array(64).fill(-1),
      table: undefined,
    }));
    this.#planes = new JpegPlanes(workspace, this.#frame, this.#colors);
    if (this.#window) this.#planes.want(this.#window);
  }

  #startScan(header: segments.ScanHeader): Step {
    this.#waiting = undefined;
    if (this.#parts.length === 0) this.#allocate();
    const { progressive } = this.#markers.frame!;
    const parts = this.#partsOf(header);
    this.#scanParts = parts;
    const interleaved = parts.length > 1;
    const blocks = parts.reduce((sum, { component }) => sum + component.across * component.down, 0);
    if (interleaved && blocks > 10) throw segments.damaged(`${blocks} blocks in an MCU, at most 10 are allowed`);
    const kind = progressive ? progressiveScan(header, parts) : SEQUENTIAL;
    for (const part of parts) this.#keepQuantization(part);

    const alone = parts[0]!.component;
    const mcus = interleaved ? this.#frame.mcusAcross : alone.blocksAcross;
    this.#scanRows = interleaved ? this.#frame.mcusDown : alone.blocksDown;
    this.#scanRow = 0;
    this.#blocks += mcus * this.#scanRows * (interleaved ? blocks : 1);
    const stored = this.#frame.components.reduce((sum, part) => sum + part.storedAcross * part.storedDown, 0);
    if (this.#blocks > MOST_PASSES * stored + FREE_BLOCKS) {
      throw segments.damaged('more scans than any picture needs');
    }

    const { firstMcu, endMcu } = this.#planes;
    const { interval, huffman } = this.#markers;
    const mode = this.#single ? c.MODE_PIXELS : kind.mode;
    this.#scan.begin({ header, parts, ...kind, mode, mcus, firstMcu, endMcu, interval, huffman });
    this.#phase = 'scan';
    return 'busy';
  }

  /** A component's table counts as it is when its first scan begins. */
  #keepQuantization(part: Part): void {
    if (part.table) return;
    const workspace = this.#workspace;
    const table = this.#markers.quantization[part.component.table];
    if (!table) throw segments.damaged(`no quantization table ${part.component.table}`);
    part.table = table;
    part.quantization = workspace.reserve(128);
    new Uint16Array(workspace.memory.buffer, part.quantization, 64).set(table);
  }

  /** The components of a scan (jdmarker.c, get_sos). */
  #partsOf(header: segments.ScanHeader): Part[] {
    const ids = header.components.map(({ id }) => id);
    const parts = header.components.map(({ id }) => this.#parts.find(({ component }) => component.id === id));
    if (parts.includes(undefined) || new Set(ids).size < ids.length) {
      throw segments.damaged(`a scan of components ${ids.join(', ')}, which the frame does not have`);
    }
    return parts as Part[];
  }

  /** A single scan: a row of MCUs to rows of pixels. */
  #decodeRow(): Step {
    const row = this.#scanRow;
    if (this.#scan.get(c.SCAN_MCU) === 0) this.#placeRow(row);
    if (!this.#scan.decodeMcus()) return this.#input();
    this.#scanRow++;
    const rows = this.#planes.isNeeded(row) ? this.#planes.finishRow(row) : undefined;
    if (this.#scanRow === this.#scanRows) {
      this.#complete = true;
      this.#leftover = this.#scan.end();
      this.#phase = 'markers';
    }
    return rows ?? 'busy';
  }

  /** Where the samples of a row of MCUs go. */
  #placeRow(row: number): void {
    const needed = this.#planes.isNeeded(row);
    const { firstMcu, endMcu, planes } = this.#planes;
    this.#scan.set([
      [c.SCAN_WANTED, needed ? firstMcu : 0],
      [c.SCAN_WANTED_END, needed ? endMcu : 0],
    ]);
    for (const [i, part] of this.#scanParts.entries()) {
      const { at, stride, component } = planes[this.#parts.indexOf(part)]!;
      const record = c.SCAN_RECORDS + i * c.RECORD_BYTES;
      this.#scan.set([
        [record + c.RECORD_AT, at],
        [record + c.RECORD_STRIDE, stride],
        [record + c.RECORD_HEIGHT, component.blocksDown - row * component.down],
      ]);
    }
  }

  /** Several scans: rows of MCUs to coefficients. */
  #decodeRows(): Step {
    const mcus = this.#scan.get(c.SCAN_MCUS);
    const interleaved = this.#scanParts.length > 1;
    for (let blocks = 0; blocks < STEP_BLOCKS; blocks += mcus) {
      if (this.#scan.get(c.SCAN_MCU) === 0) {
        for (const [i, { component, coefficients }] of this.#scanParts.entries()) {
          const blockRow = this.#scanRow * (interleaved ? component.down : 1);
          const at = coefficients + blockRow * component.storedAcross * BLOCK_BYTES;
          this.#scan.set([[c.SCAN_RECORDS + i * c.RECORD_BYTES + c.RECORD_AT, at]]);
        }
      }
      if (!this.#scan.decodeMcus()) return this.#input();
      if (++this.#scanRow === this.#scanRows) {
        this.#scan.end();
        this.#phase = 'markers';
        return 'busy';
      }
    }
    return 'busy';
  }

  /** The end-of-image marker came, or a trailer after a complete picture. */
  #finish(): Step {
    if (!this.header) throw noFrame();
    if (this.#complete) {
      this.#phase = 'done';
      return 'end';
    }
    const { progressive } = this.#markers.frame!;
    const scans = {
      parts: this.#parts,
      planes: this.#planes,
      scan: this.#scan,
      rows: this.#frame.mcusDown,
      progressive,
    };
    this.#output = new JpegOutput(this.#workspace, scans);
    this.#phase = 'output';
    return 'busy';
  }

  /** Coefficients to rows of pixels: a row of MCUs. */
  #writeRow(): Step {
    const step = this.#output.next();
    if (step === 'end') this.#phase = 'done';
    return step;
  }

  /**
   * The file ended without the marker. Some cameras' panoramas have a trailer instead. As Pillow does, a picture of one
   * sequential scan is accepted without it if another marker follows the scan, or bytes that the scan did not need.
   */
  #finishEarly(): Step {
    if (!this.#complete || !(this.#leftover || this.#markers.isBehind)) throw endsEarly(this.#queue);
    this.#phase = 'done';
    return 'end';
  }
}
