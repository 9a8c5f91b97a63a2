// Strassen's algorithm (1969): a product of halves costs seven products instead of eight. In integers it is exact. Sums of
// four activations (4 * 8191 < 2^15) and of four weights fit i16, everything after that is taken modulo 2^32, and the true
// result fits an i32 (engine/numerics.ts): the bits are those of the plain product.
//
//   A = |A11 A12|  rows x halves of k        B = |B11 B12|  halves of k x panels        C likewise
//       |A21 A22|                                |B21 B22|
//
//   M0 = (A21 + A22)  B11
//   M1 =  A22        (B21 - B11)        C11 = M1 + M3 + M4 + M6
//   M2 = (A11 - A21) (B12 - B11)        C12 = M3 + M5
//   M3 = (A11 + A12)  B22               C21 = M0 + M1
//   M4 = (A11 + A22) (B11 - B22)        C22 = M0 - M2 - M4 + M5
//   M5 =  A11        (B12 - B22)
//   M6 = (A12 - A22) (B21 - B22)
//
// The signs of B12, B22, C12 and C22 are flipped, so that B needs differences only, and only ones that subtract B11 or B22, which
// M0 and M3 have kept as i16. The parts of B are first read in memory order, so that the hardware prefetches the weights.
//
// One level takes two panels of eight columns; two levels take four, with 49 products instead of 64. The left operands are
// computed once for all columns (strassenRows), the right ones in the tile that first needs them (tile.ts).

import {
  GEMM_KEPT, GEMM_PRODUCTS, GEMM_SECOND, GEMM_SUMS, HALVED_GROUPS, HALVED_K, HALVED_K_STEP, QUARTERED_GROUPS, QUARTERED_K, QUARTERED_K_STEP,
  ROW_BLOCK, ROW_GROUP, STRASSEN_PRODUCTS, SUM_ROW_BYTES,
} from '../src/engine/contract';
import { groupStride } from './packed-rows';
import { multiplyAndKeep, multiplyKept } from './tile-int8';

/** Rows of four groups, which two levels can halve. */
const QUARTERED: i32 = 4 * ROW_GROUP;

/** Bytes of a group's sums by one panel. */
const GROUP_SUMS: usize = <usize>ROW_GROUP * SUM_ROW_BYTES;

/** Rows a block when m rows are cut evenly into the fewest blocks of at most ROW_BLOCK: a multiple of QUARTERED. */
export function rowBlock(m: i32): i32 {
  const blocks = (m + ROW_BLOCK - 1) / ROW_BLOCK;
  const rows = (m + blocks - 1) / blocks;
  return (rows + QUARTERED - 1) / QUARTERED * QUARTERED;
}

/**
 * How many levels of halves pay for `groups` groups of five rows of k (engine/contract.ts). A part of a group is made of whole
 * vectors.
 */
export function levels(groups: i32, k: i32): i32 {
  if (ASC_FEATURE_RELAXED_SIMD || groups < HALVED_GROUPS || k < HALVED_K || k & (HALVED_K_STEP - 1)) return 0;
  return groups >= QUARTERED_GROUPS && k >= QUARTERED_K && (k & (QUARTERED_K_STEP - 1)) == 0 ? 2 : 1;
}

/** Groups that the halves cover; the others are multiplied directly. */
@inline
export function halvedGroups(groups: i32, level: i32): i32 {
  return (groups >> level) << level;
}

/** Bytes of one product's left operand, of `groups` groups in all. */
@inline
function operandBytes(groups: i32, level: i32, k: i32): usize {
  return <usize>(groups >> level) * (groupStride(k) >> level);
}

/** Bytes of all left operands of a block. */
@inline
export function operandsBytes(groups: i32, level: i32, k: i32): usize {
  return (level == 2 ? 49 : 7) * operandBytes(halvedGroups(groups, level), level, k);
}

