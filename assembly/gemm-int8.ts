// C[m, n] = A[m, k] B[k, n]: i16 activations by int8 weights in i32, exact.
//
// B stands in panels of 8 columns, k in pairs: [n/8][k/2][8][2] i8, so that one load8x8_s gives
//
//   b0 |c0 k0 k1|c1 k0 k1|c2 k0 k1|c3 k0 k1|      b1 the same for c4..c7
//   a  |r0 k0 k1|r1 k0 k1|r2 k0 k1|r3 k0 k1|      one load for four rows, each row spread by a shuffle
//   dot_i16x8_s(|r r r r|, b0): four i32 lanes, one a column, two products each
//
// Tile: i16 x i8 -> i32, 4x8, i32x4.dot_i16x8_s. 8 accumulators, 2 b, 1 a, 1 row, 1 product: 13 of the 15 vector registers
// that V8 gives; 5x8 spills on Node 20. One pointer each for A and B. There are two forms: a splat load a row is faster in
// Node, and slower where loads are checked (Deno) or splats are dear (JavaScriptCore), so the first calls find out
// which is better (engine/tile-trial.ts, bench/README.md). The sums are the same.

import { ACC_ROW, MAXIMUM_BYTES, finishPanel } from './epilogue';
import { tileRelaxed } from './gemm-int8-relaxed';
import { groupStride } from './packed-rows';

/** Rows that share a pass over B's panels: 64 rows of k = 768 are 96 kB, which stays in L2 beside one panel. */
export const ROW_BLOCK: i32 = 64;

@inline
function mac(acc: v128, a: v128, b: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(a, b));
}

/** Flag of `mode`: the tile with a splat load a row. */
const SPLAT: i32 = 16;

@inline
function tileSimd(mr: i32, splat: bool, a: usize, b: usize, k: i32, acc: usize): void {
  let c00 = i32x4.splat(0), c01 = i32x4.splat(0), c10 = i32x4.splat(0), c11 = i32x4.splat(0);
  let c20 = i32x4.splat(0), c21 = i32x4.splat(0), c30 = i32x4.splat(0), c31 = i32x4.splat(0);
  const end = b + (<usize>k << 3);
  while (b < end) {
    const b0 = v128.load_ext<i8>(b);
    const b1 = v128.load_ext<i8>(b, 8);
    if (mr == 4 && !splat) {
      const rows = v128.load(a);
      let r = v128.shuffle<i32>(rows, rows, 0, 0, 0, 0);
      c00 = mac(c00, r, b0);
      c01 = mac(c01, r, b1);
      r = v128.shuffle<i32>(rows, rows, 1, 1, 1, 1);
      c10 = mac(c10, r, b0);
      c11 = mac(c11, r, b1);
      r = v128.shuffle<i32>(rows, rows, 2, 2, 2, 2);
      c20 = mac(c20, r, b0);
      c21 = mac(c21, r, b1);
      r = v128.shuffle<i32>(rows, rows, 3, 3, 3, 3);
      c30 = mac(c30, r, b0);
      c31 = mac(c31, r, b1);
    } else {
      let r = v128.load_splat<u32>(a);
      c00 = mac(c00, r, b0);
      c01 = mac(c01, r, b1);
      if (mr > 1) {
        r = v128.load_splat<u32>(a, 4);
        c10 = mac(c10, r, b0);
        c11 = mac(c11, r, b1);
      }
      if (mr > 2) {
        r = v128.load_splat<u32>(a, 8);
        c20 = mac(c20, r, b0);
        c21 = mac(c21, r, b1);
      }
      if (mr > 3) {
        r = v128.load_splat<u32>(a, 12);
        c30 = mac(c30, r, b0);
        c31 = mac(c31, r, b1);
      }
    }
    a += 4 * mr;
    b += 16;
  }
  v128.store(acc, c00);
  v128.store(acc, c01, 16);
  if (mr > 1) {
    v128.store(acc, c10, 32);
    v128.store(acc, c11, 48);
  }
  if (mr > 2) {
    v128.store(acc, c20, 64);
    v128.store(acc, c21, 80);
  }
  if (mr > 3) {
    v128.store(acc, c30, 96);
    v128.store(acc, c31, 112);
  }
}

@inline
function tile(mr: i32, splat: bool, a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) tileRelaxed(mr, a, b, bSum, k, acc);
  else tileSimd(mr, splat, a, b, k, acc);
}

function tile4(a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  tile(4, false, a, b, bSum, k, acc);
}
function tile4Splat(a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  tile(4, true, a, b, bSum, k, acc);
}
function tile3(a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  tile(3, false, a, b, bSum, k, acc);
}
function tile2(a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  tile(2, false, a, b, bSum, k, acc);
}
function tile1(a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  tile(1, false, a, b, bSum, k, acc);
}

/**
 * a: packed rows (packed-rows.ts), aScale: f32[m], or 0 where the scale is folded into bScale; b: panels, bScale: f32[n],
 * bSum: i32[n] sums of B's columns (relaxed build only), bias: f32[n] or 0. n a multiple of 8, k of 4.
 * c: row i at c + i * ldc + floor(i / width) * gap bytes; columns in slabs of `slab` columns, `slabStride` bytes apart
 * (one slab of n columns is a matrix; a slab a head is what attention reads). mode: see epilogue.ts.
 * scratch: ROW_BLOCK * 32 bytes. maxima: four f32 a row that get the row's largest magnitude in one of them, or 0.
 */
export function gemmInt8(
  a: usize, aScale: usize, b: usize, bScale: usize, bSum: usize, bias: usize, m: i32, n: i32, k: i32,
  c: usize, ldc: usize, width: i32, gap: usize, slab: i32, slabStride: usize, mode: i32, scratch: usize, maxima: usize,
): void {
  if (maxima) memory.fill(maxima, 0, <usize>m * MAXIMUM_BYTES);
  const cell: usize = mode & 8 ? 16 : 32;
  const panel = <usize>k << 3;
  for (let i = 0; i < m; i += ROW_BLOCK) {
    const rows = min(ROW_BLOCK, m - i);
    const lines = i / width;
    const block = c + <usize>i * ldc + <usize>lines * gap;
    const line = i - lines * width;
    let bp = b;
    let done = 0;
    let slabBase = block;
    for (let j = 0; j < n; j += 8) {
      let ap = a;
      let acc = scratch;
      let r = rows;
      for (; r >= 4; r -= 4) {
        if (!ASC_FEATURE_RELAXED_SIMD && mode & SPLAT) tile4Splat(ap, bp, bSum, k, acc);
        else tile4(ap, bp, bSum, k, acc);
        ap += groupStride(k);
        acc += 4 * ACC_ROW;
      }
      if (r == 3) tile3(ap, bp, bSum, k, acc);
      else if (r == 2) tile2(ap, bp, bSum, k, acc);
      else if (r == 1) tile1(ap, bp, bSum, k, acc);
      const column = <usize>j << 2;
      finishPanel(true, mode, scratch, rows, bScale + column, aScale, bias ? bias + column : 0,
        slabBase + (<usize>(done >> 3)) * cell, ldc, line, width, gap,
        maxima ? maxima + <usize>i * MAXIMUM_BYTES : 0);
      bp += panel;
      bSum += 32;
      done += 8;
      if (done == slab) {
        done = 0;
        slabBase += slabStride;
      }
    }
    bSum -= <usize>n << 2;
    a += groupStride(k) * (ROW_BLOCK / 4);
    if (aScale) aScale += ROW_BLOCK * 4;
  }
}
