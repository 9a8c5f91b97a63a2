/**
 * The bicubic resize of Pillow 13 and a crop, streamed: source rows pass through a small region of wasm memory. Only the
 * rows and columns that the crop needs are computed, so a picture of 1 x 20,000 pixels costs no more than its crop.
 */

import type { Kernels } from '../engine/calls.ts';
import { PIXEL_LANES, TAP_GROUP, TAP_LOW_BITS } from '../engine/contract.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { CropGeometry } from './geometry.ts';
import { DEFAULT_MAX_PIXELS, MAX_SIDE } from './limits.ts';
import type { RawImage } from './raw-image.ts';
import { Taps, tapCount } from './taps.ts';

/** Vertical pass first: rows of the crop that are computed together. More copy the source fewer times but need more memory. */
const BAND = 4;
/** Vertical pass first: bytes of band and ring together, unless a strip of one vector needs more. */
const STRIP_BYTES = 212_992;

export interface ResampleLimits {
  /** Side of the square crop, in pixels. */
  readonly target: number;
  /** Longest side of a source picture. Default (and most) 65,535. */
  readonly maxSide?: number;
  /** Maximum number of pixels of a source picture: bounds its short side, on which the memory depends. Default 100,000,000. */
  readonly maxPixels?: number;
}

/** Width and height in pixels. */
interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * Bytes of scratch that {@link resampleCrop} needs for any picture within the limits: 362,704 for a target of 224 and the
 * default limits. It grows with the short side of the picture, about 35 bytes per pixel of it, and not with the long one.
 */
export function resampleBytes({ target, maxSide = MAX_SIDE, maxPixels = DEFAULT_MAX_PIXELS }: ResampleLimits): number {
  const bytes = (short: number, verticalFirst: boolean) => {
    // The long edge is rounded down by less than one, so its scale may be larger than short / target, but not than this.
    const scale = Math.max(1, short / Math.max(target - 1, 0.5));
    const taps = tapCount(scale);
    return layout(target, taps, taps, Math.ceil(target * scale) + taps + 1, verticalFirst).bytes;
  };
  const short = Math.min(maxSide, Math.floor(Math.sqrt(maxPixels)));
  // Vertical first means height > width (2 - 1 / (width - target)), see isVerticalFirst: from a difference of 16 on, > 1.9.
  const tall = Math.min(short, Math.max(target + 16, Math.ceil(Math.sqrt(maxPixels / 1.9))));
  return Math.max(bytes(short, false), tall > target ? bytes(tall, true) : 0);
}

/** Bytes of scratch that {@link resampleCrop} needs for this one picture. */
export function cropBytes(image: Size, geometry: CropGeometry): number {
  return planCrop(image, geometry).bytes;
}

/**
 * Which pass comes first, as it changes the rounding: the condition of Pillow 13 (Resample.c, ImagingResampleInner; Pillow
 * 12 and before always begin with the horizontal pass). Pictures more than about twice as high as wide begin with the
 * vertical one.
 */
export function isVerticalFirst(image: Size, geometry: CropGeometry): boolean {
  const fewerRows = image.height - geometry.resizedHeight;
  return fewerRows > 0 && fewerRows > 2 * (image.width - geometry.resizedWidth);
}

/**
 * Resizes `image` and writes the crop at `out`: u8[size, size, 3], RGB. Bytes equal those of Pillow 13's
 * `image.convert("RGB").resize((resizedWidth, resizedHeight), Resampling.BICUBIC)` cropped likewise.
 *
 * @param scratch start of at least `resampleBytes(..)` bytes, a multiple of 16
 * @param out start of size * size * 3 bytes; nothing beyond is touched
 */
export function resampleCrop(
  kernels: Kernels,
  memory: WebAssembly.Memory,
  scratch: Pointer,
  image: RawImage,
  geometry: CropGeometry,
  out: Pointer,
): void {
  const { width, height } = image;
  const { size } = geometry;
  if (width === geometry.resizedWidth && height === geometry.resizedHeight) {
    copyCrop(new Uint8Array(memory.buffer, out, size * size * 3), image, geometry);
    return;
  }
  const crop = { kernels, memory, scratch, image, geometry, out, ...planCrop(image, geometry) };
  writeColumnTaps(crop);
  if (crop.verticalFirst) resampleVerticalFirst(crop);
  else resampleHorizontalFirst(crop);
}

/** A crop's taps and the layout of its scratch. */
function planCrop(image: Size, geometry: CropGeometry) {
  const across = new Taps(image.width, geometry.resizedWidth);
  const down = new Taps(image.height, geometry.resizedHeight);
  const columns = across.span(geometry.left, geometry.size);
  const verticalFirst = isVerticalFirst(image, geometry);
  return { across, down, columns, ...layout(geometry.size, across.count, down.count, columns, verticalFirst) };
}

