// C[m, n] = A[m, k] B[k, n]: i16 activations by int8 weights in i32, exact.
//
// B lies in panels of 8 columns, k in pairs: [n/8][k/2][8][2] i8; A in packed rows (packed-rows.ts). The tile is in
// tile.ts, the relaxed build's in gemm-int8-relaxed.ts; with enough rows, Strassen's halves (strassen.ts) take two or four
// panels at once. Then the epilogue (epilogue.ts) turns the panels' sums, still in L1, into C.

import { GEMM_SUMS, MAXIMUM_BYTES, MODE_FIXED, PANEL_COLUMNS, ROW_GROUP, SUM_ROW_BYTES } from '../src/engine/contract';
import { finishPanel, prepareActivation } from './epilogue';
import { tileRelaxed } from './gemm-int8-relaxed';
import { groupStride, rowsOfGroup } from './packed-rows';
import { halvedGroups, levels, multiplyHalves, operandsBytes, rowBlock } from './strassen';
import { multiplyGroup } from './tile-int8';

function relaxed5(a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  tileRelaxed(5, a, b, bSum, k, acc);
}
function relaxed4(a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  tileRelaxed(4, a, b, bSum, k, acc);
}
function relaxed3(a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  tileRelaxed(3, a, b, bSum, k, acc);
}
function relaxed2(a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  tileRelaxed(2, a, b, bSum, k, acc);
}
function relaxed1(a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  tileRelaxed(1, a, b, bSum, k, acc);
}

/** Rows [from, rows) of the packed rows at a, by one panel; `from` a multiple of ROW_GROUP. */
@inline
function multiplyRows(mode: i32, a: usize, from: i32, rows: i32, b: usize, bSum: usize, k: i32, acc: usize): void {
  let group = a + <usize>(from / ROW_GROUP) * groupStride(k);
  for (let r = from; r < rows; r += ROW_GROUP) {
    const some = rowsOfGroup(r, rows);
    const sums = acc + <usize>r * SUM_ROW_BYTES;
    if (!ASC_FEATURE_RELAXED_SIMD) multiplyGroup(mode, some, group, b, k, sums);
    else if (some == 5) relaxed5(group, b, bSum, k, sums);
    else if (some == 4) relaxed4(group, b, bSum, k, sums);
    else if (some == 3) relaxed3(group, b, bSum, k, sums);
    else if (some == 2) relaxed2(group, b, bSum, k, sums);
    else relaxed1(group, b, bSum, k, sums);
    group += groupStride(k);
  }
}

/**
 * a: packed rows, aScale: f32[m], or 0 where the scale is folded into bScale; aHalves: what strassenRows made of the rows,
 * or 0; b: panels, bScale: f32[n], bSum: i32[n] sums of B's columns (relaxed build only), bias: f32[n] or 0. n a multiple of
 * 8, k of 4.
 * c: row i at c + i * ldc + floor(i / width) * gap bytes; columns in slabs of `slab` columns, `slabStride` bytes apart
 * (one slab of n columns is a matrix; a slab a head is what attention reads). mode: see epilogue.ts.
 * scratch: GEMM_SCRATCH_BYTES, and with aHalves GEMM_KEPT_BYTES_PER_K k more (engine/contract.ts). maxima: four f32 a row that get the row's
 * largest magnitude in one of them, or 0.
 */
export function gemmInt8(
  a: usize, aScale: usize, aHalves: usize, b: usize, bScale: usize, bSum: usize, bias: usize, m: i32, n: i32, k: i32,
  c: usize, ldc: usize, width: i32, gap: usize, slab: i32, slabStride: usize, mode: i32, scratch: usize, maxima: usize,
): void {
  assert(m > 0 && n > 0 && n % PANEL_COLUMNS == 0 && k > 0 && k % 4 == 0 && width > 0 && slab > 0 && slab % PANEL_COLUMNS == 0);
  const table = scratch;
  scratch += GEMM_SUMS;
  prepareActivation(mode, table);
  if (maxima) memory.fill(maxima, 0, <usize>m * MAXIMUM_BYTES);
  const cell: usize = mode & MODE_FIXED ? 16 : 32;
  const panel = <usize>k << 3;
  const block = rowBlock(m);
  for (let i = 0; i < m; i += block) {
    const rows = min(block, m - i);
    const groups = rows / ROW_GROUP;
    const level = aHalves ? levels(groups, k) : 0;
    const halved = halvedGroups(groups, level);
    const panelBytes = <usize>rows * SUM_ROW_BYTES;
    const lines = i / width;
    const line = i - lines * width;
    let bp = b;
    let done = 0;
    let slabBase = c + <usize>i * ldc + <usize>lines * gap;
    for (let j = 0; j < n; ) {
      const together = level > 0 && n - j >= 8 << level ? 1 << level : 1;
      if (together > 1) multiplyHalves(level, mode, halved, aHalves, bp, k, scratch, panelBytes);
      for (let p = 0; p < together; p++) {
        const acc = scratch + panelBytes * p;
        multiplyRows(mode, a, together > 1 ? halved * ROW_GROUP : 0, rows, bp, bSum + (<usize>j << 2), k, acc);
        const column = <usize>j << 2;
        finishPanel<i32>(mode, acc, rows, bScale + column, aScale, bias ? bias + column : 0,
          slabBase + (<usize>(done >> 3)) * cell, ldc, line, width, gap,
          maxima ? maxima + <usize>i * MAXIMUM_BYTES : 0, table);
        bp += panel;
        j += 8;
        done += 8;
        if (done == slab) {
          done = 0;
          slabBase += slabStride;
        }
      }
    }
    if (level > 0) aHalves += operandsBytes(groups, level, k);
    a += groupStride(k) * <usize>(block / ROW_GROUP);
    if (aScale) aScale += <usize>block << 2;
  }
}
