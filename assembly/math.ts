// Powers of two, erf and GELU of four lanes. Ours, because Math.exp and its kin differ from engine to engine.
// Only mul, add, div and integer operations: the same bits on every processor.

import {
  ACTIVATION_GELU, ACTIVATION_MAX, ACTIVATION_QUICK_GELU, CONSTANTS_BYTES, FUNCTION_ERF, FUNCTION_POWER_OF_TWO,
  POWER_C1, POWER_C2, POWER_C3, POWER_C4, POWER_C5, POWER_C6,
} from '../src/engine/contract';

/** 1.5 * 2^23: adding it to |x| < 2^22 rounds x to the nearest even integer, which is then in the low mantissa bits. */
export const ROUND_MAGIC: f32 = 12582912;

/** Upper bound of ReLU6. */
export const SIX: f32 = 6;

/** Integers for one unit of a value that ReLU6 bounds (FIXED_SCALE in engine/numerics.ts is its inverse). */
export const FIXED_UNIT: f32 = <f32>ACTIVATION_MAX / 6.0;

/** e^x = 2^(x log2 e). */
export const LOG2_OF_E: f32 = 1.44269504088896341;

/**
 * Nearest-even integers of four f32 lanes with |x| < 2^22, as i32; magic: ROUND_MAGIC in every lane. Exact, and cheaper than
 * trunc_sat's NaN handling.
 */
@inline
export function roundToInt(magic: v128, x: v128): v128 {
  return i32x4.sub(f32x4.add(x, magic), magic); // of the bits, so the exponent goes
}

// Engines rebuild a vector constant at each use, with three instructions where a load takes one. So some functions take their
// constants as arguments. A loop makes them beforehand from a finite number that the compiler does not know, which keeps it
// from treating them as constants.

/** `value` in every lane, computed at run time. */
@inline
export function atRunTime(value: f32, finite: f32): v128 {
  return f32x4.splat(finite * 0 + value);
}

// Functions with many constants read them from a table in scratch memory, which `storeConstants` fills before a loop. These
// are the offsets in it.

const MAGIC: usize = 0;
const POWER_MOST: usize = 16;
const POWER_LEAST: usize = 32;
const POWER_1: usize = 48;
const POWER_2: usize = 64;
const POWER_3: usize = 80;
const POWER_4: usize = 96;
const POWER_5: usize = 112;
const POWER_6: usize = 128;
const ONE: usize = 144;
const QUICK: usize = 160;
const ROOT_HALF: usize = 176;
const ERF_MOST: usize = 192;
const ERF_P6: usize = 208;
const ERF_P5: usize = 224;
const ERF_P4: usize = 240;
const ERF_P3: usize = 256;
const ERF_P2: usize = 272;
const ERF_P1: usize = 288;
const ERF_P0: usize = 304;
const ERF_Q4: usize = 320;
const ERF_Q3: usize = 336;
const ERF_Q2: usize = 352;
const ERF_Q1: usize = 368;
const ERF_Q0: usize = 384;
const HALF: usize = 400;

/** Fills a table of CONSTANTS_BYTES for the functions below. */
export function storeConstants(table: usize): void {
  assert(HALF + 16 == CONSTANTS_BYTES);
  v128.store(table, f32x4.splat(ROUND_MAGIC), MAGIC);
  v128.store(table, f32x4.splat(126), POWER_MOST);
  v128.store(table, f32x4.splat(-126), POWER_LEAST);
  v128.store(table, f32x4.splat(<f32>POWER_C1), POWER_1);
  v128.store(table, f32x4.splat(<f32>POWER_C2), POWER_2);
  v128.store(table, f32x4.splat(<f32>POWER_C3), POWER_3);
  v128.store(table, f32x4.splat(<f32>POWER_C4), POWER_4);
  v128.store(table, f32x4.splat(<f32>POWER_C5), POWER_5);
  v128.store(table, f32x4.splat(<f32>POWER_C6), POWER_6);
  v128.store(table, f32x4.splat(1), ONE);
  v128.store(table, f32x4.splat(-2.4554669595930156), QUICK); // -1.702 log2 e
  v128.store(table, f32x4.splat(0.70710678118654752), ROOT_HALF);
  v128.store(table, f32x4.splat(4), ERF_MOST);
  v128.store(table, f32x4.splat(-2.72614225801306e-10), ERF_P6);
  v128.store(table, f32x4.splat(2.77068142495902e-8), ERF_P5);
  v128.store(table, f32x4.splat(-2.10102402082508e-6), ERF_P4);
  v128.store(table, f32x4.splat(-5.69250639462346e-5), ERF_P3);
  v128.store(table, f32x4.splat(-7.34990630326855e-4), ERF_P2);
  v128.store(table, f32x4.splat(-2.95459980854025e-3), ERF_P1);
  v128.store(table, f32x4.splat(-1.60960333262415e-2), ERF_P0);
  v128.store(table, f32x4.splat(-1.45660718464996e-5), ERF_Q4);
  v128.store(table, f32x4.splat(-2.13374055278905e-4), ERF_Q3);
  v128.store(table, f32x4.splat(-1.68282697438203e-3), ERF_Q2);
  v128.store(table, f32x4.splat(-7.37332916720468e-3), ERF_Q1);
  v128.store(table, f32x4.splat(-1.42647390514189e-2), ERF_Q0);
  v128.store(table, f32x4.splat(0.5), HALF);
}

