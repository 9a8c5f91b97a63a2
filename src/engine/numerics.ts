/** How many bits the integers have: the rules that keep int8 arithmetic exact. */

import { ACTIVATION_MAX } from './contract.ts';

/** Largest magnitude of a quantized weight. */
export const WEIGHT_MAX = 127;

/** The value of one unit of a fixed-scale activation: ReLU6 bounds the value, so ACTIVATION_MAX stands for 6. */
export const FIXED_SCALE = 6 / ACTIVATION_MAX;

/**
 * Largest activation magnitude for which k products with int8 weights cannot overflow an i32:
 * min(8191, floor((2^31 - 1) / (127 k))). 8191 up to k = 2064, 5504 at k = 3072.
 */
export function activationMax(k: number): number {
  return Math.min(ACTIVATION_MAX, Math.floor((2 ** 31 - 1) / (WEIGHT_MAX * k)));
}

/** Rounds n up to a multiple of `step`. */
export function roundUp(n: number, step: number): number {
  return Math.ceil(n / step) * step;
}
