/**
 * The resize of Pillow 13 and a crop, streamed: rows come in order, as decoders hand them out, and only those rows and
 * columns are computed that the crop needs, so a picture of 1 x 20,000 pixels costs no more than its crop.
 *
 * Pictures that are to be turned upright are not turned: the crop is computed as they lie. An axis that runs backwards takes
 * the taps of the upright picture from its other end, and where rows are columns the passes change places. Integer sums do
 * not depend on their order, so the bytes are those of the turned picture.
 */
import type { Pointer } from '../engine/kernels.ts';
import { PIXEL_LANES, TAP_GROUP, TAP_LOW_BITS } from './contract.ts';
import type { CropGeometry } from './geometry.ts';
import { turnOf } from './orientation.ts';
import type { RawImage } from './raw-image.ts';
import type { RowFormat, RowSink, Rows, Window } from './rows.ts';
import { type Interpolation, Taps } from './taps.ts';
import type { Workspace } from './workspace.ts';

/** Pixels in memory are fed in rows of this many bytes together. */
const FEED_BYTES = 32_768;

/**
 * Which pass comes first, as it changes the rounding: the condition of Pillow 13 (Resample.c, ImagingResampleInner; Pillow
 * 12 and before always begin with the horizontal pass). Pictures more than about twice as high as wide begin with the
 * vertical one.
 */
export function isVerticalFirst(image: { width: number; height: number }, geometry: CropGeometry): boolean {
  const fewerRows = image.height - geometry.resizedHeight;
  return fewerRows > 0 && fewerRows > 2 * (image.width - geometry.resizedWidth);
}

/** One axis of the crop, as the picture lies: `size` pixels from `offset` of the resized axis. */
interface Axis {
  readonly taps: Taps;
  readonly offset: number;
  /** First source pixel that the crop needs, and one past the last. */
  readonly first: number;
  readonly end: number;
}

/**
 * Resizes a picture's rows and keeps the crop: bytes equal those of Pillow 13's
 * `image.convert("RGB").resize((resizedWidth, resizedHeight), Resampling.BICUBIC)` (or BILINEAR) cropped likewise.
 */
export class Crop implements RowSink {
  readonly #workspace: Workspace;
  readonly #format: RowFormat;
  readonly #size: number;
  readonly #swap: boolean;
  readonly #across: Axis;
  readonly #down: Axis;
  readonly #verticalFirst: boolean;
  /** Whether the picture has its size already: Pillow's `resize` returns a copy. */
  readonly #same: boolean;
  readonly #at: ReturnType<typeof layout>;
  /** Rows of the crop that are done. */
  #done = 0;

  /**
   * @param geometry that of the picture as it is upright
   * @param orientation as EXIF has it, 1 to 8
   * @throws ClipError UNSUPPORTED if there is not enough memory
   */
  constructor(
    workspace: Workspace,
    format: RowFormat,
    geometry: CropGeometry,
    orientation = 1,
    interpolation: Interpolation = 'bicubic',
  ) {
    const { swap, backwardX, backwardY } = turnOf(orientation);
    const { size, left, top, resizedWidth, resizedHeight } = geometry;
    const { width, height } = format;
    const upright = swap ? { width: height, height: width } : format;
    this.#workspace = workspace;
    this.#format = format;
    this.#size = size;
    this.#swap = swap;
    this.#same = upright.width === resizedWidth && upright.height === resizedHeight;
    const axis = (from: number, to: number, offset: number, backward: boolean) =>
      axisOf(new Taps(from, to, backward, interpolation), offset, size);
    this.#across = axis(width, swap ? resizedHeight : resizedWidth, swap ? top : left, backwardX);
    this.#down = axis(height, swap ? resizedWidth : resizedHeight, swap ? left : top, backwardY);
    this.#verticalFirst = isVerticalFirst(upright, geometry) !== swap;
    this.#at = layout(workspace, format, size, this.#across, this.#down, this.#verticalFirst);
    this.#writeColumnTaps();
  }

  /** The first row of the source that the crop needs. */
  get firstRow(): number {
    return this.#down.first;
  }

  /** One past the last row of the source that the crop needs. */
  get endRow(): number {
    return this.#down.end;
  }

  /** The pixels of the source that the crop needs. */
  get window(): Window {
    const { first: left, end: right } = this.#across;
    const { first: top, end: bottom } = this.#down;
    return { left, right, top, bottom };
  }

