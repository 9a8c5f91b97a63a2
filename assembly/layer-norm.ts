// LayerNorm (Ba, Kiros & Hinton 2016): (x - mean) / sqrt(var + eps) * gamma + beta over a row, two passes.
// Sums run in four lanes (lane = index mod 4) and join as sumLanes does: the order never depends on the engine.

import { sumLanes } from './math';
import { GROUP, groupStride, groupStrideF32, packGroup, quantizeGroup, rowsOfGroup } from './packed-rows';

/** One row of k f32 (k a multiple of 4) from x to y; y may be x. */
@inline
function normalizeRow(x: usize, gamma: usize, beta: usize, eps: f32, k: i32, y: usize): void {
  const bytes = <usize>k << 2;
  let sum = f32x4.splat(0);
  for (let o: usize = 0; o < bytes; o += 16) sum = f32x4.add(sum, v128.load(x + o));
  const mean = f32x4.splat(sumLanes(sum) / <f32>k);
  let square = f32x4.splat(0);
  for (let o: usize = 0; o < bytes; o += 16) {
    const d = f32x4.sub(v128.load(x + o), mean);
    square = f32x4.add(square, f32x4.mul(d, d));
  }
  const scale = f32x4.splat(1 / sqrt<f32>(sumLanes(square) / <f32>k + eps));
  for (let o: usize = 0; o < bytes; o += 16) {
    const d = f32x4.mul(f32x4.sub(v128.load(x + o), mean), scale);
    v128.store(y + o, f32x4.add(f32x4.mul(d, v128.load(gamma + o)), v128.load(beta + o)));
  }
}

/** `rows` rows, `stride` bytes apart, to dense rows at y. */
@inline
function normalizeRows(x: usize, stride: usize, rows: i32, gamma: usize, beta: usize, eps: f32, k: i32, y: usize): void {
  for (let r = 0; r < rows; r++) {
    normalizeRow(x, gamma, beta, eps, k, y);
    x += stride;
    y += <usize>k << 2;
  }
}

/** Rows of k f32, `stride` bytes apart, in place. */
export function layerNorm(x: usize, stride: usize, m: i32, k: i32, gamma: usize, beta: usize, eps: f32): void {
  for (let i = 0; i < m; i++) {
    normalizeRow(x, gamma, beta, eps, k, x);
    x += stride;
  }
}

/** LayerNorm and quantization in one pass: m rows to packed i16 rows. scratch: 5 rows of k f32, which stay in L1. */
export function layerNormQuantize(
  x: usize, stride: usize, m: i32, k: i32, gamma: usize, beta: usize, eps: f32, aMax: f32,
  out: usize, scale: usize, scratch: usize,
): void {
  const row = <usize>k << 2;
  for (let i = 0; i < m; i += GROUP) {
    const rows = rowsOfGroup(i, m);
    normalizeRows(x, stride, rows, gamma, beta, eps, k, scratch);
    x += stride * GROUP;
    quantizeGroup(scratch, row, rows, k, aMax, out, scale, 0);
    out += groupStride(k);
    scale += 4 * GROUP;
  }
}

/** LayerNorm to packed f32 rows. scratch: 5 rows of k f32. */
export function layerNormPack(
  x: usize, stride: usize, m: i32, k: i32, gamma: usize, beta: usize, eps: f32, out: usize, scratch: usize,
): void {
  const row = <usize>k << 2;
  for (let i = 0; i < m; i += GROUP) {
    const rows = rowsOfGroup(i, m);
    normalizeRows(x, stride, rows, gamma, beta, eps, k, scratch);
    x += stride * GROUP;
    packGroup(scratch, row, rows, k, out);
    out += groupStrideF32(k);
  }
}
