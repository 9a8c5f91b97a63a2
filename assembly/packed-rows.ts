// Packed rows: the layout in which a GEMM reads its left operand. m rows of k values (k a multiple of 4) lie in groups of 5
// rows; the last group has r = 1..4 rows if m is not a multiple of 5. One pointer reads a group front to back:
//
//   f32            [k][r]                  group stride 20 k bytes
//   int8, simd     [k/2][r][2] i16         group stride 10 k bytes   |r0 k0 k1|r1 k0 k1| .. |r4 k0 k1|r0 k2 k3| ..
//   int8, relaxed  [k/4][r][hi x4, lo x4]  group stride 10 k bytes   value = 128 (hi - 64) + lo, hi and lo in 0..127
//
// Quantization is symmetric, one scale for each row, to i16 with |a| <= aMax (engine/numerics.ts: how many bits k allows).

import { ACTIVATION_MAX, MAXIMUM_BYTES, ROW_GROUP } from '../src/engine/contract';
import { ROUND_MAGIC, atRunTime, maxLanes, roundToInt } from './math';

/** Bytes between two groups of integers. */
@inline
export function groupStride(k: i32): usize {
  return <usize>k * (2 * ROW_GROUP);
}

/** Bytes between two groups of f32. */
@inline
export function groupStrideF32(k: i32): usize {
  return <usize>k * (4 * ROW_GROUP);
}

/** The first row of row i's group. */
@inline
export function firstOfGroup(i: i32): i32 {
  return i - i % ROW_GROUP;
}

/** Where the group that begins at row `first` is, in packed rows of k integers at `rows`. */
@inline
export function groupAt(rows: usize, first: i32, k: i32): usize {
  return rows + (<usize>first * <usize>k << 1);
}

/** The same of f32. */
@inline
export function groupAtF32(rows: usize, first: i32, k: i32): usize {
  return rows + (<usize>first * <usize>k << 2);
}

/** Rows in the group that begins at row `first`, of m in all. */
@inline
export function rowsOfGroup(first: i32, m: i32): i32 {
  return min(ROW_GROUP, m - first);
}

/** Relaxed: two rows of four i16 as bytes, |hi r0|lo r0|hi r1|lo r1|. */
@inline
function highAndLow(v: v128): v128 {
  const h = i16x8.add(i16x8.shr_s(v, 7), i16x8.splat(64));
  const b = i8x16.narrow_i16x8_u(h, v128.and(v, i16x8.splat(127))); // |hi r0|hi r1|lo r0|lo r1|
  return v128.shuffle<i32>(b, b, 0, 2, 1, 3);
}

/** Stores k..k+3 of row `r` in a group of `rows` rows; the values are the low four i16 lanes of v. */
@inline
export function storeQuad(group: usize, rows: i32, r: i32, k: i32, v: v128): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const p = group + <usize>(((k >> 2) * rows + r) << 3);
    v128.store_lane<u64>(p, highAndLow(v), 0);
  } else {
    const p = group + <usize>(((k >> 1) * rows + r) << 2);
    v128.store_lane<u32>(p, v, 0);
    v128.store_lane<u32>(p + (<usize>rows << 2), v, 1);
  }
}

/** Stores k..k+3 of all rows of a full group: a = rows 0 and 1 (k0..k3 each), b = rows 2 and 3, c = row 4, as i16. */
@inline
function storeFullGroup(p: usize, a: v128, b: v128, c: v128): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    v128.store(p, highAndLow(a));
    v128.store(p, highAndLow(b), 16);
    v128.store_lane<u64>(p, highAndLow(c), 0, 32);
  } else {
    v128.store(p, v128.shuffle<i32>(a, b, 0, 2, 4, 6)); // |r0 k0 k1|r1 k0 k1|r2 k0 k1|r3 k0 k1|
    v128.store_lane<u32>(p, c, 0, 16); // |r4 k0 k1|
    v128.store(p, v128.shuffle<i32>(a, b, 1, 3, 5, 7), 20); // |r0 k2 k3|...
    v128.store_lane<u32>(p, c, 1, 36);
  }
}