// Quadrants by number: 0 is 11, 1 is 12, 2 is 21, 3 is 22. One hexadecimal digit for each product, M0's the lowest; 4: no second one.
const A_FIRST: i32 = 0x1000032;
const A_SECOND: i32 = 0x3431243;
const B_FIRST: i32 = 0x2103120;
const B_SECOND: i32 = 0x3334004;
const NONE: i32 = 4;

@inline
function digit(table: i32, product: i32): i32 {
  return (table >> (product << 2)) & 7;
}

/** M2 and M6 have a difference of A's quadrants, the others a sum. */
@inline
function subtracts(product: i32): bool {
  return product == 2 || product == 6;
}

/** Where a quadrant is, from the first one. */
@inline
function quadrant(number: i32, right: usize, below: usize): usize {
  return (number & 1 ? right : 0) + (number & 2 ? below : 0);
}

@inline
function signed(minus: bool, x: v128, y: v128): v128 {
  return minus ? i16x8.sub(x, y) : i16x8.add(x, y);
}

/** x + y or x - y of i16, five vectors an iteration: half of a group is a multiple of five (`levels` requires such k). */
@inline
function addFiveVectors(minus: bool, x: usize, y: usize, bytes: usize, out: usize): void {
  const end = x + bytes;
  while (x < end) {
    v128.store(out, signed(minus, v128.load(x), v128.load(y)));
    v128.store(out, signed(minus, v128.load(x, 16), v128.load(y, 16)), 16);
    v128.store(out, signed(minus, v128.load(x, 32), v128.load(y, 32)), 32);
    v128.store(out, signed(minus, v128.load(x, 48), v128.load(y, 48)), 48);
    v128.store(out, signed(minus, v128.load(x, 64), v128.load(y, 64)), 64);
    x += 80;
    y += 80;
    out += 80;
  }
}

/** x + y or x - y; x alone where y is 0. */
function addRows(x: usize, y: usize, subtract: bool, bytes: usize, out: usize): void {
  if (!y) memory.copy(out, x, bytes);
  else if (subtract) addFiveVectors(true, x, y, bytes, out);
  else addFiveVectors(false, x, y, bytes, out);
}

/** (x + y) + (z + w) of i16, with a sign for y and w and one for the second pair. */
function addFourRows(
  x: usize, y: usize, z: usize, w: usize, inner: bool, outer: bool, bytes: usize, out: usize,
): void {
  const first = i16x8.splat(inner ? -1 : 0);
  const second = i16x8.splat(outer ? -1 : 0);
  const end = x + bytes;
  while (x < end) {
    const xy = i16x8.add(v128.load(x), i16x8.sub(v128.xor(v128.load(y), first), first));
    const zw = i16x8.add(v128.load(z), i16x8.sub(v128.xor(v128.load(w), first), first));
    v128.store(out, i16x8.add(xy, i16x8.sub(v128.xor(zw, second), second)));
    x += 16;
    y += 16;
    z += 16;
    w += 16;
    out += 16;
  }
}

/** Left operands of product p of a block at one level: [groups/2][k/2] packed rows. */
function halveOnce(a: usize, p: i32, groups: i32, k: i32, out: usize): void {
  const stride = groupStride(k);
  const right = stride >> 1;
  const below = <usize>(groups >> 1) * stride;
  const second = digit(A_SECOND, p);
  const x = a + quadrant(digit(A_FIRST, p), right, below);
  const y: usize = second == NONE ? 0 : a + quadrant(second, right, below);
  for (let g = 0; g < groups >> 1; g++) {
    const at = <usize>g * stride;
    addRows(x + at, y ? y + at : <usize>0, subtracts(p), right, out);
    out += right;
  }
}

