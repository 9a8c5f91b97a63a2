/**
 * A JPEG file to rows of pixels, as libjpeg-turbo 3.2 decodes it with its defaults: baseline, extended and progressive Huffman
 * of 8 bits. A file of one sequential scan needs the samples of two rows of MCUs; any other keeps its coefficients, two
 * bytes each, until the last scan is read.
 *
 * libjpeg only warns when data end early and paints the missing part gray; here that is an error.
 */
import type { Pointer } from '../engine/kernels.ts';
import { ClipError } from '../errors.ts';
import { ByteQueue } from './byte-queue.ts';
import { concatenate } from './bytes.ts';
import * as c from './contract.ts';
import { type Colors, type Component, colorsOf, type Frame, planFrame, reducedSide } from './jpeg-frame.ts';
import { JpegPlanes } from './jpeg-planes.ts';
import * as segments from './jpeg-segments.ts';
import { JpegSmoothing } from './jpeg-smoothing.ts';
import type { PictureHeader, RowDecoder, Step, Window } from './rows.ts';
import type { Workspace } from './workspace.ts';

/** Bytes of the file that are in the workspace at once. */
const INPUT_BYTES = 65_536;
/** Blocks that a step decodes at most, some milliseconds of work. */
const STEP_BLOCKS = 16_384;
/** Scans may go over all blocks this many times: the most that an encoder has use for is less than 30. */
const MOST_PASSES = 64;
/** And over this many more blocks, for pictures so small that any number of scans is cheap. */
const FREE_BLOCKS = 4_000_000;
/** A block of coefficients. */
export const BLOCK_BYTES = 128;

type Phase = 'markers' | 'scan' | 'output' | 'done';

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

export interface JpegOptions {
  /** Short edge for which the picture may be reduced to 1/2, 1/4 or 1/8, as Pillow's `draft` does. Default: it is not. */
  readonly target?: number | undefined;
  /** Whether EXIF and XMP are wanted. Default false. */
  readonly metadata?: boolean | undefined;
  /** Called with the size that the file states, as soon as it is known; its error passes. */
  readonly checkSize?: ((width: number, height: number) => void) | undefined;
}

export class JpegRows implements RowDecoder {
  header: PictureHeader | undefined;
  readonly #workspace: Workspace;
  readonly #options: JpegOptions;
  readonly #queue = new ByteQueue();
  #phase: Phase = 'markers';
  /** Bytes of a segment that is passed over. */
  #skip = 0;
  /** A scan header that waits for the caller to have seen `header`. */
  #waiting: segments.ScanHeader | undefined;

  #frameHeader: segments.FrameHeader | undefined;
  #jfif = false;
  #adobe: number | undefined;
  readonly #exif: Uint8Array[] = [];
  #xmp: Uint8Array | undefined;
  readonly #quantization: (Uint16Array | undefined)[] = [];
  readonly #huffman: (segments.HuffmanTable | undefined)[] = [];
  #interval = 0;

  /** Side of a block in pixels. */
  #side = 8;
  #frame!: Frame;
  #colors!: Colors;
  #parts: Part[] = [];
  #planes!: JpegPlanes;
  #window: Window | undefined;
  #scan: Pointer = 0;
  #tables: Pointer = 0;
  #input: Pointer = 0;
  /** Whether one scan has all components, so that blocks become pixels at once. */
  #single = false;
  #scanParts: Part[] = [];
  #scanRow = 0;
  #scanRows = 0;
  #blocks = 0;
  /** How a single scan ended: bytes followed it that it did not need. */
  #leftover = false;
  /** A single scan is done, and a marker followed it. */
  #markerAfterScan = false;
  #outputRow = 0;
  #smoothing: JpegSmoothing | undefined;
  #complete = false;

