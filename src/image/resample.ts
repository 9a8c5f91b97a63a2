/**
 * Pillow's bicubic resize and a crop, streamed: source rows pass one by one through a small region of wasm memory.
 * Only the rows and columns that the crop needs are computed, so a picture of 1 x 20,000 pixels costs no more than its crop.
 */
import type { Kernels } from '../engine/calls.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { CropGeometry } from './geometry.ts';
import { DEFAULT_MAX_PIXELS, MAX_SIDE } from './limits.ts';
import type { RawImage } from './raw-image.ts';

/** Pillow's fixed point (Resample.c, PRECISION_BITS = 32 - 8 - 2): one is 2^22. */
const ONE = 4_194_304;
/** Pillow's bicubic reaches two source pixels to each side (Resample.c, BICUBIC.support). */
const SUPPORT = 2;
/** Taps are handled in groups of eight, pixels in sixteens (assembly/resample.ts). */
const GROUP = 8;
const LANES = 16;

export interface ResampleLimits {
  /** Side of the square crop, in pixels. */
  readonly target: number;
  /** Longest side of a source picture. Default (and most) 65,535. */
  readonly maxSide?: number;
  /** Most pixels of a source picture: bounds its short side, on which the memory depends. Default 100,000,000. */
  readonly maxPixels?: number;
}

/**
 * Bytes of scratch that {@link resampleCrop} needs for any picture within the limits: 362,704 for a target of 224 and the
 * default limits. It grows with the short side of the picture, about 35 bytes a pixel of it, and not with the long one.
 */
export function resampleBytes({ target, maxSide = MAX_SIDE, maxPixels = DEFAULT_MAX_PIXELS }: ResampleLimits): number {
  const short = Math.min(maxSide, Math.floor(Math.sqrt(maxPixels)));
  // The long edge is rounded down by less than one, so its scale may be larger than short / target, but not than this.
  const scale = Math.max(1, short / Math.max(target - 1, 0.5));
  const taps = tapCount(scale);
  return layout(target, taps, taps, Math.ceil(target * scale) + taps + 1).bytes;
}

/** Bytes of scratch that {@link resampleCrop} needs for this one picture. */
export function cropBytes(image: { readonly width: number; readonly height: number }, geometry: CropGeometry): number {
  const across = new Taps(image.width, geometry.resizedWidth);
  const down = new Taps(image.height, geometry.resizedHeight);
  return layout(geometry.size, across.count, down.count, across.columns(geometry.left, geometry.size)).bytes;
}

/**
 * Resizes `image` and writes the crop's RGB bytes, size * size * 3, row by row, at `out`. Bytes equal Pillow's
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
  const { width, height, channels } = image;
  const { size, left, top } = geometry;
  if (width === geometry.resizedWidth && height === geometry.resizedHeight) {
    copyCrop(new Uint8Array(memory.buffer, out, size * size * 3), image, geometry);
    return;
  }
  const across = new Taps(width, geometry.resizedWidth);
  const down = new Taps(height, geometry.resizedHeight);
  const firstColumn = across.first(left);
  const columns = across.columns(left, size);
  const plan = layout(size, across.count, down.count, columns);

  acrossTable(memory, scratch, plan, across, left, size);
  const source = new Uint8Array(image.data.buffer, image.data.byteOffset, image.data.byteLength);
  const row = new Uint8Array(memory.buffer, scratch + plan.row, columns * channels);
  const pair = new Int16Array(memory.buffer, scratch + plan.down, 2 * (down.count + 1));
  const ring = scratch + plan.ring;
  const planes = scratch + plan.planes;
  let next = down.first(top);
  for (let y = 0; y < size; y++) {
    const first = down.first(top + y);
    const taps = down.fill(top + y);
    for (next = Math.max(next, first); next < first + taps; next++) {
      const start = (next * width + firstColumn) * channels;
      row.set(source.subarray(start, start + row.length));
      kernels.splitRow({ row: scratch + plan.row, planes, stride: plan.planeStride, pixels: plan.pixels, channels });
      kernels.resampleColumns({
        planes,
        stride: plan.planeStride,
        starts: scratch + plan.starts,
        coefficients: scratch + plan.across,
        groups: plan.groups,
        count: size,
        out: ring + (next % down.count) * plan.ringStride,
      });
    }
    // Rows go in pairs: hi hi, lo lo; an odd last row is paired with a coefficient of zero.
    for (let t = 0; t < taps; t++)
      splitCoefficient(pair, 2 * t - (t % 2), 2 * t - (t % 2) + 2, down.fixed[t] as number);
    if (taps % 2 === 1) pair[2 * taps - 1] = pair[2 * taps + 1] = 0;
    kernels.resampleRows({
      ring,
      stride: plan.ringStride,
      ringRows: down.count,
      first: first % down.count,
      taps,
      coefficients: scratch + plan.down,
      out: out + y * size * 3,
      bytes: size * 3,
    });
  }
}

/** The crop of a picture that has its size already: Pillow's `resize` gives a copy back. */
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
function acrossTable(
  memory: WebAssembly.Memory,
  scratch: Pointer,
  plan: ReturnType<typeof layout>,
  across: Taps,
  left: number,
  size: number,
): void {
  const starts = new Uint32Array(memory.buffer, scratch + plan.starts, size);
  const table = new Int16Array(memory.buffer, scratch + plan.across, size * plan.groups * 2 * GROUP);
  table.fill(0);
  const firstColumn = across.first(left);
  for (let x = 0; x < size; x++) {
    starts[x] = across.first(left + x) - firstColumn;
    const taps = across.fill(left + x);
    for (let t = 0; t < taps; t++) {
      const at = (x * plan.groups + Math.floor(t / GROUP)) * 2 * GROUP + (t % GROUP);
      splitCoefficient(table, at, at + GROUP, across.fixed[t] as number);
    }
  }
}