/** The seven left operands of product p of a block at two levels: [7][groups/4][k/4] packed rows. */
function halveTwice(a: usize, p: i32, groups: i32, k: i32, out: usize): void {
  const stride = groupStride(k);
  const right = stride >> 1;
  const below = <usize>(groups >> 1) * stride;
  const bytes = right >> 1;
  const second = digit(A_SECOND, p);
  const x = a + quadrant(digit(A_FIRST, p), right, below);
  const z: usize = second == NONE ? 0 : a + quadrant(second, right, below);
  for (let q = 0; q < 7; q++) {
    const first = quadrant(digit(A_FIRST, q), bytes, below >> 1);
    const other = digit(A_SECOND, q);
    const last = quadrant(other, bytes, below >> 1);
    for (let g = 0; g < groups >> 2; g++) {
      const at = <usize>g * stride;
      const x0 = x + first + at;
      if (other == NONE) addRows(x0, z ? z + first + at : <usize>0, subtracts(p), bytes, out);
      else if (!z) addRows(x0, x + last + at, subtracts(q), bytes, out);
      else addFourRows(x0, x + last + at, z + first + at, z + last + at, subtracts(q), subtracts(p), bytes, out);
      out += bytes;
    }
  }
}

/**
 * The left operands of the products that gemmInt8 makes of m packed rows of k, k a multiple of 4: products
 * [first, first + count) of seven, at one level or two as the rows of a block allow; nothing for so few rows that gemmInt8
 * multiplies directly. out: a block's operands after another's, at most 49/16 of the rows' bytes in all.
 */
export function strassenRows(a: usize, m: i32, k: i32, first: i32, count: i32, out: usize): void {
  assert(m > 0 && k > 0 && k % 4 == 0 && first >= 0 && first + count <= STRASSEN_PRODUCTS);
  const block = rowBlock(m);
  for (let i = 0; i < m; i += block) {
    const groups = min(block, m - i) / ROW_GROUP;
    const level = levels(groups, k);
    if (level > 0) {
      const halved = halvedGroups(groups, level);
      const step = operandBytes(halved, level, k) * (level == 2 ? 7 : 1);
      for (let p = first; p < first + count; p++) {
        if (level == 2) halveTwice(a, p, halved, k, out + step * p);
        else halveOnce(a, p, halved, k, out + step * p);
      }
      out += operandsBytes(groups, level, k);
    }
    a += <usize>(block / ROW_GROUP) * groupStride(k);
  }
}

/** The halves of C from seven products, `stride` bytes apart; all of `bytes` bytes of i32, rows of eight. */
function joinHalves(m: usize, stride: usize, c11: usize, c12: usize, c21: usize, c22: usize, bytes: usize): void {
  const end = m + bytes;
  while (m < end) {
    const p1 = m + stride, p2 = p1 + stride, p3 = p2 + stride, p4 = p3 + stride, p5 = p4 + stride, p6 = p5 + stride;
    let m0 = v128.load(m), m1 = v128.load(p1), m2 = v128.load(p2), m3 = v128.load(p3);
    let m4 = v128.load(p4), m5 = v128.load(p5), m6 = v128.load(p6);
    v128.store(c11, i32x4.add(i32x4.add(m1, m3), i32x4.add(m4, m6)));
    v128.store(c12, i32x4.add(m3, m5));
    v128.store(c21, i32x4.add(m0, m1));
    v128.store(c22, i32x4.sub(i32x4.sub(m0, m2), i32x4.sub(m4, m5)));
    m0 = v128.load(m, 16), m1 = v128.load(p1, 16), m2 = v128.load(p2, 16), m3 = v128.load(p3, 16);
    m4 = v128.load(p4, 16), m5 = v128.load(p5, 16), m6 = v128.load(p6, 16);
    v128.store(c11, i32x4.add(i32x4.add(m1, m3), i32x4.add(m4, m6)), 16);
    v128.store(c12, i32x4.add(m3, m5), 16);
    v128.store(c21, i32x4.add(m0, m1), 16);
    v128.store(c22, i32x4.sub(i32x4.sub(m0, m2), i32x4.sub(m4, m5)), 16);
    m += SUM_ROW_BYTES;
    c11 += SUM_ROW_BYTES;
    c12 += SUM_ROW_BYTES;
    c21 += SUM_ROW_BYTES;
    c22 += SUM_ROW_BYTES;
  }
}

/**
 * Product p of seven: `groups` groups of k values at a, by b less `panel` (where it is not 0) and less the part of B that
 * B_SECOND says. `kept`: room for three parts of k by eight i16: B11, B22, and what the other products are made of.
 */
