/**
 * From RGB bytes to the first layer's packed rows. A byte p becomes the integer 2p - z with the channel's zero point
 * z = round(510 mean), and the first layer's weights carry 1 / (510 std): (p / 255 - mean) / std = (2p - 510 mean) / (510 std).
 * The rounding error of z goes into the bias (src/weights/pixel-normalization.ts), so a padding of 0 is exact where 510 mean is
 * an integer (mean 0.5) or nothing is padded. Elsewhere a fourth channel, 1 inside the picture and 0 around it, takes the
 * rounding error instead of the bias.
 */
import { Arithmetic, type PackedRows, type Precision, type RowBuffer } from '../engine/arithmetic.ts';
import type { Engine } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import { roundUp } from '../engine/numerics.ts';

/** The zero point of a channel: 510 mean, rounded. */
export const zeroPoint = (mean: number) => Math.round(510 * mean);

/** Channels of the picture less the zero points: red, green and blue, and one that is 1 inside the picture. */
export type PixelChannels = 3 | 4;

/** The windows of a convolution over the picture: square, the same stride both ways, `across` windows per line. */
export interface Windows {
  readonly imageSize: number;
  readonly channels: PixelChannels;
  readonly window: number;
  readonly stride: number;
  readonly padBefore: number;
  readonly across: number;
}

export interface PixelState {
  /** The crop, u8 [imageSize, imageSize, 3]. */
  readonly pixels: Pointer;
  /** The crop less the zero points, padded, i16 [padded, padded, channels]. */
  readonly centered: Pointer;
  readonly centers: readonly [number, number, number];
  readonly patches: RowBuffer;
}

/** Lines and columns of the padded image: up to the end of the last window, and no less than the picture. */
const paddedSize = ({ imageSize, window, stride, padBefore, across }: Windows) =>
  Math.max(padBefore + imageSize, (across - 1) * stride + window);

/** Reserves the picture in its two forms and `lines` lines of windows (default all). */
export function planPixels(
  plan: MemoryPlan,
  name: string,
  precision: Precision,
  windows: Windows,
  mean: readonly number[],
  lines = windows.across,
): PixelState {
  return {
    pixels: plan.reserve(name, windows.imageSize ** 2 * 3),
    centered: plan.reserve(name, paddedSize(windows) ** 2 * windows.channels * 2 + 16), // whole vectors are read
    centers: [zeroPoint(mean[0]!), zeroPoint(mean[1]!), zeroPoint(mean[2]!)],
    patches: Arithmetic.reserveRows(plan, name, precision, [
      [lines * windows.across, windows.window ** 2 * windows.channels],
    ]),
  };
}

/** Subtracts the zero points, once per picture, before its windows are gathered. */
export function centerPixels(engine: Engine, { pixels, centered, centers }: PixelState, windows: Windows): void {
  const [z0, z1, z2] = centers;
  const { imageSize: size, padBefore: before, channels } = windows;
  const padded = paddedSize(windows);
  engine.kernels.subtractZeroPoints({ pixels, size, z0, z1, z2, before, padded, channels, out: centered });
}

/** Lines [first, first + lines) of windows as packed rows: [lines * across, window² channels]. */
export function gatherPatches(
  { arithmetic }: Engine,
  { centered, patches }: PixelState,
  windows: Windows,
  first: number,
  lines: number,
): PackedRows {
  const { channels, window, stride, across } = windows;
  const { kernels, scratch } = arithmetic;
  const line = paddedSize(windows) * channels * 2;
  const k = roundUp(window * window * channels, 4);
  const m = lines * across;
  const call = {
    image: centered,
    lineBytes: line,
    channels,
    window,
    stride,
    across,
    firstLine: first,
    lines,
    kPadded: k,
    firstRow: 0,
    m,
    out: patches.data,
    scratch,
  };
  if (arithmetic.precision === 'int8') kernels.gatherInt8(call);
  else kernels.gatherF32(call);
  return arithmetic.packed({ ...patches, scale: 0 }, m, k);
}