  /** Takes the next rows of the source. All that the crop needs must come once, in order; others do not matter. */
  take(rows: Rows): void {
    const end = Math.min(rows.first + rows.count, this.endRow);
    for (let y = Math.max(rows.first, this.firstRow); y < end; y++) {
      const at = rows.at + (y - rows.first) * rows.stride;
      if (this.#same) this.#copyRow(y, at, rows.plane);
      else if (this.#verticalFirst) this.#takeVerticalFirst(y, at, rows.plane);
      else this.#takeHorizontalFirst(y, at, rows.plane);
    }
  }

  /** Writes the crop to `out`: u8[size, size, 3], RGB. All rows must have come. */
  write(out: Uint8Array): void {
    const size = this.#size;
    const { crop } = this.#at;
    const bytes = this.#workspace.bytes.subarray(crop, crop + size * size * 3);
    if (!this.#swap) {
      out.set(bytes);
      return;
    }
    for (let y = 0, to = 0; y < size; y++) {
      for (let x = 0, from = y * 3; x < size; x++, from += size * 3, to += 3) {
        out[to] = bytes[from] as number;
        out[to + 1] = bytes[from + 1] as number;
        out[to + 2] = bytes[from + 2] as number;
      }
    }
  }

  /** The row is resized to the crop's width, into a ring of rows; the vertical pass reads from there. */
  #takeHorizontalFirst(y: number, row: Pointer, plane: number): void {
    const { ring, ringStride, crop } = this.#at;
    this.#resampleRow(row, plane, this.#across.first, ring + (y % this.#down.taps.count) * ringStride);
    for (let next = this.#nextRow(y); next !== undefined; next = this.#nextRow(y)) {
      this.#blendRows(next, crop + next * this.#size * 3, this.#size * 3);
    }
  }

  /** The columns that the crop needs go into the ring; rows of the vertical pass are then resized to the crop's width. */
  #takeVerticalFirst(y: number, row: Pointer, plane: number): void {
    const { ring, ringStride, blended, line, crop, columns } = this.#at;
    const { channels, planar } = this.#format;
    const { bytes } = this.#workspace;
    const slot = ring + (y % this.#down.taps.count) * ringStride;
    const planes = planar ? 3 : 1;
    const planeBytes = (columns * channels) / planes;
    for (let p = 0; p < planes; p++) {
      const from = row + p * plane + this.#across.first * (planar ? 1 : channels);
      bytes.copyWithin(slot + p * planeBytes, from, from + planeBytes);
    }
    for (let next = this.#nextRow(y); next !== undefined; next = this.#nextRow(y)) {
      this.#blendRows(next, blended, columns * channels);
      this.#resampleRow(blended, planeBytes, 0, line);
      bytes.copyWithin(crop + next * this.#size * 3, line, line + this.#size * 3);
    }
  }

  /** The next row of the crop, if all of its source rows up to `y` suffice. */
  #nextRow(y: number): number | undefined {
    const { taps, offset } = this.#down;
    if (this.#done === this.#size) return undefined;
    const row = taps.backward ? this.#size - 1 - this.#done : this.#done;
    if (taps.end(offset + row) > y + 1) return undefined;
    this.#done++;
    return row;
  }

  /** The horizontal pass: source pixels from `first` of a row to `size` RGB pixels. One byte more is written. */
  #resampleRow(row: Pointer, plane: number, first: number, to: Pointer): void {
    const { kernels } = this.#workspace;
    const { planes, planeStride, columns, starts, acrossTable, groups } = this.#at;
    const { channels, planar } = this.#format;
    let from = row + first;
    let stride = planar ? plane : 0; // gray is its own plane three times
    if (channels !== 1 && !planar) {
      kernels.splitRow(row + first * channels, planes, planeStride, roundUp(columns), channels);
      from = planes;
      stride = planeStride;
    }
    kernels.resampleColumns(from, stride, starts, acrossTable, groups, this.#size, to);
  }

  /** The vertical pass: a row of the crop from its source rows in the ring. */
  #blendRows(row: number, to: Pointer, bytes: number): void {
    const { taps, offset } = this.#down;
    const { ring, ringStride, downTable } = this.#at;
    const first = taps.first(offset + row);
    const count = this.#writeRowTaps(offset + row);
    const { kernels } = this.#workspace;
    kernels.resampleRows(ring, ringStride, taps.count, first % taps.count, count, downTable, to, bytes);
  }

  #copyRow(y: number, row: Pointer, plane: number): void {
    const { bytes } = this.#workspace;
    const { channels, planar } = this.#format;
    const { taps, offset } = this.#across;
    const line = (this.#down.taps.backward ? this.#format.height - 1 - y : y) - this.#down.offset;
    if (line < 0 || line >= this.#size) return; // a row that a filter would reach
    const step = planar ? 1 : channels;
    const channel = planar ? plane : channels === 1 ? 0 : 1;
    let from = row + (taps.backward ? this.#format.width - 1 - offset : offset) * step;
    for (let x = 0, to = this.#at.crop + line * this.#size * 3; x < this.#size; x++, to += 3) {
      bytes[to] = bytes[from] as number;
      bytes[to + 1] = bytes[from + channel] as number;
      bytes[to + 2] = bytes[from + 2 * channel] as number;
      from += taps.backward ? -step : step;
    }
  }

  /** Writes the horizontal pass's first pixels and coefficients: one table for all rows. */
  #writeColumnTaps(): void {
    const { taps, offset, first } = this.#across;
    const { starts, acrossTable, groups } = this.#at;
    const { buffer } = this.#workspace.memory;
    const start = new Uint32Array(buffer, starts, this.#size);
    const table = new Int16Array(buffer, acrossTable, this.#size * groups * 2 * TAP_GROUP);
    table.fill(0);
    for (let x = 0; x < this.#size; x++) {
      start[x] = taps.first(offset + x) - first;
      const count = taps.fill(offset + x);
      for (let t = 0; t < count; t++) {
        const at = (x * groups + Math.floor(t / TAP_GROUP)) * 2 * TAP_GROUP + (t % TAP_GROUP);
        splitCoefficient(table, at, at + TAP_GROUP, taps.fixed[t] as number);
      }
    }
  }

  /** Writes the coefficients of a row of the vertical pass; returns how many. */
  #writeRowTaps(index: number): number {
    const { taps } = this.#down;
    const pair = new Int16Array(this.#workspace.memory.buffer, this.#at.downTable, 2 * (taps.count + 1));
    const count = taps.fill(index);
    // Rows go in pairs: hi hi, lo lo; an odd last row is paired with a coefficient of zero.
    for (let t = 0; t < count; t++)
      splitCoefficient(pair, 2 * t - (t % 2), 2 * t - (t % 2) + 2, taps.fixed[t] as number);
    if (count % 2 === 1) pair[2 * count - 1] = pair[2 * count + 1] = 0;
    return count;
  }
}

/** Feeds a sink the pixels that it needs of a picture in memory. */
export function takePixels(workspace: Workspace, sink: RowSink, image: RawImage): void {
  const { width, channels } = image;
  const data = new Uint8Array(image.data.buffer, image.data.byteOffset, image.data.byteLength);
  const stride = width * channels;
  const most = Math.max(1, Math.floor(FEED_BYTES / stride));
  const at = workspace.reserve(Math.min(most, sink.endRow - sink.firstRow) * stride);
  for (let first = sink.firstRow; first < sink.endRow; first += most) {
    const count = Math.min(most, sink.endRow - first);
    workspace.bytes.set(data.subarray(first * stride, (first + count) * stride), at);
    sink.take({ at, stride, plane: 0, first, count });
  }
}

function axisOf(taps: Taps, offset: number, size: number): Axis {
  const [low, high] = taps.backward ? [offset + size - 1, offset] : [offset, offset + size - 1];
  return { taps, offset, first: taps.first(low), end: taps.end(high) };
}

/** c = hi * 2^15 + lo with lo in 0..32767, as the kernels want it. */
function splitCoefficient(table: Int16Array, hi: number, lo: number, coefficient: number): void {
  table[hi] = coefficient >> TAP_LOW_BITS;
  table[lo] = coefficient & ((1 << TAP_LOW_BITS) - 1);
}

/** Addresses of the crop's parts. */
function layout(
  workspace: Workspace,
  { channels, planar }: RowFormat,
  size: number,
  across: Axis,
  down: Axis,
  verticalFirst: boolean,
) {
  const columns = across.end - across.first;
  const groups = Math.ceil(across.taps.count / TAP_GROUP);
  // The last pixel's taps are read in whole groups, so planes reach one group further.
  const planeStride = roundUp(columns + TAP_GROUP);
  // The horizontal pass writes one byte more than a row.
  const lineBytes = roundUp(size * 3 + 1);
  const ringStride = verticalFirst ? roundUp(columns * channels) : lineBytes;
  const split = channels !== 1 && !planar;
  return {
    columns,
    groups,
    planeStride,
    ringStride,
    starts: workspace.reserve(size * 4),
    acrossTable: workspace.reserve(size * groups * TAP_GROUP * 4),
    downTable: workspace.reserve((down.taps.count + 1) * 4),
    planes: split ? workspace.reserve(planeStride * 3) : 0,
    ring: workspace.reserve(ringStride * down.taps.count),
    blended: verticalFirst ? workspace.reserve(roundUp(columns * channels) + PIXEL_LANES * channels) : 0,
    line: verticalFirst ? workspace.reserve(lineBytes) : 0,
    crop: workspace.reserve(size * size * 3),
  };
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / PIXEL_LANES) * PIXEL_LANES;
}