@inline
function multiply(
  mode: i32, p: i32, groups: i32, a: usize, b: usize, panel: usize, k: i32, acc: usize, kept: usize,
): void {
  const size = <usize>k << 4;
  const second = digit(B_SECOND, p);
  const vectors: usize = second == NONE ? 0 : second == 0 ? kept : kept + size;
  if (p == 3) kept += size;
  else if (p != 0) kept += 2 * size;
  multiplyAndKeep(mode, a, b, panel, vectors, k, acc, kept);
  for (let g = 1; g < groups; g++) {
    a += groupStride(k);
    acc += GROUP_SUMS;
    multiplyKept(mode, a, kept, k, acc);
  }
}

/** From the sums, where `scratch` points, to the other parts of the scratch. */
const PRODUCTS: usize = GEMM_PRODUCTS - GEMM_SUMS;
const SECOND_PRODUCTS: usize = GEMM_SECOND - GEMM_SUMS;
const KEPT: usize = GEMM_KEPT - GEMM_SUMS;

/** Two panels at b of all rows of the halves: to acc and acc + panelBytes. */
function multiplyOnce(mode: i32, groups: i32, a: usize, b: usize, k: i32, scratch: usize, panelBytes: usize): void {
  const right = <usize>k << 3;
  const half = <usize>(groups >> 1) * GROUP_SUMS;
  for (let p = 0; p < 7; p++) {
    const part = b + quadrant(digit(B_FIRST, p), right, right >> 1);
    multiply(mode, p, groups >> 1, a, part, 0, k >> 1, scratch + PRODUCTS + half * p, scratch + KEPT);
    a += operandBytes(groups, 1, k);
  }
  joinHalves(scratch + PRODUCTS, half, scratch, scratch + panelBytes, scratch + half, scratch + panelBytes + half, half);
}

/** Four panels at b of all rows of the quarters: to acc and on, panelBytes apart. */
function multiplyTwice(mode: i32, groups: i32, a: usize, b: usize, k: i32, scratch: usize, panelBytes: usize): void {
  const panel = <usize>k << 3;
  const quarter = <usize>(groups >> 2) * GROUP_SUMS;
  const product = quarter * 4; // two panels of half of the rows
  for (let p = 0; p < 7; p++) {
    const second = digit(B_SECOND, p);
    const x = b + quadrant(digit(B_FIRST, p), panel * 2, panel >> 1);
    const y: usize = second == NONE ? 0 : b + quadrant(second, panel * 2, panel >> 1);
    for (let q = 0; q < 7; q++) {
      const part = quadrant(digit(B_FIRST, q), panel, panel >> 2);
      const acc = scratch + SECOND_PRODUCTS + quarter * q;
      multiply(mode, q, groups >> 2, a, x + part, y ? y + part : <usize>0, k >> 2, acc, scratch + KEPT);
      a += operandBytes(groups, 2, k);
    }
    const m = scratch + PRODUCTS + product * p; // [2 panels][half of the rows]
    joinHalves(scratch + SECOND_PRODUCTS, quarter, m, m + quarter * 2, m + quarter, m + quarter * 3, quarter);
  }
  const half = quarter * 2;
  for (let j = 0; j < 2; j++) {
    const left = scratch + panelBytes * j;
    const right = left + panelBytes * 2;
    joinHalves(scratch + PRODUCTS + half * j, product, left, right, left + half, right + half, half);
  }
}

/**
 * acc[2^level panels][rows][8] = the rows of `groups` groups, whose left operands are at a, by 2^level panels at b. The
 * accumulators are at scratch, panelBytes a panel, rows of eight i32.
 */
@inline
export function multiplyHalves(
  level: i32, mode: i32, groups: i32, a: usize, b: usize, k: i32, scratch: usize, panelBytes: usize,
): void {
  if (level == 2) multiplyTwice(mode, groups, a, b, k, scratch, panelBytes);
  else multiplyOnce(mode, groups, a, b, k, scratch, panelBytes);
}
