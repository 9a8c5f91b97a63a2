// exp, sigmoid and erf of four lanes. Ours, because Math.exp and its kin differ from engine to engine.
// Only mul, add, div and integer operations: the same bits on every processor.

/** 1.5 * 2^23: adding it to |x| < 2^22 rounds x to the nearest even integer, which then stands in the low mantissa bits. */
const ROUND_MAGIC: f32 = 12582912;
const ROUND_MAGIC_BITS: i32 = 0x4b400000;

/** Nearest-even integers of four f32 lanes with |x| < 2^22, as i32. Exact, and cheaper than trunc_sat's NaN handling. */
@inline
export function roundToInt(x: v128): v128 {
  return i32x4.sub(f32x4.add(x, f32x4.splat(ROUND_MAGIC)), i32x4.splat(ROUND_MAGIC_BITS));
}

/**
 * e^x, relative error <= 2^-23 * 1.1 for x in [-86.5, 88]; 0 below -86.5 and e^88 above 88.
 * Cephes `expf` (Moshier 1989): x = n ln2 + r, |r| <= ln2 / 2, degree-6 polynomial in r, 2^n by exponent bits.
 */
@inline
export function exp4(x: v128): v128 {
  const t = f32x4.add(f32x4.mul(f32x4.pmin(x, f32x4.splat(88)), f32x4.splat(1.44269504088896341)), f32x4.splat(ROUND_MAGIC));
  const n = f32x4.sub(t, f32x4.splat(ROUND_MAGIC));
  let r = f32x4.sub(f32x4.pmin(x, f32x4.splat(88)), f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let p = f32x4.splat(1.9875691500e-4);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  p = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(p, r), r), r), f32x4.splat(1));
  const e = i32x4.add(p, i32x4.shl(t, 23));
  return v128.and(e, f32x4.ge(x, f32x4.splat(-86.5)));
}

/**
 * erf(x), absolute error <= 5e-7. Rational minimax approximation on [-4, 4] of Eigen's `generic_fast_erf_float`
 * (also XLA's): x P(x^2) / Q(x^2); beyond 4 erf rounds to 1.
 */
@inline
export function erf4(v: v128): v128 {
  const x = f32x4.pmax(f32x4.pmin(v, f32x4.splat(4)), f32x4.splat(-4));
  const x2 = f32x4.mul(x, x);
  let p = f32x4.splat(-2.72614225801306e-10);
  p = f32x4.add(f32x4.mul(p, x2), f32x4.splat(2.77068142495902e-8));
  p = f32x4.add(f32x4.mul(p, x2), f32x4.splat(-2.10102402082508e-6));
  p = f32x4.add(f32x4.mul(p, x2), f32x4.splat(-5.69250639462346e-5));
  p = f32x4.add(f32x4.mul(p, x2), f32x4.splat(-7.34990630326855e-4));
  p = f32x4.add(f32x4.mul(p, x2), f32x4.splat(-2.95459980854025e-3));
  p = f32x4.add(f32x4.mul(p, x2), f32x4.splat(-1.60960333262415e-2));
  let q = f32x4.splat(-1.45660718464996e-5);
  q = f32x4.add(f32x4.mul(q, x2), f32x4.splat(-2.13374055278905e-4));
  q = f32x4.add(f32x4.mul(q, x2), f32x4.splat(-1.68282697438203e-3));
  q = f32x4.add(f32x4.mul(q, x2), f32x4.splat(-7.37332916720468e-3));
  q = f32x4.add(f32x4.mul(q, x2), f32x4.splat(-1.42647390514189e-2));
  return f32x4.div(f32x4.mul(x, p), q);
}

/** GELU(x) = x/2 (1 + erf(x / sqrt 2)) (Hendrycks & Gimpel 2016). */
@inline
export function gelu4(x: v128): v128 {
  const half = f32x4.mul(x, f32x4.splat(0.5));
  return f32x4.add(half, f32x4.mul(half, erf4(f32x4.mul(x, f32x4.splat(0.70710678118654752)))));
}

/** QuickGELU(x) = x sigmoid(1.702 x), OpenAI's CLIP `model.py`. */
@inline
export function quickGelu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(exp4(f32x4.mul(x, f32x4.splat(-1.702))), f32x4.splat(1)));
}

/** min(max(x, 0), 6) */
@inline
export function relu6(x: v128): v128 {
  return f32x4.pmin(f32x4.pmax(x, f32x4.splat(0)), f32x4.splat(6));
}

/** round(8191 / 6 * x) of x in [0, 6], as i32: the fixed scale of what has passed ReLU6 (engine/numerics.ts). */
@inline
export function toFixed(x: v128): v128 {
  return roundToInt(f32x4.mul(x, f32x4.splat(8191.0 / 6.0)));
}

/** The four lanes' sum, always as (0 + 2) + (1 + 3). */
@inline
export function sumLanes(v: v128): f32 {
  const s = f32x4.add(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1);
}

/** The four lanes' largest value. */
@inline
export function maxLanes(v: v128): f32 {
  const m = f32x4.pmax(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1));
}

/** x[0..n) = exp4, erf4, gelu4 or quickGelu4 (kind 0..3), n a multiple of 4: the functions as the tests see them. */
export function mapFunction(x: usize, n: i32, kind: i32): void {
  const end = x + (<usize>n << 2);
  while (x < end) {
    const v = v128.load(x);
    v128.store(x, kind == 0 ? exp4(v) : kind == 1 ? erf4(v) : kind == 2 ? gelu4(v) : quickGelu4(v));
    x += 16;
  }
}