/** (p + c) x: a polynomial's next coefficient. */
@inline
function horner(p: v128, c: v128, x: v128): v128 {
  return f32x4.mul(f32x4.add(p, c), x);
}

// Long functions take two vectors at a time, so that each constant is loaded once and two dependency chains overlap; they
// store their results. For a single vector, pass it twice.

/**
 * 2^y to out0 and out1, relative error <= 2^-23 * 1.1 for y in [-126, 126]; below -126, and for NaN, 2^-126. The fraction f of
 * y is in [-1/2, 1/2], and 2^f = 1 + f Q(f) with Q the minimax polynomial of degree 5, relative error 2.6e-9. Its terms are
 * joined in pairs (Estrin's scheme), as a chain of six would stall the processor. The integer part goes to the exponent bits.
 */
@inline
export function powersOfTwo(y0: v128, y1: v128, out0: usize, out1: usize, table: usize): void {
  let p = v128.load(table, POWER_LEAST);
  y0 = f32x4.pmax(p, y0);
  y1 = f32x4.pmax(p, y1);
  p = v128.load(table, MAGIC);
  const t0 = f32x4.add(y0, p), t1 = f32x4.add(y1, p);
  const f0 = f32x4.sub(y0, f32x4.sub(t0, p)), f1 = f32x4.sub(y1, f32x4.sub(t1, p));
  const g0 = f32x4.mul(f0, f0), g1 = f32x4.mul(f1, f1);
  p = v128.load(table, POWER_6);
  let q0 = f32x4.mul(p, f0), q1 = f32x4.mul(p, f1);
  p = v128.load(table, POWER_5);
  q0 = horner(q0, p, g0), q1 = horner(q1, p, g1);
  p = v128.load(table, POWER_4);
  let r0 = f32x4.mul(p, f0), r1 = f32x4.mul(p, f1);
  p = v128.load(table, POWER_3);
  q0 = horner(q0, f32x4.add(r0, p), g0), q1 = horner(q1, f32x4.add(r1, p), g1);
  p = v128.load(table, POWER_2);
  r0 = f32x4.mul(p, f0), r1 = f32x4.mul(p, f1);
  p = v128.load(table, POWER_1);
  q0 = horner(q0, f32x4.add(r0, p), f0), q1 = horner(q1, f32x4.add(r1, p), f1);
  p = v128.load(table, ONE);
  v128.store(out0, i32x4.add(f32x4.add(q0, p), i32x4.shl(t0, 23)));
  v128.store(out1, i32x4.add(f32x4.add(q1, p), i32x4.shl(t1, 23)));
}

/**
 * erf(x) to out0 and out1, absolute error <= 5e-7. Rational minimax approximation on [-4, 4] of Eigen's
 * `generic_fast_erf_float` (also XLA's): x P(x^2) / Q(x^2); beyond 4 erf rounds to 1.
 */
@inline
function erfs(x0: v128, x1: v128, out0: usize, out1: usize, table: usize): void {
  let c = v128.load(table, ERF_MOST);
  x0 = f32x4.pmax(f32x4.pmin(x0, c), f32x4.neg(c)), x1 = f32x4.pmax(f32x4.pmin(x1, c), f32x4.neg(c));
  const s0 = f32x4.mul(x0, x0), s1 = f32x4.mul(x1, x1);
  c = v128.load(table, ERF_P6);
  let p0 = f32x4.mul(c, s0), p1 = f32x4.mul(c, s1);
  c = v128.load(table, ERF_P5);
  p0 = horner(p0, c, s0), p1 = horner(p1, c, s1);
  c = v128.load(table, ERF_P4);
  p0 = horner(p0, c, s0), p1 = horner(p1, c, s1);
  c = v128.load(table, ERF_P3);
  p0 = horner(p0, c, s0), p1 = horner(p1, c, s1);
  c = v128.load(table, ERF_P2);
  p0 = horner(p0, c, s0), p1 = horner(p1, c, s1);
  c = v128.load(table, ERF_P1);
  p0 = horner(p0, c, s0), p1 = horner(p1, c, s1);
  c = v128.load(table, ERF_P0);
  p0 = f32x4.mul(x0, f32x4.add(p0, c)), p1 = f32x4.mul(x1, f32x4.add(p1, c));
  c = v128.load(table, ERF_Q4);
  let q0 = f32x4.mul(c, s0), q1 = f32x4.mul(c, s1);
  c = v128.load(table, ERF_Q3);
  q0 = horner(q0, c, s0), q1 = horner(q1, c, s1);
  c = v128.load(table, ERF_Q2);
  q0 = horner(q0, c, s0), q1 = horner(q1, c, s1);
  c = v128.load(table, ERF_Q1);
  q0 = horner(q0, c, s0), q1 = horner(q1, c, s1);
  c = v128.load(table, ERF_Q0);
  v128.store(out0, f32x4.div(p0, f32x4.add(q0, c)));
  v128.store(out1, f32x4.div(p1, f32x4.add(q1, c)));
}

