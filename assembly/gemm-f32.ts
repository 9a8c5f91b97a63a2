// C[m, n] = A[m, k] B[k, n] in f32: multiply, then add, k ascending, one accumulator an element. Never fused, never
// reassociated: the sum of an element does not depend on the tile, the thread or the engine.
//
// B stands in panels of 8 columns: [n/8][k][8] f32; A in groups of 4 rows: [k][4] (packed-rows.ts).
//
//   b0 |c0|c1|c2|c3|  b1 |c4|c5|c6|c7|     a |r|r|r|r| one load32_splat a row, or a shuffle of |r0|r1|r2|r3|
//
// Tile: f32, 4x8, f32x4.mul + f32x4.add, in the two forms of the int8 tile (tile-int8.ts).

import { ACC_ROW, finishPanel, prepareActivation } from './epilogue';
import { TABLE_BYTES } from './math';
import { SPLAT } from './tile-int8';

/** Rows that share a pass over B's panels: 64 rows of k = 768 are 192 kB, which stays in L2 beside one panel. */
const ROW_BLOCK: i32 = 64;

@inline
function mac(acc: v128, a: v128, b: v128): v128 {
  return f32x4.add(acc, f32x4.mul(a, b));
}

@inline
function tile(mr: i32, splat: bool, a: usize, b: usize, k: i32, acc: usize): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0), c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0), c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  const end = b + (<usize>k << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const rows = splat ? b0 : v128.load(a);
    let r = splat ? v128.load_splat<u32>(a) : v128.shuffle<i32>(rows, rows, 0, 0, 0, 0);
    c00 = mac(c00, r, b0);
    c01 = mac(c01, r, b1);
    if (mr > 1) {
      r = splat ? v128.load_splat<u32>(a, 4) : v128.shuffle<i32>(rows, rows, 1, 1, 1, 1);
      c10 = mac(c10, r, b0);
      c11 = mac(c11, r, b1);
    }
    if (mr > 2) {
      r = splat ? v128.load_splat<u32>(a, 8) : v128.shuffle<i32>(rows, rows, 2, 2, 2, 2);
      c20 = mac(c20, r, b0);
      c21 = mac(c21, r, b1);
    }
    if (mr > 3) {
      r = splat ? v128.load_splat<u32>(a, 12) : v128.shuffle<i32>(rows, rows, 3, 3, 3, 3);
      c30 = mac(c30, r, b0);
      c31 = mac(c31, r, b1);
    }
    a += 4 * mr;
    b += 32;
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

function tile4(a: usize, b: usize, k: i32, acc: usize): void {
  tile(4, false, a, b, k, acc);
}
function tile4Splat(a: usize, b: usize, k: i32, acc: usize): void {
  tile(4, true, a, b, k, acc);
}
function tile3(a: usize, b: usize, k: i32, acc: usize): void {
  tile(3, true, a, b, k, acc);
}
function tile2(a: usize, b: usize, k: i32, acc: usize): void {
  tile(2, true, a, b, k, acc);
}
function tile1(a: usize, b: usize, k: i32, acc: usize): void {
  tile(1, true, a, b, k, acc);
}

/** As gemmInt8 (gemm-int8.ts), with f32 packed rows and f32 panels; n a multiple of 8, any k. */
export function gemmF32(
  a: usize, b: usize, bias: usize, m: i32, n: i32, k: i32,
  c: usize, ldc: usize, width: i32, gap: usize, slab: i32, slabStride: usize, mode: i32, scratch: usize,
): void {
  const table = scratch;
  scratch += TABLE_BYTES;
  prepareActivation(mode, table);
  const group = <usize>k << 4;
  const panel = <usize>k << 5;
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
        if (mode & SPLAT) tile4Splat(ap, bp, k, acc);
        else tile4(ap, bp, k, acc);
        ap += group;
        acc += 4 * ACC_ROW;
      }
      if (r == 3) tile3(ap, bp, k, acc);
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
    a += group * (ROW_BLOCK / 4);
  }
}