  constructor(workspace: Workspace, options: JpegOptions = {}) {
    this.#workspace = workspace;
    this.#options = options;
    this.#skip = 2; // SOI
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
        return this.#outputRows();
      case 'done':
        return 'end';
    }
  }

  /** Segment after segment, until there is a scan to decode. */
  #readMarkers(): Step {
    if (this.#waiting) return this.#startScan(this.#waiting);
    const queue = this.#queue;
    for (;;) {
      this.#skip -= queue.skip(this.#skip);
      if (this.#skip > 0) return this.#more();
      const marker = this.#nextMarker();
      if (marker === undefined) return this.#more();
      const [length, code] = marker;
      if (code === segments.EOI) {
        queue.skip(length);
        return this.#finish();
      }
      // Behind a complete picture, what is not a segment is a trailer.
      if (code === segments.SOI) {
        if (this.#complete) return this.#finish();
        queue.skip(length);
        continue;
      }
      const [high, low] = [queue.peek(length), queue.peek(length + 1)];
      if (high === undefined || low === undefined) return this.#more();
      const size = (high << 8) | low;
      if (size < 2) {
        if (this.#complete) return this.#finish();
        throw segments.damaged('a segment with an impossible length');
      }
      if (this.#complete || !this.#isUsed(code)) {
        this.#skip = length + size;
        continue;
      }
      if (queue.length < length + size) return this.#more();
      const body = queue.view(length + size).subarray(length + 2);
      const step = this.#readSegment(code, body);
      queue.skip(length + size);
      if (step) return step;
    }
  }

  /** More of the file, or if there is none, the end of it. */
  #more(): Step {
    return this.#queue.ended ? this.#finishEarly() : 'input';
  }

  /**
   * The next marker's bytes and code. As in libjpeg's next_marker, whatever lies before it is skipped: entropy-coded data
   * (where a byte 0xff is followed by zero), fill bytes, restart markers, and garbage.
   */
  #nextMarker(): [length: number, code: number] | undefined {
    const queue = this.#queue;
    for (;;) {
      queue.skip(queue.before(0xff));
      let length = 0;
      while (queue.peek(length) === 0xff) length++;
      const code = queue.peek(length);
      if (code === undefined) {
        // Of any number of fill bytes one is enough.
        if (length > 1) queue.skip(length - 1);
        return undefined;
      }
      if (code > 1 && (code < 0xd0 || code >= segments.SOI)) {
        if (this.#complete) this.#markerAfterScan = true;
        return [length + 1, code];
      }
      queue.skip(length + 1);
    }
  }

  #isUsed(code: number): boolean {
    const { APP0, APP1, APP14, DHT, DQT, DRI, SOS } = segments;
    return segments.isFrame(code) || [APP0, APP1, APP14, DHT, DQT, DRI, SOS].includes(code);
  }

  #readSegment(code: number, body: Uint8Array): Step | undefined {
    switch (code) {
      case segments.SOS: {
        if (!this.#frameHeader) throw noFrame();
        const scan = segments.readScan(body);
        if (this.header) {
          this.#waiting = scan;
          this.#phase = 'markers';
          return 'busy';
        }
        this.#makeHeader(scan);
        return 'header';
      }
      case segments.DQT:
        segments.readQuantization(body, this.#quantization);
        return undefined;
      case segments.DHT:
        segments.readHuffman(body, this.#huffman);
        return undefined;
      case segments.DRI:
        this.#interval = segments.readInterval(body);
        return undefined;
      case segments.APP0:
        this.#jfif ||= segments.isJfif(body);
        return undefined;
      case segments.APP14:
        this.#adobe = segments.adobeTransform(body) ?? this.#adobe;
        return undefined;
      case segments.APP1: {
        // As in Pillow, EXIF may be split over segments, and the last XMP before the first scan counts.
        if (this.header || !this.#options.metadata) return undefined;
        const exif = segments.exifPart(body);
        if (exif) this.#exif.push(exif);
        this.#xmp = segments.xmpPart(body) ?? this.#xmp;
        return undefined;
      }
      default:
        if (this.#frameHeader) throw segments.damaged('a second frame header');
        this.#frameHeader = segments.readFrame(code, body);
        this.#options.checkSize?.(this.#frameHeader.width, this.#frameHeader.height);
        return undefined;
    }
  }

  #makeHeader(scan: segments.ScanHeader): void {
    const frame = this.#frameHeader!;
    const { width, height } = frame;
    const { target } = this.#options;
    const side = target === undefined ? 8 : reducedSide(frame, target);
    this.#waiting = scan;
    this.#single = !frame.progressive && scan.components.length === frame.components.length;
    const metadata = {
      exif: this.#exif.length > 1 ? concatenate(this.#exif) : this.#exif[0],
      xmp: this.#xmp,
    };
    this.#colors = colorsOf(frame, this.#jfif, this.#adobe);
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
    const frame = this.#frameHeader!;
    this.#frame = planFrame(frame, this.#side);
    this.#scan = workspace.reserveZeroed(c.SCAN_BYTES);
    this.#tables = workspace.reserve(8 * c.HUFFMAN_BYTES);
    this.#input = workspace.reserve(INPUT_BYTES);
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
    const { bytes } = workspace;
    for (let k = 0; k < 80; k++) bytes[this.#scan + c.SCAN_ORDER + k] = 2 * (segments.ZIGZAG[k] ?? 63);
  }

  #startScan(header: segments.ScanHeader): Step {
    this.#waiting = undefined;
    if (this.#parts.length === 0) this.#allocate();
    const { progressive } = this.#frameHeader!;
    const parts = this.#partsOf(header);
    this.#scanParts = parts;
    const interleaved = parts.length > 1;
    const blocks = parts.reduce((sum, { component }) => sum + component.across * component.down, 0);
    if (interleaved && blocks > 10) throw segments.damaged(`${blocks} blocks in an MCU, at most 10 are allowed`);
    const { first, last, high, low } = header;
    const isDc = first === 0;
    if (progressive) {
      const band = isDc ? last === 0 : first <= last && last < 64 && !interleaved;
      if (!band || (high !== 0 && low !== high - 1) || low > 13) {
        throw segments.damaged(`a progressive scan of coefficients ${first} to ${last}, bits ${high} to ${low}`);
      }
      for (const { known } of parts) known.fill(low, first, last + 1);
    }
    this.#writeTables(header, parts, !progressive || (isDc && high === 0), !progressive || !isDc);

    const alone = parts[0]!.component;
    const mcus = interleaved ? this.#frame.mcusAcross : alone.blocksAcross;
    this.#scanRows = interleaved ? this.#frame.mcusDown : alone.blocksDown;
    this.#scanRow = 0;
    this.#blocks += mcus * this.#scanRows * (interleaved ? blocks : 1);
    const stored = this.#frame.components.reduce((sum, part) => sum + part.storedAcross * part.storedDown, 0);
    if (this.#blocks > MOST_PASSES * stored + FREE_BLOCKS) {
      throw segments.damaged('more scans than any picture needs');
    }

    const mode = this.#single
      ? c.MODE_PIXELS
      : !progressive
        ? c.MODE_SEQUENTIAL
        : isDc
          ? high === 0
            ? c.MODE_DC_FIRST
            : c.MODE_DC_REFINE
          : high === 0
            ? c.MODE_AC_FIRST
            : c.MODE_AC_REFINE;
    const { firstMcu, endMcu } = this.#planes;
    this.#setScan([
      ...([0, 4] as const).map((half) => [c.SCAN_BITS + half, 0] as const),
      [c.SCAN_COUNT, 0],
      [c.SCAN_PADDING, 0],
      [c.SCAN_NEXT, this.#input],
      [c.SCAN_END, this.#input],
      [c.SCAN_FINAL, 0],
      [c.SCAN_INTERVAL, this.#interval],
      [c.SCAN_TO_RESTART, this.#interval],
      [c.SCAN_RESTART, 0],
      [c.SCAN_END_RUN, 0],
      [c.SCAN_MCU, 0],
      [c.SCAN_MCUS, mcus],
      [c.SCAN_COMPONENTS, parts.length],
      [c.SCAN_FIRST, first],
      [c.SCAN_LAST, last],
      [c.SCAN_HIGH, high],
      [c.SCAN_LOW, low],
      [c.SCAN_MODE, mode],
      [c.SCAN_WANTED, firstMcu],
      [c.SCAN_WANTED_END, endMcu],
    ]);
    this.#phase = 'scan';
    return 'busy';
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

  /** Writes the tables that a scan uses, and the records of its components. */
  #writeTables(header: segments.ScanHeader, parts: readonly Part[], usesDc: boolean, usesAc: boolean): void {
    const workspace = this.#workspace;
    for (const part of parts) {
      if (part.table) continue;
      const table = this.#quantization[part.component.table];
      if (!table) throw segments.damaged(`no quantization table ${part.component.table}`);
      part.table = table;
      part.quantization = workspace.reserve(128);
      new Uint16Array(workspace.memory.buffer, part.quantization, 64).set(table);
    }
    const built = new Set<number>();
    const build = (index: number) => {
      const table = this.#tables + index * c.HUFFMAN_BYTES;
      if (built.has(index)) return table;
      const found = this.#huffman[index];
      if (!found) throw segments.damaged(`no Huffman table ${index & 3}`);
      workspace.bytes.fill(0, table + c.HUFFMAN_VALUES, table + c.HUFFMAN_BYTES);
      workspace.bytes.set(found.values, table + c.HUFFMAN_VALUES);
      workspace.bytes.set(found.counts, table + c.HUFFMAN_COUNTS);
      if (!workspace.kernels.buildHuffman(table, index < 4 ? 1 : 0))
        throw segments.damaged('an impossible Huffman table');
      built.add(index);
      return table;
    };
    const interleaved = parts.length > 1;
    for (const [i, { component, quantization, coefficients }] of parts.entries()) {
      const { dc, ac } = header.components[i]!;
      if (dc > 3 || ac > 3) throw segments.damaged(`Huffman tables ${dc} and ${ac}, expected 0 to 3`);
      const record = c.SCAN_RECORDS + i * c.RECORD_BYTES;
      const dcTable = usesDc ? build(dc) : 0;
      const acTable = usesAc ? build(4 + ac) : 0;
      this.#setScan([
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

  #setScan(fields: readonly (readonly [offset: number, value: number])[]): void {
    const view = new Int32Array(this.#workspace.memory.buffer, this.#scan, c.SCAN_BYTES / 4);
    for (const [offset, value] of fields) view[offset / 4] = value;
  }

  #getScan(offset: number): number {
    return new Int32Array(this.#workspace.memory.buffer, this.#scan, c.SCAN_BYTES / 4)[offset / 4] as number;
  }

  /** Decodes the rest of a row of MCUs; false if input is missing. @throws ClipError IMAGE_TRUNCATED */
  #decodeMcus(): boolean {
    for (;;) {
      const outcome = this.#workspace.kernels.decodeMcus(this.#scan);
      if (outcome === c.MCUS_DONE) return true;
      if (outcome === c.MCUS_TRUNCATED) throw this.#missing();
      if (!this.#refill()) return false;
    }
  }

  /** Moves input to the workspace; false if there is none. */
  #refill(): boolean {
    const { bytes } = this.#workspace;
    const next = this.#getScan(c.SCAN_NEXT);
    const end = this.#getScan(c.SCAN_END);
    if (this.#queue.length === 0 && !this.#queue.ended) return false;
    bytes.copyWithin(this.#input, next, end);
    const left = end - next;
    const piece = this.#queue.view(INPUT_BYTES - left);
    bytes.set(piece, this.#input + left);
    this.#queue.skip(piece.length);
    this.#setScan([
      [c.SCAN_NEXT, this.#input],
      [c.SCAN_END, this.#input + left + piece.length],
      [c.SCAN_FINAL, this.#queue.ended && this.#queue.length === 0 ? 1 : 0],
    ]);
    return true;
  }

  /** The data end before the picture does: at a marker, or with the file. */
  #missing(): ClipError {
    const end = this.#getScan(c.SCAN_END);
    const next = this.#getScan(c.SCAN_NEXT);
    if (next >= end) return this.#truncated();
    return new ClipError('IMAGE_TRUNCATED', 'truncated JPEG: a part of the picture data is missing');
  }

  #truncated(): ClipError {
    const { taken, length } = this.#queue;
    const message = `truncated JPEG: the file ends after ${taken + length} bytes without an end-of-image marker`;
    return new ClipError('IMAGE_TRUNCATED', message);
  }

  /** A single scan: a row of MCUs to rows of pixels. */
  #decodeRow(): Step {
    const row = this.#scanRow;
    if (this.#getScan(c.SCAN_MCU) === 0) this.#placeRow(row);
    if (!this.#decodeMcus()) return 'input';
    this.#scanRow++;
    const rows = this.#planes.isNeeded(row) ? this.#planes.finishRow(row) : undefined;
    if (this.#scanRow === this.#scanRows) {
      this.#complete = true;
      this.#endScan();
    }
    return rows ?? 'busy';
  }

  /** Where the samples of a row of MCUs go. */
  #placeRow(row: number): void {
    const needed = this.#planes.isNeeded(row);
    const { firstMcu, endMcu, planes } = this.#planes;
    this.#setScan([
      [c.SCAN_WANTED, needed ? firstMcu : 0],
      [c.SCAN_WANTED_END, needed ? endMcu : 0],
    ]);
    for (const [i, part] of this.#scanParts.entries()) {
      const { at, stride, component } = planes[this.#parts.indexOf(part)]!;
      const record = c.SCAN_RECORDS + i * c.RECORD_BYTES;
      this.#setScan([
        [record + c.RECORD_AT, at],
        [record + c.RECORD_STRIDE, stride],
        [record + c.RECORD_HEIGHT, component.blocksDown - row * component.down],
      ]);
    }
  }

  /** Several scans: rows of MCUs to coefficients. */
  #decodeRows(): Step {
    const mcus = this.#getScan(c.SCAN_MCUS);
    const interleaved = this.#scanParts.length > 1;
    for (let blocks = 0; blocks < STEP_BLOCKS; blocks += mcus) {
      if (this.#getScan(c.SCAN_MCU) === 0) {
        for (const [i, { component, coefficients }] of this.#scanParts.entries()) {
          const blockRow = this.#scanRow * (interleaved ? component.down : 1);
          const at = coefficients + blockRow * component.storedAcross * BLOCK_BYTES;
          this.#setScan([[c.SCAN_RECORDS + i * c.RECORD_BYTES + c.RECORD_AT, at]]);
        }
      }
      if (!this.#decodeMcus()) return 'input';
      if (++this.#scanRow === this.#scanRows) {
        this.#endScan();
        return 'busy';
      }
    }
    return 'busy';
  }

  /** Gives back the input that a scan did not take. */
  #endScan(): void {
    const next = this.#getScan(c.SCAN_NEXT);
    const end = this.#getScan(c.SCAN_END);
    const unused = this.#getScan(c.SCAN_COUNT) - this.#getScan(c.SCAN_PADDING);
    this.#queue.unread(this.#workspace.bytes.slice(next, end));
    this.#leftover = unused >= 8 || this.#queue.before(0xff) > 0;
    this.#phase = 'markers';
  }

  /** The end-of-image marker came, or a trailer after a complete picture. */
  #finish(): Step {
    if (!this.header) throw noFrame();
    if (this.#complete) {
      this.#phase = 'done';
      return 'end';
    }
    this.#prepareOutput();
    this.#phase = 'output';
    return 'busy';
  }

  /**
   * The file ended without the marker. Some cameras' panoramas have a trailer instead. As Pillow does, a picture of one
   * sequential scan is accepted without it if another marker follows the scan, or bytes that the scan did not need.
   */
  #finishEarly(): Step {
    if (!this.#complete || !(this.#leftover || this.#markerAfterScan)) throw this.#truncated();
    this.#phase = 'done';
    return 'end';
  }

  #prepareOutput(): void {
    for (const { table } of this.#parts) if (!table) throw segments.damaged('a component without a scan');
    if (this.#frameHeader!.progressive) this.#smoothing = JpegSmoothing.of(this.#workspace, this.#parts);
  }

  /** Coefficients to rows of pixels: a row of MCUs. */
  #outputRows(): Step {
    const row = this.#outputRow++;
    const { kernels } = this.#workspace;
    const planes = this.#planes;
    if (row === this.#frame.mcusDown) {
      this.#phase = 'done';
      return 'end';
    }
    if (!planes.isNeeded(row)) return 'busy';
    for (const [i, part] of this.#parts.entries()) {
      const { component, coefficients, quantization } = part;
      const { at, stride } = planes.planes[i]!;
      const { across, down, side, storedAcross, blocksAcross, blocksDown } = component;
      const first = planes.firstMcu * across;
      const end = Math.min(planes.endMcu * across, blocksAcross);
      for (let y = 0; y < down && row * down + y < blocksDown; y++) {
        const to = at + y * side * stride + first * side;
        if (this.#smoothing) {
          this.#smoothing.blocksToPixels(i, row * down + y, first, end, to, stride, this.#scan);
          continue;
        }
        const from = coefficients + ((row * down + y) * storedAcross + first) * BLOCK_BYTES;
        kernels.blocksToPixels(from, end - first, quantization, side, to, stride, this.#scan + c.SCAN_WORK);
      }
    }
    return planes.finishRow(row) ?? 'busy';
  }
}

function noFrame(): ClipError {
  return segments.damaged('no frame header before the picture data');
}
