/** Weights in the order of the kernels (assembly/gemm-int8.ts, gemm-f32.ts, depthwise.ts), quantized or not. */

import { PANEL_COLUMNS } from '../engine/contract.ts';
import { tapPairs } from '../engine/layout.ts';
import { roundUp, WEIGHT_MAX } from '../engine/numerics.ts';

/** Where the panel of a row begins, in panels of `length` values a row. */
const panelStart = (row: number, length: number) => Math.floor(row / PANEL_COLUMNS) * length * PANEL_COLUMNS;

/** A matrix [n, k] in panels of 8 columns of the product, f32: [n/8][k][8]; missing rows are zeros. */
export function packPanels(values: Float32Array, n: number, k: number, out: Float32Array): void {
  out.fill(0);
  for (let row = 0; row < n; row++) {
    let at = panelStart(row, k) + (row % PANEL_COLUMNS);
    for (let i = row * k; i < (row + 1) * k; i++) {
      out[at] = values[i]!;
      at += PANEL_COLUMNS;
    }
  }
}

/** One row's integers and scale: symmetric, largest magnitude at 127, nearest. */
export function quantizeRow(row: Float32Array, out: Int8Array): number {
  let largest = 0;
  for (let i = 0; i < row.length; i++) largest = Math.max(largest, Math.abs(row[i]!));
  const scale = largest / WEIGHT_MAX;
  for (let i = 0; i < row.length; i++) out[i] = scale === 0 ? 0 : Math.round(row[i]! / scale);
  return scale;
}

/** The quantization error of a matrix [n, k]: the values less those of their integers. */
export function quantizationResidual(values: Float32Array, k: number): Float32Array {
  const residual = new Float32Array(values.length);
  const integers = new Int8Array(k);
  for (let at = 0; at < values.length; at += k) {
    const scale = Math.fround(quantizeRow(values.subarray(at, at + k), integers));
    for (let i = 0; i < k; i++) residual[at + i] = values[at + i]! - integers[i]! * scale;
  }
  return residual;
}

/** A quantized linear map; the arrays are views of their final place. */
export interface Int8Panels {
  /** i8 [n/8][k/2][8][2], k padded to a multiple of 4. */
  readonly panels: Int8Array;
  readonly scale: Float32Array;
  /** Sums of each row's integers, for the relaxed build. */
  readonly sum: Int32Array;
}

/** A matrix [n, k], quantized row by row. `inputScale`: the value of one unit of the input, folded into the scales. */
export function packPanelsInt8(values: Float32Array, n: number, k: number, inputScale: number, out: Int8Panels): void {
  const padded = roundUp(k, 4);
  const row = new Int8Array(k);
  out.panels.fill(0);
  out.scale.fill(0);
  out.sum.fill(0);
  for (let r = 0; r < n; r++) {
    out.scale[r] = quantizeRow(values.subarray(r * k, (r + 1) * k), row) * inputScale;
    const panel = panelStart(r, padded) + (r % PANEL_COLUMNS) * 2;
    let sum = 0;
    for (let i = 0; i < k; i++) {
      out.panels[panel + (i >> 1) * 2 * PANEL_COLUMNS + (i & 1)] = row[i]!;
      sum += row[i]!;
    }
    out.sum[r] = sum;
  }
}

/** Dequantizes int8 panels to a matrix [n, k]. */
export function unpackPanelsInt8(
  panels: Int8Array,
  scale: Float32Array,
  n: number,
  k: number,
  inputScale: number,
): Float32Array {
  const padded = roundUp(k, 4);
  const values = new Float32Array(n * k);
  for (let r = 0; r < n; r++) {
    const s = scale[r]! / inputScale;
    const panel = panelStart(r, padded) + (r % PANEL_COLUMNS) * 2;
    for (let i = 0; i < k; i++) values[r * k + i] = panels[panel + (i >> 1) * 2 * PANEL_COLUMNS + (i & 1)]! * s;
  }
  return values;
}

/**
 * Order in which the int8 kernel takes a filter's taps (line-major numbers, -1 for none): columns (0,1) and (2,3) of each
 * line, then the last column from top to bottom.
 */
export function tapOrder(kernel: number): number[] {
  const order: number[] = [];
  for (let y = 0; y < kernel; y++) for (let x = 0; x + 1 < kernel; x++) order.push(y * kernel + x);
  for (let y = 0; y < kernel; y++) order.push(y * kernel + kernel - 1);
  return [...order, ...Array(tapPairs(kernel) * 2 - order.length).fill(-1)];
}

/** Filters [channels, kernel²] as f32 [channels/8][kernel²][8]. */
export const packTaps = (values: Float32Array, channels: number, kernel: number, out: Float32Array) =>
  packPanels(values, channels, kernel * kernel, out);

/** Filters [channels, kernel²], quantized channel by channel: i8 [channels/8][pairs][8][2]. */
export function packTapsInt8(
  values: Float32Array,
  channels: number,
  kernel: number,
  inputScale: number,
  out: { taps: Int8Array; scale: Float32Array },
): void {
  const count = kernel * kernel;
  const order = tapOrder(kernel);
  const row = new Int8Array(count);
  for (let c = 0; c < channels; c++) {
    out.scale[c] = quantizeRow(values.subarray(c * count, (c + 1) * count), row) * inputScale;
    const base = panelStart(c, order.length) + (c % PANEL_COLUMNS) * 2;
    for (const [i, tap] of order.entries())
      out.taps[base + (i >> 1) * 2 * PANEL_COLUMNS + (i & 1)] = tap < 0 ? 0 : row[tap]!;
  }
}

/** Dequantizes int8 taps to filters [channels, kernel²]. */
export function unpackTapsInt8(
  taps: Int8Array,
  scale: Float32Array,
  channels: number,
  kernel: number,
  inputScale: number,
): Float32Array {
  const order = tapOrder(kernel);
  const count = kernel * kernel;
  const values = new Float32Array(channels * count);
  for (let c = 0; c < channels; c++) {
    const base = panelStart(c, order.length) + (c % PANEL_COLUMNS) * 2;
    for (const [i, tap] of order.entries()) {
      if (tap >= 0)
        values[c * count + tap] = (taps[base + (i >> 1) * 2 * PANEL_COLUMNS + (i & 1)]! * scale[c]!) / inputScale;
    }
  }
  return values;
}
