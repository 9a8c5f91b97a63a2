/** The first layer over integers gives what it gives over normalized pixels: (p / 255 - mean) / std. */
import { describe, expect, it } from 'vitest';
import { zeroPoint } from '../../src/model/pixels.ts';
import { foldPixelNormalization, largestOutput } from '../../src/weights/pixel-normalization.ts';
import { Random } from '../kernels/random.ts';

const [n, taps] = [3, 4];
/** Zero points of 245.54 and the like are rounded; the mean 0.5 is 255 exactly. */
const normalization = { mean: [0.48145466, 0.5, 0.40821073], std: [0.26862954, 0.5, 0.27577711] };
const random = new Random(11);
const weights = random.floats(n * 3 * taps);
const bias = random.floats(n);
const pixels = Array.from({ length: taps * 3 }, () => random.integer(0, 255));
const { mean, std } = normalization;

describe.each([3, 4] as const)('over %i channels', (channels) => {
  // With four channels a tap may lie in the padding, which is 0 after normalizing.
  it.each(channels === 4 ? [0, 1, taps] : [taps])('with %i taps inside the picture', (inside) => {
    const folded = foldPixelNormalization(weights, n, normalization, channels, bias);
    for (let row = 0; row < n; row++) {
      let expected = bias[row]!;
      let sum = folded.bias[row]!;
      for (let tap = 0; tap < inside; tap++) {
        for (let channel = 0; channel < 3; channel++) {
          const p = pixels[tap * 3 + channel]!;
          const value = (p / 255 - mean[channel]!) / std[channel]!;
          expected += weights[(row * 3 + channel) * taps + tap]! * value;
          sum += folded.values[(row * taps + tap) * channels + channel]! * (2 * p - zeroPoint(mean[channel]!));
        }
        if (channels === 4) sum += folded.values[(row * taps + tap) * 4 + 3]!;
      }
      expect(sum).toBeCloseTo(expected, 5);
    }
  });

  it('without a bias', () => {
    const { bias: own } = foldPixelNormalization(weights, n, normalization, channels);
    const { bias: both } = foldPixelNormalization(weights, n, normalization, channels, bias);
    for (let row = 0; row < n; row++) expect(own[row]! + bias[row]!).toBeCloseTo(both[row]!, 6);
  });
});

it('the largest output is that of the row whose weights, at 510 each, and bias have the largest sum', () => {
  const values = Float32Array.of(1, -2, 0.5, -3, 4, 0.25);
  expect(largestOutput(values, Float32Array.of(-7, 5))).toBe(510 * 7.25 + 5);
  expect(largestOutput(values, Float32Array.of(-4000, 5))).toBe(510 * 3.5 + 4000);
});
