/** Folding the pixels' normalization into the first layer, which then takes integers (src/model/pixels.ts). */

import { type PixelChannels, zeroPoint } from '../model/pixels.ts';

/** Mean and standard deviation of each channel, of pixels scaled to 0..1. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * A first convolution [n, 3, side, side] over normalized pixels as one over the integers 2p - z: weights [n][y][x][channel]
 * divided by 510 std. What the rounding of z leaves over goes into the bias; with 4 channels it is the weight of the fourth,
 * which is 0 in the padding (src/model/pixels.ts).
 */
export function foldPixelNormalization(
  values: Float32Array,
  n: number,
  { mean, std }: Normalization,
  channels: PixelChannels,
  bias?: Float32Array,
): { values: Float32Array; bias: Float32Array } {
  const taps = values.length / n / 3;
  const folded = new Float32Array(n * taps * channels);
  const sums = new Float32Array(n);
  for (let row = 0; row < n; row++) {
    const inside = new Float64Array(taps);
    let sum = bias?.[row] ?? 0;
    for (let channel = 0; channel < 3; channel++) {
      const unit = 510 * std[channel]!;
      const rounding = zeroPoint(mean[channel]!) - 510 * mean[channel]!;
      for (let tap = 0; tap < taps; tap++) {
        const w = values[(row * 3 + channel) * taps + tap]! / unit;
        folded[(row * taps + tap) * channels + channel] = w;
        if (channels === 4) inside[tap]! += w * rounding;
        else sum += w * rounding;
      }
    }
    if (channels === 4) for (let tap = 0; tap < taps; tap++) folded[(row * taps + tap) * 4 + 3] = inside[tap]!;
    sums[row] = sum;
  }
  return { values: folded, bias: sums };
}

/** The largest magnitude that a row can give, over integers of at most 510. */
export function largestOutput(values: Float32Array, bias: Float32Array): number {
  const k = values.length / bias.length;
  let largest = 0;
  for (let row = 0; row < bias.length; row++) {
    let sum = Math.abs(bias[row]!);
    for (let i = row * k; i < (row + 1) * k; i++) sum += 510 * Math.abs(values[i]!);
    largest = Math.max(largest, sum);
  }
  return largest;
}
