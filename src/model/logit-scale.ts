/** The logit scale, CLIP's learned temperature: stored as a logarithm, used as exp of it (Radford et al. 2021, section 2.3). */

import { POWER_C1, POWER_C2, POWER_C3, POWER_C4, POWER_C5, POWER_C6 } from '../engine/contract.ts';

const f32 = Math.fround;

/**
 * The largest value that is believed when it is stored: ln 1000, rounded up. OpenAI's training clips the scale at 100; ten
 * times that still means something.
 */
export const MAX_STORED_LOGIT_SCALE = 6.9078;

/** Coefficients of 2^f - 1 = f (c1 + c2 f + ... + c6 f^5) on [-1/2, 1/2], as the kernels have them. */
const [C1, C2, C3, C4, C5, C6] = [
  f32(POWER_C1),
  f32(POWER_C2),
  f32(POWER_C3),
  f32(POWER_C4),
  f32(POWER_C5),
  f32(POWER_C6),
];

/** The largest scale itself: 1000, and what rounding adds. */
export const MAX_LOGIT_SCALE = expLogitScale(f32(MAX_STORED_LOGIT_SCALE));

/**
 * exp(x) = 2^(x log2 e) in f32 steps, so that scores are the same everywhere: the bits of the kernels' power of two, for x
 * from 0 to ln 1000.
 */
export function expLogitScale(x: number): number {
  const exponent = x * Math.LOG2E;
  const whole = Math.round(exponent);
  return f32(powerOfTwo(f32(exponent - whole)) * 2 ** whole);
}

/** 2^f for |f| <= 1/2, the terms joined in pairs as in the kernels (Estrin). */
function powerOfTwo(f: number): number {
  const g = f32(f * f);
  let q = f32(C6 * f);
  q = f32(f32(q + C5) * g);
  q = f32(f32(q + f32(f32(C4 * f) + C3)) * g);
  q = f32(f32(q + f32(f32(C2 * f) + C1)) * f);
  return f32(q + 1);
}
