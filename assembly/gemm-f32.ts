// C[m, n] = A[m, k] B[k, n] in f32: multiply, then add, k ascending, one accumulator an element. Never fused, never
// reassociated: the sum of an element does not depend on the tile, the thread or the engine.
//
// B lies in panels of 8 columns: [n/8][k][8] f32; A in groups of 5 rows: [k][5] (packed-rows.ts). The tile is in tile.ts.

import { GEMM_SUMS, MODE_FIXED, MODE_SPLAT, PANEL_COLUMNS, ROW_BLOCK_F32, ROW_GROUP, SUM_ROW_BYTES } from '../src/engine/contract';
import { finishPanel, prepareActivation } from './epilogue';
import { groupStrideF32 } from './packed-rows';
import { VECTORS, tile } from './tile';

function tile5(a: usize, b: usize, k: i32, acc: usize): void {
  tile<f32>(5, false, VECTORS, a, b, 0, 0, k, acc, 0);
}
function tile5Splat(a: usize, b: usize, k: i32, acc: usize): void {
  tile<f32>(5, true, VECTORS, a, b, 0, 0, k, acc, 0);
}
function tile4(a: usize, b: usize, k: i32, acc: usize): void {
  tile<f32>(4, true, VECTORS, a, b, 0, 0, k, acc, 0);
}
function tile3(a: usize, b: usize, k: i32, acc: usize): void {
  tile<f32>(3, true, VECTORS, a, b, 0, 0, k, acc, 0);
}
function tile2(a: usize, b: usize, k: i32, acc: usize): void {
  tile<f32>(2, true, VECTORS, a, b, 0, 0, k, acc, 0);
}
function tile1(a: usize, b: usize, k: i32, acc: usize): void {
  tile<f32>(1, true, VECTORS, a, b, 0, 0, k, acc, 0);
}

/** As gemmInt8 (gemm-int8.ts), with f32 packed rows and f32 panels; n a multiple of 8, any k. */
export function gemmF32(
  a: usize, b: usize, bias: usize, m: i32, n: i32, k: i32,
  c: usize, ldc: usize, width: i32, gap: usize, slab: i32, slabStride: usize, mode: i32, scratch: usize,
): void {
  assert(m > 0 && n > 0 && n % PANEL_COLUMNS == 0 && k > 0 && width > 0 && slab > 0 && slab % PANEL_COLUMNS == 0);
  assert((mode & MODE_FIXED) == 0);
  const table = scratch;
  scratch += GEMM_SUMS;
  prepareActivation(mode, table);
  const group = groupStrideF32(k);
  const panel = <usize>k << 5;
  for (let i = 0; i < m; i += ROW_BLOCK_F32) {
    const rows = min(ROW_BLOCK_F32, m - i);
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
      for (; r >= ROW_GROUP; r -= ROW_GROUP) {
        if (mode & MODE_SPLAT) tile5Splat(ap, bp, k, acc);
        else tile5(ap, bp, k, acc);
        ap += group;
        acc += <usize>ROW_GROUP * SUM_ROW_BYTES;
      }
      if (r == 4) tile4(ap, bp, k, acc);
      else if (r == 3) tile3(ap, bp, k, acc);
      else if (r == 2) tile2(ap, bp, k, acc);
      else if (r == 1) tile1(ap, bp, k, acc);
      finishPanel<f32>(mode, scratch, rows, 0, 0, bias ? bias + (<usize>j << 2) : 0,
        slabBase + (<usize>done << 2), ldc, line, width, gap, 0, table);
      bp += panel;
      done += 8;
      if (done == slab) {
        done = 0;
        slabBase += slabStride;
      }
    }
    a += group * (ROW_BLOCK_F32 / ROW_GROUP);
  }
}
