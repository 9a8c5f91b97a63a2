// LayerNorm (Ba, Kiros & Hinton 2016): (x - mean) / sqrt(var + eps) * gamma + beta over a row, two passes.
// Sums run in four lanes (lane = index mod 4) and join as sumLanes does: the order depends neither on the engine nor on how
// many rows are summed at once.

import { ACTIVATION_MAX, MAXIMUM_BYTES, ROW_GROUP } from '../src/engine/contract';
import { sumLanes } from './math';
import { groupStride, groupStrideF32, packGroup, quantizeGroup, rowsOfGroup } from './packed-rows';

/** A row's mean, from its sum. */
@inline
function meanOf(sum: v128, k: i32): v128 {
  return f32x4.splat(sumLanes(sum) / <f32>k);
}

/** 1 / sqrt(var + eps), from a row's sum of squares. */
@inline
function scaleOf(squares: v128, k: i32, eps: f32): v128 {
  return f32x4.splat(1 / sqrt<f32>(sumLanes(squares) / <f32>k + eps));
}

/** (x - mean)^2 of a vector at x. */
@inline
function squareOf(x: usize, mean: v128): v128 {
  const d = f32x4.sub(v128.load(x), mean);
  return f32x4.mul(d, d);
}

/** A row of `bytes` bytes, its mean and scale known, from x to y; y may be x. Returns its largest magnitudes, lane by lane. */
@inline
function normalizeRow(x: usize, mean: v128, scale: v128, gamma: usize, beta: usize, bytes: usize, y: usize): v128 {
  let most = f32x4.splat(0);
  for (let o: usize = 0; o < bytes; o += 16) {
    const d = f32x4.mul(f32x4.sub(v128.load(x + o), mean), scale);
    const v = f32x4.add(f32x4.mul(d, v128.load(gamma + o)), v128.load(beta + o));
    v128.store(y + o, v);
    most = f32x4.pmax(most, f32x4.abs(v));
  }
  return most;
}

/**
 * `rows` (1..5) rows of k f32 (k a multiple of 4), `stride` bytes apart at x, to rows at y, `strideY` bytes apart; y may be x.
 * Five rows are summed at once, as a single sum would wait for its own additions; missing rows repeat the first one.
 * maxima: where the rows' largest magnitudes go, four lanes a row, or 0.
 */
function normalizeGroup(
  x: usize, stride: usize, rows: i32, gamma: usize, beta: usize, eps: f32, k: i32, y: usize, strideY: usize, maxima: usize,
): void {
  const bytes = <usize>k << 2;
  const x1 = rows > 1 ? x + stride : x;
  const x2 = rows > 2 ? x + stride * 2 : x;
  const x3 = rows > 3 ? x + stride * 3 : x;
  const x4 = rows > 4 ? x + stride * 4 : x;
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0;
  for (let o: usize = 0; o < bytes; o += 16) {
    s0 = f32x4.add(s0, v128.load(x + o));
    s1 = f32x4.add(s1, v128.load(x1 + o));
    s2 = f32x4.add(s2, v128.load(x2 + o));
    s3 = f32x4.add(s3, v128.load(x3 + o));
    s4 = f32x4.add(s4, v128.load(x4 + o));
  }
  const m0 = meanOf(s0, k), m1 = meanOf(s1, k), m2 = meanOf(s2, k), m3 = meanOf(s3, k), m4 = meanOf(s4, k);
  let q0 = f32x4.splat(0), q1 = q0, q2 = q0, q3 = q0, q4 = q0;
  for (let o: usize = 0; o < bytes; o += 16) {
    q0 = f32x4.add(q0, squareOf(x + o, m0));
    q1 = f32x4.add(q1, squareOf(x1 + o, m1));
    q2 = f32x4.add(q2, squareOf(x2 + o, m2));
    q3 = f32x4.add(q3, squareOf(x3 + o, m3));
    q4 = f32x4.add(q4, squareOf(x4 + o, m4));
  }
  for (let r = 0; r < rows; r++) {
    const mean = r == 0 ? m0 : r == 1 ? m1 : r == 2 ? m2 : r == 3 ? m3 : m4;
    const square = r == 0 ? q0 : r == 1 ? q1 : r == 2 ? q2 : r == 3 ? q3 : q4;
    const most = normalizeRow(x, mean, scaleOf(square, k, eps), gamma, beta, bytes, y);
    if (maxima) v128.store(maxima + <usize>r * MAXIMUM_BYTES, most);
    x += stride;
    y += strideY;
  }
}

/** Rows of k f32, `stride` bytes apart, in place. */
export function layerNorm(x: usize, stride: usize, m: i32, k: i32, gamma: usize, beta: usize, eps: f32): void {
  assert(m > 0 && k > 0 && k % 4 == 0 && eps >= 0);
  for (let i = 0; i < m; i += ROW_GROUP) {
    normalizeGroup(x, stride, rowsOfGroup(i, m), gamma, beta, eps, k, x, stride, 0);
    x += stride * ROW_GROUP;
  }
}

/** LayerNorm and quantization in one pass: m rows to packed i16 rows. scratch: 5 rows of k f32, which stay in L1, and 80 bytes. */
export function layerNormQuantize(
  x: usize, stride: usize, m: i32, k: i32, gamma: usize, beta: usize, eps: f32, aMax: f32,
  out: usize, scale: usize, scratch: usize,
): void {
  assert(m > 0 && k > 0 && k % 4 == 0 && eps >= 0 && aMax > 0 && aMax <= <f32>ACTIVATION_MAX);
  const row = <usize>k << 2;
  const maxima = scratch;
  const normalized = scratch + <usize>ROW_GROUP * MAXIMUM_BYTES;
  for (let i = 0; i < m; i += ROW_GROUP) {
    const rows = rowsOfGroup(i, m);
    normalizeGroup(x, stride, rows, gamma, beta, eps, k, normalized, row, maxima);
    x += stride * ROW_GROUP;
    quantizeGroup(normalized, row, rows, k, aMax, out, scale, maxima);
    out += groupStride(k);
    scale += 4 * ROW_GROUP;
  }
}

/** LayerNorm to packed f32 rows. scratch: 5 rows of k f32. */
export function layerNormPack(
  x: usize, stride: usize, m: i32, k: i32, gamma: usize, beta: usize, eps: f32, out: usize, scratch: usize,
): void {
  assert(m > 0 && k > 0 && k % 4 == 0 && eps >= 0);
  const row = <usize>k << 2;
  for (let i = 0; i < m; i += ROW_GROUP) {
    const rows = rowsOfGroup(i, m);
    normalizeGroup(x, stride, rows, gamma, beta, eps, k, scratch, row, 0);
    x += stride * ROW_GROUP;
    packGroup(scratch, row, rows, k, out);
    out += groupStrideF32(k);
  }
}