/** Largest magnitude of x[0..k), k a multiple of 4. */
export function rowMaximum(x: usize, k: i32): f32 {
  let m = f32x4.splat(0);
  const end = x + (<usize>k << 2);
  while (x < end) {
    m = f32x4.pmax(m, f32x4.abs(v128.load(x)));
    x += 16;
  }
  return maxLanes(m);
}

/** A row's largest magnitude: from the GEMM that made it, or computed now. */
@inline
function largestOf(x: usize, k: i32, maxima: usize, row: usize): f32 {
  return maxima ? maxLanes(v128.load(maxima + row * MAXIMUM_BYTES)) : rowMaximum(x, k);
}

/** `bytes` bytes of five rows of f32 into a full group, given the inverses of their scales. */
export function quantizeFive(
  x0: usize, x1: usize, x2: usize, x3: usize, x4: usize, i0: f32, i1: f32, i2: f32, i3: f32, i4: f32,
  bytes: usize, group: usize,
): void {
  const magic = atRunTime(ROUND_MAGIC, i0);
  const v0 = f32x4.splat(i0);
  const v1 = f32x4.splat(i1);
  const v2 = f32x4.splat(i2);
  const v3 = f32x4.splat(i3);
  const v4 = f32x4.splat(i4);
  for (let o: usize = 0; o < bytes; o += 16) {
    const r0 = roundToInt(magic, f32x4.mul(v128.load(x0 + o), v0));
    const r1 = roundToInt(magic, f32x4.mul(v128.load(x1 + o), v1));
    const r2 = roundToInt(magic, f32x4.mul(v128.load(x2 + o), v2));
    const r3 = roundToInt(magic, f32x4.mul(v128.load(x3 + o), v3));
    const r4 = roundToInt(magic, f32x4.mul(v128.load(x4 + o), v4));
    storeFullGroup(group, i16x8.narrow_i32x4_s(r0, r1), i16x8.narrow_i32x4_s(r2, r3), i16x8.narrow_i32x4_s(r4, r4));
    group += 8 * ROW_GROUP;
  }
}

/** n f32 at x as values [at, at + n) of row r in a group of `rows` rows. */
export function quantizeOne(
  x: usize, inverse: f32, n: i32, group: usize, rows: i32, r: i32, at: i32,
): void {
  const magic = atRunTime(ROUND_MAGIC, inverse);
  const factor = f32x4.splat(inverse);
  for (let i = 0; i < n; i += 4) {
    const v = roundToInt(magic, f32x4.mul(v128.load(x + (<usize>i << 2)), factor));
    storeQuad(group, rows, r, at + i, i16x8.narrow_i32x4_s(v, v));
  }
}

/**
 * Quantizes `rows` (1..5) rows of k f32 at x, `stride` bytes apart, into one group; writes each row's scale.
 * maxima: the rows' maxima from gemmInt8, or 0.
 */
export function quantizeGroup(
  x: usize, stride: usize, rows: i32, k: i32, aMax: f32, group: usize, scale: usize, maxima: usize,
): void {
  if (rows == ROW_GROUP) {
    const x1 = x + stride;
    const x2 = x1 + stride;
    const x3 = x2 + stride;
    const x4 = x3 + stride;
    const i0 = quantizer(largestOf(x, k, maxima, 0), aMax, scale);
    const i1 = quantizer(largestOf(x1, k, maxima, 1), aMax, scale + 4);
    const i2 = quantizer(largestOf(x2, k, maxima, 2), aMax, scale + 8);
    const i3 = quantizer(largestOf(x3, k, maxima, 3), aMax, scale + 12);
    const i4 = quantizer(largestOf(x4, k, maxima, 4), aMax, scale + 16);
    quantizeFive(x, x1, x2, x3, x4, i0, i1, i2, i3, i4, <usize>k << 2, group);
    return;
  }
  for (let r = 0; r < rows; r++) {
    const inverse = quantizer(largestOf(x, k, maxima, r), aMax, scale + (<usize>r << 2));
    quantizeOne(x, inverse, k, group, rows, r, 0);
    x += stride;
  }
}

