/** Rows of PNG samples as bytes of gray, RGB or RGBA, the way Pillow 13's `convert("RGB")` sees them. */
import type { Pointer } from '../engine/kernels.ts';
import { GRAY, GRAY_ALPHA, PALETTE, type PngHeader, RGBA } from './png-header.ts';
import { ROW_SLACK } from './rows.ts';
import type { Workspace } from './workspace.ts';

/** Entries of a palette in memory, of four bytes each. */
const PALETTE_ENTRIES = 256;

export class PngSamples {
  /** Bytes of a pixel as rows are handed out: gray, RGB, or RGB and a fourth that is ignored. */
  readonly channels: 1 | 3 | 4;
  /** Bytes of a pixel as `unpack` leaves it: `channels`, but the index of a palette's color. */
  readonly unpacked: 1 | 3 | 4;
  /** Whether rows are such pixels as they are. */
  readonly areReady: boolean;
  /** Whether `unpack` leaves the indices of a palette's colors, for `lookUp`. */
  readonly areIndices: boolean;
  readonly #workspace: Workspace;
  readonly #header: PngHeader;
  readonly #palette: Pointer;
  /** Between two kernels: a row of gray and alpha, of 16 bits once, or of indices. */
  readonly #scratch: Pointer;

  /** @param palette the file's, R, G, B each; none is black, as are entries that it has not: as in Pillow */
  constructor(workspace: Workspace, header: PngHeader, palette: Uint8Array | undefined) {
    const { colorType, depth } = header;
    this.#workspace = workspace;
    this.#header = header;
    this.channels = samplesOf(colorType);
    this.areIndices = colorType === PALETTE;
    this.unpacked = this.areIndices ? 1 : this.channels;
    this.areReady = depth === 8 && colorType !== GRAY_ALPHA && colorType !== PALETTE;
    this.#palette = colorType === PALETTE ? workspace.reserveZeroed(4 * PALETTE_ENTRIES) : 0;
    this.#scratch = workspace.reserve(strideOf(2 * header.width));
    if (colorType !== PALETTE || !palette) return;
    const { bytes } = workspace;
    const entries = Math.min(2 ** depth, Math.floor(palette.length / 3));
    for (let i = 0; i < entries; i++) bytes.set(palette.subarray(3 * i, 3 * i + 3), this.#palette + 4 * i);
  }

  /** Samples of a row of `width` pixels as bytes at `out`, where ROW_SLACK bytes more may be written. */
  unpack(row: Pointer, out: Pointer, width: number): void {
    const { kernels } = this.#workspace;
    const { colorType, depth } = this.#header;
    if (depth < 8) {
      // Gray of fewer bits reaches 255, too.
      kernels.unpackBits(row, out, width, depth, colorType === GRAY ? 255 / (2 ** depth - 1) : 1);
    } else if (depth === 16 && colorType === GRAY) {
      kernels.clip16(row, out, width); // Pillow's I;16 to L
    } else if (depth === 16 && colorType === GRAY_ALPHA) {
      kernels.everySecond(row, this.#scratch, 2 * width);
      kernels.everySecond(this.#scratch, out, width);
    } else if (depth === 16 || colorType === GRAY_ALPHA) {
      kernels.everySecond(row, out, width * this.channels);
    } else {
      this.#workspace.bytes.copyWithin(out, row, row + width * this.unpacked);
    }
  }

  /** A row as it is handed out, of `channels`. */
  convert(row: Pointer, out: Pointer, width: number): void {
    if (!this.areIndices) {
      this.unpack(row, out, width);
    } else if (this.#header.depth === 8) {
      this.lookUp(row, out, width);
    } else {
      this.unpack(row, this.#scratch, width);
      this.lookUp(this.#scratch, out, width);
    }
  }

  /** Colors of indices that `unpack` left. */
  lookUp(row: Pointer, out: Pointer, width: number): void {
    this.#workspace.kernels.lookUp(row, this.#palette, out, width);
  }
}

function samplesOf(colorType: number): 1 | 3 | 4 {
  if (colorType === GRAY || colorType === GRAY_ALPHA) return 1;
  return colorType === RGBA ? 4 : 3;
}

/** Channels of the rows that are handed out. Of an interlaced picture no alpha is kept. */
export function rowChannels({ colorType, interlaced }: PngHeader): 1 | 3 | 4 {
  return colorType === RGBA && interlaced ? 3 : samplesOf(colorType);
}

/** Bytes from a row to the next: some are written and read behind each. */
export function strideOf(rowBytes: number): number {
  return Math.ceil((rowBytes + ROW_SLACK) / 16) * 16;
}
