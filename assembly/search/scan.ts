// The scan over int8 copies of unit vectors: for each, the most that its f32 product with the query can be (docs/numerics.md).
//
// A record is a vector's copy, d codes (d a multiple of CODE_GROUP), then its scale and its error:
//
//   [codes i8[d]][scale f32][error f32][0 x 8]        vector = scale * codes + rest, ||rest|| <= error
//
// The tile is four records by eight codes. Codes are widened as they are loaded; the query is i16, so that it adds next to no
// error of its own:
//
//   lane of the sums     0         1         2         3
//   i32x4 s0..s3       c0q0+c1q1 c2q2+c3q3 c4q4+c5q5 c6q6+c7q7

import { CODE_GROUP, CODE_MAX, QUERY_ERROR, QUERY_LENGTH, RECORD_ERROR, RECORD_TAIL_BYTES } from '../../src/search/contract';

/** Bytes of a record of d codes. */
// @ts-expect-error: decorator
@inline
function recordBytes(d: i32): usize {
  return <usize>d + RECORD_TAIL_BYTES;
}

const MOST: f64 = CODE_MAX;

/**
 * 1 + 2^-22: a product with it is larger than the exact value after rounding of f64 and of f32, for numbers that are not tiny.
 */
const UP: f64 = 1 + 1 / 4194304.0;

/** What is added for numbers so small that f32 holds them in fewer bits. */
const TINY: f64 = 1e-30;

// @ts-expect-error: decorator
@inline
function sumIntegers(v: v128): i32 {
  const s = i32x4.add(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1);
}

/** An f32 that is not below the exact value. */
// @ts-expect-error: decorator
@inline
function roundedUp(value: f64): f32 {
  return <f32>(value * UP + TINY);
}