/** The erf in GELU(x) = x/2 (1 + erf(x / sqrt 2)) (Hendrycks & Gimpel 2016), of two vectors. */
@inline
function geluErfs(x0: v128, x1: v128, out0: usize, out1: usize, table: usize): void {
  const half = v128.load(table, ROOT_HALF);
  erfs(f32x4.mul(x0, half), f32x4.mul(x1, half), out0, out1, table);
}

/** GELU(x), given the erf. */
@inline
export function gelu4(x: v128, erf: v128, table: usize): v128 {
  const half = f32x4.mul(x, v128.load(table, HALF));
  return f32x4.add(half, f32x4.mul(half, erf));
}

/**
 * The power in QuickGELU(x) = x sigmoid(1.702 x) (OpenAI's CLIP `model.py`) = x / (1 + 2^(-1.702 log2(e) x)), held at 2^+-126,
 * of two vectors.
 */
@inline
function quickGeluPowers(x0: v128, x1: v128, out0: usize, out1: usize, table: usize): void {
  const quick = v128.load(table, QUICK);
  const most = v128.load(table, POWER_MOST);
  powersOfTwo(f32x4.pmin(f32x4.mul(x0, quick), most), f32x4.pmin(f32x4.mul(x1, quick), most), out0, out1, table);
}

/** QuickGELU(x), given the power. */
@inline
export function quickGelu4(x: v128, power: v128, table: usize): v128 {
  return f32x4.div(x, f32x4.add(power, v128.load(table, ONE)));
}

/** max(x, 0); -0 and NaN stay. */
@inline
export function relu(x: v128): v128 {
  return f32x4.pmax(x, f32x4.splat(0));
}

/** min(max(x, 0), 6); most: SIX in every lane. */
@inline
export function relu6(most: v128, x: v128): v128 {
  return f32x4.pmin(f32x4.pmax(x, f32x4.splat(0)), most);
}

/** round(8191 / 6 * x) of x in [0, 6], as i32, given ROUND_MAGIC and FIXED_UNIT in every lane. */
@inline
export function toFixed(magic: v128, unit: v128, x: v128): v128 {
  return roundToInt(magic, f32x4.mul(x, unit));
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

// erf or power of rows of eight values up to `end`; results go `apart` bytes further on.

export function geluErfsOfRows(x: usize, end: usize, apart: usize, table: usize): void {
  for (; x < end; x += 32) geluErfs(v128.load(x), v128.load(x, 16), x + apart, x + apart + 16, table);
}
export function quickGeluPowersOfRows(x: usize, end: usize, apart: usize, table: usize): void {
  for (; x < end; x += 32) quickGeluPowers(v128.load(x), v128.load(x, 16), x + apart, x + apart + 16, table);
}

/**
 * x[0..n) = the function of that number in the contract, n a multiple of 4, of GELUs of 8: the functions as the tests see them.
 * table: CONSTANTS_BYTES, and for GELUs n f32 more.
 */
export function mapFunction(x: usize, n: i32, kind: i32, table: usize): void {
  assert(n > 0 && n % 4 == 0);
  storeConstants(table);
  const end = x + (<usize>n << 2);
  const apart = table + CONSTANTS_BYTES - x;
  if (kind == ACTIVATION_GELU) geluErfsOfRows(x, end, apart, table);
  if (kind == ACTIVATION_QUICK_GELU) quickGeluPowersOfRows(x, end, apart, table);
  for (; x < end; x += 16) {
    const v = v128.load(x);
    if (kind == FUNCTION_POWER_OF_TWO) powersOfTwo(v, v, x, x, table);
    else if (kind == FUNCTION_ERF) erfs(v, v, x, x, table);
    else v128.store(x, kind == ACTIVATION_GELU ? gelu4(v, v128.load(x + apart), table) : quickGelu4(v, v128.load(x + apart), table));
  }
}