/** A row with a smaller maximum counts as zeros: the inverse of its scale would leave the f32 range. */
const TINY: f32 = 1e-30;

/** Stores the row's scale (largest / aMax) and returns its inverse; a row of zeros has scale 0. */
export function quantizer(largest: f32, aMax: f32, scale: usize): f32 {
  const some = largest >= TINY;
  store<f32>(scale, some ? largest / aMax : 0);
  return some ? aMax / largest : 0;
}

/** Packs m rows of k f32 at x (`stride` bytes apart) as i16 with a scale a row. maxima: from gemmInt8, or 0. */
export function quantizeRows(
  x: usize, stride: usize, m: i32, k: i32, aMax: f32, out: usize, scale: usize, maxima: usize,
): void {
  assert(m > 0 && k > 0 && k % 4 == 0 && aMax > 0 && aMax <= <f32>ACTIVATION_MAX);
  for (let i = 0; i < m; i += ROW_GROUP) {
    quantizeGroup(x, stride, rowsOfGroup(i, m), k, aMax, out, scale, maxima);
    if (maxima) maxima += <usize>ROW_GROUP * MAXIMUM_BYTES;
    x += stride * ROW_GROUP;
    out += groupStride(k);
    scale += 4 * ROW_GROUP;
  }
}

/** Packs `rows` (1..5) rows of k f32 at x, `stride` bytes apart, into one f32 group. */
export function packGroup(x: usize, stride: usize, rows: i32, k: i32, group: usize): void {
  const bytes = <usize>k << 2;
  if (rows == ROW_GROUP) {
    const x1 = x + stride;
    const x2 = x1 + stride;
    const x3 = x2 + stride;
    packFive(x, x1, x2, x3, x3 + stride, bytes, group);
    return;
  }
  for (let r = 0; r < rows; r++) {
    packOne(x, bytes, group + (<usize>r << 2), <usize>rows << 2);
    x += stride;
  }
}

/** `bytes` bytes of five rows of f32 into a full group. */
export function packFive(x0: usize, x1: usize, x2: usize, x3: usize, x4: usize, bytes: usize, group: usize): void {
  for (let o: usize = 0; o < bytes; o += 16) {
    const r0 = v128.load(x0 + o);
    const r1 = v128.load(x1 + o);
    const r2 = v128.load(x2 + o);
    const r3 = v128.load(x3 + o);
    const r4 = v128.load(x4 + o);
    const a = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5); // |r0 k0|r1 k0|r0 k1|r1 k1|
    const b = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
    const c = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
    const d = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
    v128.store(group, v128.shuffle<i64>(a, b, 0, 2)); // |r0 k0|r1 k0|r2 k0|r3 k0|
    v128.store_lane<u32>(group, r4, 0, 16);
    v128.store(group, v128.shuffle<i64>(a, b, 1, 3), 20);
    v128.store_lane<u32>(group, r4, 1, 36);
    v128.store(group, v128.shuffle<i64>(c, d, 0, 2), 40);
    v128.store_lane<u32>(group, r4, 2, 56);
    v128.store(group, v128.shuffle<i64>(c, d, 1, 3), 60);
    v128.store_lane<u32>(group, r4, 3, 76);
    group += 16 * ROW_GROUP;
  }
}

/** `bytes` bytes of a row of f32; its values in the group begin at p, `step` bytes apart. */
export function packOne(x: usize, bytes: usize, p: usize, step: usize): void {
  for (let o: usize = 0; o < bytes; o += 4) {
    store<f32>(p, load<f32>(x + o));
    p += step;
  }
}

/** Packs m rows of k f32 at x (`stride` bytes apart) as f32. */
export function packRows(x: usize, stride: usize, m: i32, k: i32, out: usize): void {
  assert(m > 0 && k > 0 && k % 4 == 0);
  for (let i = 0; i < m; i += ROW_GROUP) {
    packGroup(x, stride, rowsOfGroup(i, m), k, out);
    x += stride * ROW_GROUP;
    out += groupStrideF32(k);
  }
}
