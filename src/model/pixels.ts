/**
 * From RGB bytes to the first layer's packed rows. A byte p of channel c counts as the integer 2p - z, z = round(510 mean),
 * and the first layer's weights carry 1 / (510 std): (p / 255 - mean) / std = (2p - 510 mean) / (510 std). What rounding z
 * leaves over goes into the bias. Padding is 0, which is exact where 510 mean is whole (mean 0.5) or nothing is padded.
 */
import { Arithmetic, type PackedRows, type Precision, type RowBuffer } from '../engine/arithmetic.ts';
import type { Engine } from '../engine/engine.ts';
import type { Pointer } from '../engine/kernels.ts';
import type { MemoryPlan } from '../engine/memory.ts';
import { roundUp } from '../engine/numerics.ts';

/** The integer that stands for a channel's mean: 510 mean, rounded. */
export const centre = (mean: number) => Math.round(510 * mean);

export interface PixelTable {
  readonly at: Pointer;
  /** Writes the table's three rows of 256 integers. */
  fill(engine: Engine): void;
}

/** A table [3][256] of what a byte counts as: i16 in int8, f32 in f32. */
export function planPixelTable(
  plan: MemoryPlan,
  name: string,
  precision: Precision,
  mean: readonly number[],
): PixelTable {
  const at = plan.reserve(name, 3 * 256 * (precision === 'int8' ? 2 : 4));
  return {
    at,
    fill({ memory }) {
      const table =
        precision === 'int8' ? new Int16Array(memory.buffer, at, 768) : new Float32Array(memory.buffer, at, 768);
      for (let c = 0; c < 3; c++) for (let p = 0; p < 256; p++) table[c * 256 + p] = 2 * p - centre(mean[c]!);
    },
  };
}

/** The windows of a convolution over the picture: square, the same stride both ways, `across` windows a line. */
export interface Windows {
  readonly imageSize: number;
  readonly window: number;
  readonly stride: number;
  readonly padBefore: number;
  readonly across: number;
}

/** What the gathering needs: the picture, its table, and room for the rows. */
export interface PixelState {
  readonly pixels: Pointer;
  readonly table: PixelTable;
  readonly patches: RowBuffer;
}

/** Lines [first, first + lines) of windows as packed rows: [lines * across, window² 3]. */
export function gatherPatches(
  engine: Engine,
  { pixels, table, patches }: PixelState,
  { imageSize, window, stride, padBefore, across }: Windows,
  first: number,
  lines: number,
): PackedRows {
  const { kernels, arithmetic } = engine;
  const k = window * window * 3;
  if (arithmetic.precision === 'int8') {
    kernels.gatherInt8(
      pixels, imageSize, window, stride, padBefore, across, first, lines, roundUp(k, 4), table.at, patches.data,
    ); // biome-ignore format: operands in a line
  } else {
    kernels.gatherF32(pixels, imageSize, window, stride, padBefore, across, first, lines, table.at, patches.data);
  }
  return { data: patches.data, scale: 0, m: lines * across };
}

/** Room for `lines` lines of windows; default all of them. */
export function planPatches(
  plan: MemoryPlan,
  name: string,
  precision: Precision,
  windows: Windows,
  lines = windows.across,
): RowBuffer {
  return Arithmetic.reserveRows(plan, name, precision, lines * windows.across, windows.window ** 2 * 3);
}