interface Crop extends ReturnType<typeof planCrop> {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly scratch: Pointer;
  readonly image: RawImage;
  readonly geometry: CropGeometry;
  readonly out: Pointer;
}

/** Each source row is resized to the crop's width once, into a ring of rows; the vertical pass reads from there. */
function resampleHorizontalFirst(crop: Crop): void {
  const { memory, scratch, image, geometry, out, across, down, columns } = crop;
  const { width, channels } = image;
  const { size, left, top } = geometry;
  const source = new Uint8Array(image.data.buffer, image.data.byteOffset, image.data.byteLength);
  const row = new Uint8Array(memory.buffer, scratch + crop.rows, columns * channels);
  const firstColumn = across.first(left);
  let next = down.first(top);
  for (let y = 0; y < size; y++) {
    const first = down.first(top + y);
    const taps = writeRowTaps(crop, top + y, 0);
    for (next = Math.max(next, first); next < first + taps; next++) {
      const start = (next * width + firstColumn) * channels;
      row.set(source.subarray(start, start + row.length));
      resampleRow(crop, scratch + crop.rows, scratch + crop.ring + (next % down.count) * crop.ringStride);
    }
    blendRows(crop, first, taps, 0, out + y * size * 3, size * 3);
  }
}

/**
 * The vertical pass reads source rows from a ring, so wide ones are taken in strips of columns, each of them for a band of
 * output rows; the horizontal pass then resizes the band. If one strip is enough, each source row is copied once.
 */
function resampleVerticalFirst(crop: Crop): void {
  const { memory, scratch, image, geometry, out, across, down, columns } = crop;
  const { width, channels } = image;
  const { size, left, top } = geometry;
  const source = new Uint8Array(image.data.buffer, image.data.byteOffset, image.data.byteLength);
  const ring = new Uint8Array(memory.buffer, scratch + crop.ring, down.count * crop.ringStride);
  const line = new Uint8Array(memory.buffer, scratch + crop.line, size * 3);
  const output = new Uint8Array(memory.buffer, out, size * size * 3);
  const firstColumn = across.first(left);
  const strip = Math.min(columns, Math.floor(crop.ringStride / channels));
  let next = 0;
  for (let band = 0; band < size; band += BAND) {
    const end = Math.min(band + BAND, size);
    for (let y = band; y < end; y++) writeRowTaps(crop, top + y, y - band);
    for (let x = 0; x < columns; x += strip) {
      const bytes = Math.min(strip, columns - x) * channels;
      if (strip < columns) next = 0; // the ring holds rows of another strip
      for (let y = band; y < end; y++) {
        const first = down.first(top + y);
        const taps = down.end(top + y) - first;
        for (next = Math.max(next, first); next < first + taps; next++) {
          const start = (next * width + firstColumn + x) * channels;
          ring.set(source.subarray(start, start + bytes), (next % down.count) * crop.ringStride);
        }
        const to = scratch + crop.rows + (y - band) * crop.rowStride + x * channels;
        blendRows(crop, first, taps, y - band, to, bytes);
      }
    }
    for (let y = band; y < end; y++) {
      resampleRow(crop, scratch + crop.rows + (y - band) * crop.rowStride, scratch + crop.line);
      output.set(line, y * size * 3);
    }
  }
}

/** The horizontal pass: one row of `columns` pixels to `size` RGB pixels. One byte more is written. */
function resampleRow(crop: Crop, row: Pointer, to: Pointer): void {
  const { kernels, scratch, geometry } = crop;
  const { channels } = crop.image;
  const planes = scratch + crop.planes;
  kernels.splitRow({ row, planes, stride: crop.planeStride, pixels: crop.pixels, channels });
  kernels.resampleColumns({
    planes,
    stride: crop.planeStride,
    starts: scratch + crop.starts,
    coefficients: scratch + crop.acrossTable,
    groups: crop.groups,
    count: geometry.size,
    out: to,
  });
}

/** The vertical pass: source rows first .. first + taps - 1 of the ring, weighted with a table of `writeRowTaps`. */
function blendRows(crop: Crop, first: number, taps: number, table: number, to: Pointer, bytes: number): void {
  const { kernels, scratch, down } = crop;
  kernels.resampleRows({
    ring: scratch + crop.ring,
    stride: crop.ringStride,
    ringRows: down.count,
    first: first % down.count,
    taps,
    coefficients: scratch + crop.downTable + table * crop.downStride,
    out: to,
    bytes,
  });
}

