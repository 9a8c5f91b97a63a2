// Powers of two, erf and GELU of four lanes. Ours, because Math.exp and its kin differ from engine to engine.
// Only mul, add, div and integer operations: the same bits on every processor.

/** 1.5 * 2^23: adding it to |x| < 2^22 rounds x to the nearest even integer, which then stands in the low mantissa bits. */
const ROUND_MAGIC: f32 = 12582912;

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

/** ROUND_MAGIC for a loop that has no table (below): with a finite number in it that is not known before, it is no constant. */
@inline
export function roundMagic(finite: f32): v128 {
  return f32x4.splat(finite * 0 + ROUND_MAGIC);
}

// An engine builds a vector constant anew at each use, with three instructions where a load is one. So the functions below
// read theirs from a table in scratch memory, which `storeConstants` fills before a loop. These are the places in it.

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

/** Bytes of the table. */
export const TABLE_BYTES: usize = 400;

/** Fills a table of TABLE_BYTES for the functions below. */
export function storeConstants(table: usize): void {
  v128.store(table, f32x4.splat(ROUND_MAGIC), MAGIC);
  v128.store(table, f32x4.splat(126), POWER_MOST);
  v128.store(table, f32x4.splat(-126), POWER_LEAST);
  v128.store(table, f32x4.splat(0.693147214968), POWER_1);
  v128.store(table, f32x4.splat(0.240226527829), POWER_2);
  v128.store(table, f32x4.splat(0.0555031055101), POWER_3);
  v128.store(table, f32x4.splat(0.00961769297299), POWER_4);
  v128.store(table, f32x4.splat(0.00134066439024), POWER_5);
  v128.store(table, f32x4.splat(0.000155946781613), POWER_6);
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
}

/**
 * 2^y, relative error <= 2^-23 * 1.1 for y in [-126, 126]; below -126, and for NaN, 2^-126. The fraction f of y is in
 * [-1/2, 1/2], and 2^f = 1 + f Q(f) with Q the minimax polynomial of degree 5, relative error 2.6e-9. Its terms are joined in
 * pairs (Estrin), as a chain of six would keep the processor waiting. The whole number goes to the exponent's bits.
 */
@inline
export function powerOfTwo4(y: v128, table: usize): v128 {
  const held = f32x4.pmax(v128.load(table, POWER_LEAST), y);
  const magic = v128.load(table, MAGIC);
  const t = f32x4.add(held, magic);
  const f = f32x4.sub(held, f32x4.sub(t, magic));
  const f2 = f32x4.mul(f, f);
  const q12 = f32x4.add(f32x4.mul(v128.load(table, POWER_2), f), v128.load(table, POWER_1));
  const q34 = f32x4.add(f32x4.mul(v128.load(table, POWER_4), f), v128.load(table, POWER_3));
  const q56 = f32x4.add(f32x4.mul(v128.load(table, POWER_6), f), v128.load(table, POWER_5));
  const q = f32x4.add(f32x4.mul(f32x4.add(f32x4.mul(q56, f2), q34), f2), q12);
  return i32x4.add(f32x4.add(f32x4.mul(q, f), v128.load(table, ONE)), i32x4.shl(t, 23));
}

/**
 * erf(x), absolute error <= 5e-7. Rational minimax approximation on [-4, 4] of Eigen's `generic_fast_erf_float`
 * (also XLA's): x P(x^2) / Q(x^2); beyond 4 erf rounds to 1.
 */
@inline
export function erf4(v: v128, table: usize): v128 {
  const most = v128.load(table, ERF_MOST);
  const x = f32x4.pmax(f32x4.pmin(v, most), f32x4.neg(most));
  const x2 = f32x4.mul(x, x);
  let p = v128.load(table, ERF_P6);
  p = f32x4.add(f32x4.mul(p, x2), v128.load(table, ERF_P5));
  p = f32x4.add(f32x4.mul(p, x2), v128.load(table, ERF_P4));
  p = f32x4.add(f32x4.mul(p, x2), v128.load(table, ERF_P3));
  p = f32x4.add(f32x4.mul(p, x2), v128.load(table, ERF_P2));
  p = f32x4.add(f32x4.mul(p, x2), v128.load(table, ERF_P1));
  p = f32x4.add(f32x4.mul(p, x2), v128.load(table, ERF_P0));
  let q = v128.load(table, ERF_Q4);
  q = f32x4.add(f32x4.mul(q, x2), v128.load(table, ERF_Q3));
  q = f32x4.add(f32x4.mul(q, x2), v128.load(table, ERF_Q2));
  q = f32x4.add(f32x4.mul(q, x2), v128.load(table, ERF_Q1));
  q = f32x4.add(f32x4.mul(q, x2), v128.load(table, ERF_Q0));
  return f32x4.div(f32x4.mul(x, p), q);
}

/** GELU(x) = x/2 (1 + erf(x / sqrt 2)) (Hendrycks & Gimpel 2016). */
@inline
export function gelu4(x: v128, table: usize): v128 {
  const half = f32x4.mul(x, f32x4.splat(0.5));
  return f32x4.add(half, f32x4.mul(half, erf4(f32x4.mul(x, v128.load(table, ROOT_HALF)), table)));
}

/** QuickGELU(x) = x sigmoid(1.702 x) (OpenAI's CLIP `model.py`) = x / (1 + 2^(-1.702 log2(e) x)), the power held at 2^+-126. */
@inline
export function quickGelu4(x: v128, table: usize): v128 {
  const power = powerOfTwo4(f32x4.pmin(f32x4.mul(x, v128.load(table, QUICK)), v128.load(table, POWER_MOST)), table);
  return f32x4.div(x, f32x4.add(power, v128.load(table, ONE)));
}

/** min(max(x, 0), 6) */
@inline
export function relu6(x: v128): v128 {
  return f32x4.pmin(f32x4.pmax(x, f32x4.splat(0)), f32x4.splat(6));
}

/** round(8191 / 6 * x) of x in [0, 6], as i32: the fixed scale of what has passed ReLU6 (engine/numerics.ts). */
@inline
export function toFixed(x: v128): v128 {
  return roundToInt(f32x4.splat(ROUND_MAGIC), f32x4.mul(x, f32x4.splat(8191.0 / 6.0)));
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

/** x[0..n) = powerOfTwo4, erf4, gelu4 or quickGelu4 (kind 0..3), n a multiple of 4: the functions as the tests see them. table: TABLE_BYTES. */
export function mapFunction(x: usize, n: i32, kind: i32, table: usize): void {
  storeConstants(table);
  const end = x + (<usize>n << 2);
  while (x < end) {
    const v = v128.load(x);
    v128.store(x, kind == 0 ? powerOfTwo4(v, table) : kind == 1 ? erf4(v, table) : kind == 2 ? gelu4(v, table) : quickGelu4(v, table));
    x += 16;
  }
}