/** c = hi * 2^15 + lo with lo in 0..32767, as the kernels want it. */
function splitCoefficient(table: Int16Array, hi: number, lo: number, coefficient: number): void {
  table[hi] = coefficient >> 15;
  table[lo] = coefficient & 0x7fff;
}

/** Most taps of one output pixel (Resample.c, ksize of precompute_coeffs). */
function tapCount(scale: number): number {
  return Math.ceil(SUPPORT * scale) * 2 + 1;
}

/** Byte offsets of the scratch's parts. All are multiples of 16. */
function layout(size: number, tapsAcross: number, tapsDown: number, columns: number) {
  let bytes = 0;
  const take = (count: number) => {
    const start = bytes;
    bytes += Math.ceil(count / LANES) * LANES;
    return start;
  };
  const groups = Math.ceil(tapsAcross / GROUP);
  // The last pixel's taps are read in whole groups, so planes reach one group further.
  const planeStride = Math.ceil((columns + GROUP) / LANES) * LANES;
  // The horizontal pass writes four bytes for the last pixel.
  const ringStride = Math.ceil((size * 3 + 1) / LANES) * LANES;
  const starts = take(size * 4);
  const across = take(size * groups * GROUP * 4);
  const down = take((tapsDown + 1) * 4);
  const row = take(planeStride * 4);
  const planes = take(planeStride * 3);
  const ring = take(ringStride * tapsDown);
  const pixels = Math.ceil(columns / LANES) * LANES;
  return { starts, across, down, row, planes, ring, groups, planeStride, ringStride, pixels, bytes };
}

/**
 * The taps of one axis, resized from `from` to `to` pixels: which source pixels an output pixel takes, and how much of each.
 * After Resample.c, precompute_coeffs and normalize_coeffs_8bpc, in the same order of double-precision operations.
 */
class Taps {
  /** Most taps of a pixel. */
  readonly count: number;
  /** The coefficients that the last `fill` left, 22 bits after the point. */
  readonly fixed: Int32Array;
  readonly #weights: Float64Array;
  readonly #from: number;
  readonly #scale: number;
  readonly #filterScale: number;
  readonly #support: number;

  constructor(from: number, to: number) {
    this.#from = from;
    this.#scale = from / to;
    this.#filterScale = Math.max(this.#scale, 1);
    this.#support = SUPPORT * this.#filterScale;
    this.count = tapCount(this.#filterScale);
    this.fixed = new Int32Array(this.count);
    this.#weights = new Float64Array(this.count);
  }

  /** First source pixel of output pixel `index`. */
  first(index: number): number {
    return Math.max(0, Math.trunc(this.#center(index) - this.#support + 0.5));
  }

  /** One past the last source pixel. */
  end(index: number): number {
    return Math.min(this.#from, Math.trunc(this.#center(index) + this.#support + 0.5));
  }

  /** How many source pixels output pixels index .. index + count - 1 take together. */
  columns(index: number, count: number): number {
    return this.end(index + count - 1) - this.first(index);
  }

  /** Computes the coefficients of output pixel `index` into `fixed`; returns how many. */
  fill(index: number): number {
    const weights = this.#weights;
    const center = this.#center(index);
    const first = this.first(index);
    const taps = this.end(index) - first;
    const inverse = 1 / this.#filterScale;
    let total = 0;
    for (let t = 0; t < taps; t++) {
      const weight = bicubic((t + first - center + 0.5) * inverse);
      weights[t] = weight;
      total += weight;
    }
    for (let t = 0; t < taps; t++) {
      const weight = total === 0 ? (weights[t] as number) : (weights[t] as number) / total;
      this.fixed[t] = Math.trunc(weight * ONE + (weight < 0 ? -0.5 : 0.5));
    }
    return taps;
  }

  #center(index: number): number {
    return (index + 0.5) * this.#scale;
  }
}

/** Keys' cubic with a = -0.5 (Resample.c, bicubic_filter). */
function bicubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}