/** The largest |x[i]| of n f32, n a multiple of 4. */
function largest(x: usize, n: i32): f32 {
  let most = f32x4.splat(0);
  const end = x + (<usize>n << 2);
  for (; x < end; x += 16) most = f32x4.pmax(most, f32x4.abs(v128.load(x)));
  const pairs = f32x4.pmax(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/**
 * The record of x, n f32 (n a multiple of 4), with d codes: scale = max |x| / 127, codes the nearest integers. The error is
 * computed from what was stored, so it holds whatever the scale was rounded to.
 */
export function quantizeVector(x: usize, n: i32, d: i32, record: usize): void {
  assert(n > 0 && n % 4 == 0 && d % CODE_GROUP == 0 && d >= n);
  const scale = largest(x, n) / <f32>MOST;
  const inverse: f64 = scale > 0 ? 1 / <f64>scale : 0;
  let squares: f64 = 0;
  for (let i = 0; i < n; i++) {
    const value = <f64>load<f32>(x + (<usize>i << 2));
    const code = min(max(nearest(value * inverse), -MOST), MOST);
    const rest = value - <f64>scale * code; // the product is exact: 24 and 7 bits
    squares += rest * rest;
    store<i8>(record + <usize>i, <i8>code);
  }
  for (let i = n; i < d; i++) store<i8>(record + <usize>i, 0);
  store<f32>(record + <usize>d, scale);
  store<f32>(record + <usize>d + RECORD_ERROR, roundedUp(sqrt(squares)));
  store<i64>(record + <usize>d + 8, 0);
}

/**
 * The query x, n f32 (n a multiple of 4), as d i16 codes of at most `most`, which keeps the sums in i32:
 * d * CODE_MAX * most < 2^31. To `numbers`: its scale, its error and its length, f64 each.
 */
export function quantizeQuery(x: usize, n: i32, d: i32, most: i32, codes: usize, numbers: usize): void {
  assert(n > 0 && n % 4 == 0 && d % CODE_GROUP == 0 && d >= n && <i64>d * CODE_MAX * most < 2147483648 && most < 32768);
  const scale = <f64>largest(x, n) / <f64>most;
  const inverse: f64 = scale > 0 ? 1 / scale : 0;
  let squares: f64 = 0;
  let length: f64 = 0;
  for (let i = 0; i < n; i++) {
    const value = <f64>load<f32>(x + (<usize>i << 2));
    const code = min(max(nearest(value * inverse), -<f64>most), <f64>most);
    const rest = value - scale * code;
    squares += rest * rest;
    length += value * value;
    store<i16>(codes + (<usize>i << 1), <i16>code);
  }
  for (let i = n; i < d; i++) store<i16>(codes + (<usize>i << 1), 0);
  store<f64>(numbers, scale);
  store<f64>(numbers + QUERY_ERROR, <f64>roundedUp(sqrt(squares)));
  store<f64>(numbers + QUERY_LENGTH, <f64>roundedUp(sqrt(length)));
}

/**
 * out[i] = what the f32 product of vector i and the query does not exceed, f32, for n records. `numbers` are the query's;
 * `rounding` covers the rounding of an f32 product of two unit vectors and of this function.
 *
 * The tile's four records are a quarter of n apart: the processor reads ahead in four pages at once, which takes less than half the
 * time of four records side by side (bench/notebook/scan-streams.md).
 */
export function upperBounds(records: usize, n: i32, d: i32, codes: usize, numbers: usize, rounding: f64, out: usize): void {
  assert(n > 0 && d % CODE_GROUP == 0);
  const step = recordBytes(d);
  const width = <usize>d;
  const quarter = n >> 2;
  const apart = step * <usize>quarter;
  const outApart = <usize>quarter << 2;
  for (let i = 0; i < quarter; i++) {
    const a = records + step * <usize>i;
    const b = a + apart;
    const c = b + apart;
    const e = c + apart;
    let s0 = i32x4.splat(0);
    let s1 = i32x4.splat(0);
    let s2 = i32x4.splat(0);
    let s3 = i32x4.splat(0);
    for (let o: usize = 0; o < width; o += 8) {
      const q = v128.load(codes + (o << 1));
      s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v128.load_ext<i8>(a + o), q));
      s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v128.load_ext<i8>(b + o), q));
      s2 = i32x4.add(s2, i32x4.dot_i16x8_s(v128.load_ext<i8>(c + o), q));
      s3 = i32x4.add(s3, i32x4.dot_i16x8_s(v128.load_ext<i8>(e + o), q));
    }
    const at = out + (<usize>i << 2);
    storeBound(a + width, sumIntegers(s0), numbers, rounding, at);
    storeBound(b + width, sumIntegers(s1), numbers, rounding, at + outApart);
    storeBound(c + width, sumIntegers(s2), numbers, rounding, at + 2 * outApart);
    storeBound(e + width, sumIntegers(s3), numbers, rounding, at + 3 * outApart);
  }
  for (let i = quarter << 2; i < n; i++) {
    const a = records + step * <usize>i;
    let s0 = i32x4.splat(0);
    for (let o: usize = 0; o < width; o += 8) {
      s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v128.load_ext<i8>(a + o), v128.load(codes + (o << 1))));
    }
    storeBound(a + width, sumIntegers(s0), numbers, rounding, out + (<usize>i << 2));
  }
}

/** ||query|| * error + query's error * (1 + error), on top of the product of the codes: Cauchy-Schwarz, twice. */
// @ts-expect-error: decorator
@inline
function storeBound(tail: usize, sum: i32, numbers: usize, rounding: f64, out: usize): void {
  const error = <f64>load<f32>(tail + RECORD_ERROR);
  const product = <f64>sum * (<f64>load<f32>(tail) * load<f64>(numbers));
  const doubt = load<f64>(numbers + QUERY_LENGTH) * error + load<f64>(numbers + QUERY_ERROR) * (1 + error);
  store<f32>(out, <f32>(product + doubt + rounding));
}