/** The crop of a picture that has its size already: Pillow's `resize` returns a copy. */
function copyCrop(out: Uint8Array, { data, width, channels }: RawImage, { size, left, top }: CropGeometry): void {
  for (let y = 0; y < size; y++) {
    const start = ((top + y) * width + left) * channels;
    const row = data.subarray(start, start + size * channels);
    if (channels === 3) {
      out.set(row, y * size * 3);
      continue;
    }
    for (let x = 0, at = y * size * 3; x < size; x++) {
      out[at++] = row[x * 4]!;
      out[at++] = row[x * 4 + 1]!;
      out[at++] = row[x * 4 + 2]!;
    }
  }
}

/** Writes the horizontal pass's first pixels and coefficients: one table for all rows. */
function writeColumnTaps({ memory, scratch, across, geometry: { left, size }, ...plan }: Crop): void {
  const starts = new Uint32Array(memory.buffer, scratch + plan.starts, size);
  const table = new Int16Array(memory.buffer, scratch + plan.acrossTable, size * plan.groups * 2 * TAP_GROUP);
  table.fill(0);
  const firstColumn = across.first(left);
  for (let x = 0; x < size; x++) {
    starts[x] = across.first(left + x) - firstColumn;
    const taps = across.fill(left + x);
    for (let t = 0; t < taps; t++) {
      const at = (x * plan.groups + Math.floor(t / TAP_GROUP)) * 2 * TAP_GROUP + (t % TAP_GROUP);
      splitCoefficient(table, at, at + TAP_GROUP, across.fixed[t] as number);
    }
  }
}

/** Writes the coefficients of output row `index` of the vertical pass as the table of that number; returns how many. */
function writeRowTaps({ memory, scratch, down, ...plan }: Crop, index: number, table: number): number {
  const at = scratch + plan.downTable + table * plan.downStride;
  const pair = new Int16Array(memory.buffer, at, 2 * (down.count + 1));
  const taps = down.fill(index);
  // Rows go in pairs: hi hi, lo lo; an odd last row is paired with a coefficient of zero.
  for (let t = 0; t < taps; t++) splitCoefficient(pair, 2 * t - (t % 2), 2 * t - (t % 2) + 2, down.fixed[t] as number);
  if (taps % 2 === 1) pair[2 * taps - 1] = pair[2 * taps + 1] = 0;
  return taps;
}

/** c = hi * 2^15 + lo with lo in 0..32767, as the kernels want it. */
function splitCoefficient(table: Int16Array, hi: number, lo: number, coefficient: number): void {
  table[hi] = coefficient >> TAP_LOW_BITS;
  table[lo] = coefficient & ((1 << TAP_LOW_BITS) - 1);
}

/** Byte offsets of the scratch's parts. All are multiples of 16. */
function layout(size: number, tapsAcross: number, tapsDown: number, columns: number, verticalFirst: boolean) {
  let bytes = 0;
  const take = (count: number) => {
    const start = bytes;
    bytes += roundUp(count);
    return start;
  };
  const groups = Math.ceil(tapsAcross / TAP_GROUP);
  // The last pixel's taps are read in whole groups, so planes reach one group further.
  const planeStride = roundUp(columns + TAP_GROUP);
  const rowStride = planeStride * 4;
  const downStride = roundUp((tapsDown + 1) * 4);
  // The horizontal pass writes one byte more than a row.
  const lineBytes = roundUp(size * 3 + 1);
  const band = verticalFirst ? BAND : 1;
  const ringStride = verticalFirst ? stripStride(columns, tapsDown, band * rowStride) : lineBytes;
  const starts = take(size * 4);
  const acrossTable = take(size * groups * TAP_GROUP * 4);
  const downTable = take(downStride * band);
  const rows = take(rowStride * band);
  const planes = take(planeStride * 3);
  const line = take(verticalFirst ? lineBytes : 0);
  const ring = take(ringStride * tapsDown);
  const pixels = roundUp(columns);
  return {
    ...{ verticalFirst, starts, acrossTable, downTable, downStride, rows, rowStride, planes, planeStride },
    ...{ line, ring, ringStride, groups, pixels, bytes },
  };
}

/** Bytes of a ring row of source pixels (of 4 channels): the full row, or the most that keeps the ring within its bounds. */
function stripStride(columns: number, taps: number, bandBytes: number): number {
  const most = Math.floor((STRIP_BYTES - bandBytes) / taps / PIXEL_LANES) * PIXEL_LANES;
  return Math.min(roundUp(columns * 4), Math.max(PIXEL_LANES, most));
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / PIXEL_LANES) * PIXEL_LANES;
}
