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
// The signs of B12, B22, C12 and C22 are turned, so that B needs differences alone. The parts of B are first read as they lie in
// memory, which is how a processor fetches weights in time.
//
// One level takes two panels of eight columns, two levels take four and make 49 products for 64. The left operands are made
// once for all columns (strassenRows), the right ones in the tile that first needs them, which keeps them for the others (tile.ts).
// At two levels that is a tile of product M0..M6 of the halves, of one group that the second level leaves out: halves have an
// odd number of groups. So the products of the quarters find their B as i16 and take a part of it or the difference of two.

import { ACC_ROW } from './epilogue';
import { GROUP, groupStride } from './packed-rows';
import { multiplyAndKeep, multiplyKept, multiplyKeptLess } from './tile-int8';

/** Rows that share a pass over B's panels: 130 rows of k = 768 are 200 kB, which stays in L2 beside some panels. */
const ROW_BLOCK: i32 = 26 * GROUP;
/** Two levels halve two groups more than a multiple of four: quarters, and an odd group of either half. */
const QUARTERED: i32 = 4 * GROUP;
const ODD: i32 = 2 * GROUP;

/** Bytes of a group's sums by one panel. */
const GROUP_SUMS: usize = <usize>GROUP * ACC_ROW;

/** Rows a block when m rows are cut evenly into the fewest blocks of at most ROW_BLOCK: as many as two levels can halve. */
export function rowBlock(m: i32): i32 {
  const blocks = (m + ROW_BLOCK - 1) / ROW_BLOCK;
  const rows = (m + blocks - 1) / blocks;
  return (rows + QUARTERED - ODD - 1) / QUARTERED * QUARTERED + ODD;
}

/**
 * How often `groups` groups of five rows of k are worth halving: the tiles of a product share the cost of its differences and
 * of joining it, so there must be some, and they must be long (bench/README.md). A part of a group is made of whole vectors.
 * engine/arithmetic.ts has the same numbers.
 */
export function levels(groups: i32, k: i32): i32 {
  if (ASC_FEATURE_RELAXED_SIMD || groups < 5 || k < 256 || k & 15) return 0;
  return groups >= 10 && k >= 512 && (k & 31) == 0 ? 2 : 1;
}

/** Groups that the halves cover; the rest is multiplied plainly. */
@inline
export function halvedGroups(groups: i32, level: i32): i32 {
  if (level == 2) return ((groups - 2) & ~3) + 2;
  return level == 1 ? groups & ~1 : 0;
}

/** Bytes of the left operands of one product of seven: at two levels the odd group's, and those of the seven products in it. */
@inline
function operandBytes(groups: i32, level: i32, k: i32): usize {
  const half = groups >> 1;
  const bytes = groupStride(k) >> 1;
  if (level == 1) return <usize>half * bytes;
  return bytes + 7 * <usize>(half >> 1) * (bytes >> 1);
}

/** Bytes of all left operands of a block. */
@inline
export function operandsBytes(groups: i32, level: i32, k: i32): usize {
  return 7 * operandBytes(halvedGroups(groups, level), level, k);
}

// Quadrants have numbers: 0 is 11, 1 is 12, 2 is 21, 3 is 22. A digit a product, M0's the lowest; 4: there is no second one.
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

/** One vector of (x + y) + (z + w), each + a - where it is said so. */
@inline
function addFour(inner: bool, outer: bool, x: usize, y: usize, z: usize, w: usize): v128 {
  return signed(outer, signed(inner, v128.load(x), v128.load(y)), signed(inner, v128.load(z), v128.load(w)));
}

/** x + y or x - y of i16, five vectors a turn: half of a group of five rows is 5 k bytes, a quarter 5/2 k (`levels` asks for such k). */
@inline
function addAll(minus: bool, x: usize, y: usize, bytes: usize, out: usize): void {
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

function addRows(x: usize, y: usize, subtract: bool, bytes: usize, out: usize): void {
  if (!y) memory.copy(out, x, bytes);
  else if (subtract) addAll(true, x, y, bytes, out);
  else addAll(false, x, y, bytes, out);
}

@inline
function addAllFour(inner: bool, outer: bool, x: usize, y: usize, z: usize, w: usize, bytes: usize, out: usize): void {
  const end = x + bytes;
  while (x < end) {
    v128.store(out, addFour(inner, outer, x, y, z, w));
    v128.store(out, addFour(inner, outer, x + 16, y + 16, z + 16, w + 16), 16);
    v128.store(out, addFour(inner, outer, x + 32, y + 32, z + 32, w + 32), 32);
    v128.store(out, addFour(inner, outer, x + 48, y + 48, z + 48, w + 48), 48);
    v128.store(out, addFour(inner, outer, x + 64, y + 64, z + 64, w + 64), 64);
    x += 80;
    y += 80;
    z += 80;
    w += 80;
    out += 80;
  }
}

/** (x + y) + (z + w) of i16, with a sign for y and w and one for the second pair. */
function addFourRows(
  x: usize, y: usize, z: usize, w: usize, inner: bool, outer: bool, bytes: usize, out: usize,
): void {
  if (outer) {
    if (inner) addAllFour(true, true, x, y, z, w, bytes, out);
    else addAllFour(false, true, x, y, z, w, bytes, out);
  } else {
    if (inner) addAllFour(true, false, x, y, z, w, bytes, out);
    else addAllFour(false, false, x, y, z, w, bytes, out);
  }
}

/** Left operands of product p at one level, of groups [from, half) of either half: packed rows of k/2. */
function halveOnce(a: usize, p: i32, from: i32, half: i32, k: i32, out: usize): void {
  const stride = groupStride(k);
  const right = stride >> 1;
  const below = <usize>half * stride;
  const second = digit(A_SECOND, p);
  const x = a + quadrant(digit(A_FIRST, p), right, below);
  const y: usize = second == NONE ? 0 : a + quadrant(second, right, below);
  for (let g = from; g < half; g++) {
    const at = <usize>g * stride;
    addRows(x + at, y ? y + at : <usize>0, subtracts(p), right, out);
    out += right;
  }
}

/** Left operands of product p at two levels: of the odd group at one, then [7][half/2] groups of k/4. */
function halveTwice(a: usize, p: i32, half: i32, k: i32, out: usize): void {
  const stride = groupStride(k);
  const right = stride >> 1;
  const below = <usize>half * stride;
  const bytes = right >> 1;
  const quarter = half >> 1;
  halveOnce(a, p, half - 1, half, k, out);
  out += right;
  const second = digit(A_SECOND, p);
  const x = a + quadrant(digit(A_FIRST, p), right, below);
  const z: usize = second == NONE ? 0 : a + quadrant(second, right, below);
  for (let q = 0; q < 7; q++) {
    const first = quadrant(digit(A_FIRST, q), bytes, <usize>quarter * stride);
    const other = digit(A_SECOND, q);
    const last = quadrant(other, bytes, <usize>quarter * stride);
    for (let g = 0; g < quarter; g++) {
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
 * multiplies plainly. out: a block's operands after another's, at most 49/16 of the rows' bytes in all.
 */
export function strassenRows(a: usize, m: i32, k: i32, first: i32, count: i32, out: usize): void {
  const block = rowBlock(m);
  for (let i = 0; i < m; i += block) {
    const groups = min(block, m - i) / GROUP;
    const level = levels(groups, k);
    if (level > 0) {
      const halved = halvedGroups(groups, level);
      const half = halved >> 1;
      const step = operandBytes(halved, level, k);
      for (let p = first; p < first + count; p++) {
        if (level == 2) halveTwice(a, p, half, k, out + step * p);
        else halveOnce(a, p, 0, half, k, out + step * p);
      }
      out += operandsBytes(groups, level, k);
    }
    a += <usize>(block / GROUP) * groupStride(k);
  }
}

/** The halves of C from seven products, `stride` bytes apart; all of `bytes` bytes of i32. */
function joinHalves(m: usize, stride: usize, c11: usize, c12: usize, c21: usize, c22: usize, bytes: usize): void {
  const end = m + bytes;
  while (m < end) {
    const later = m + 3 * stride;
    const m0 = v128.load(m), m1 = v128.load(m + stride), m2 = v128.load(m + 2 * stride), m3 = v128.load(later);
    const m4 = v128.load(later + stride), m5 = v128.load(later + 2 * stride), m6 = v128.load(later + 3 * stride);
    v128.store(c11, i32x4.add(i32x4.add(m1, m3), i32x4.add(m4, m6)));
    v128.store(c12, i32x4.add(m3, m5));
    v128.store(c21, i32x4.add(m0, m1));
    v128.store(c22, i32x4.sub(i32x4.sub(m0, m2), i32x4.sub(m4, m5)));
    m += 16;
    c11 += 16;
    c12 += 16;
    c21 += 16;
    c22 += 16;
  }
}

/** Scratch: accumulators of four panels, then the products of the first level, of the second, and the parts of B kept. */
const PRODUCTS: usize = 4 * <usize>ROW_BLOCK * ACC_ROW;
const SECOND_PRODUCTS: usize = PRODUCTS + 7 * <usize>ROW_BLOCK * ACC_ROW;
const KEPT: usize = SECOND_PRODUCTS + 7 * <usize>(ROW_BLOCK / 4) * ACC_ROW;

/** Two panels at b of all rows of the halves: to acc and acc + panelBytes. */
function multiplyOnce(mode: i32, groups: i32, a: usize, b: usize, k: i32, scratch: usize, panelBytes: usize): void {
  const right = <usize>k << 3;
  const half = <usize>(groups >> 1) * GROUP_SUMS;
  const stride = groupStride(k) >> 1;
  for (let p = 0; p < 7; p++) {
    const second = digit(B_SECOND, p);
    const x = b + quadrant(digit(B_FIRST, p), right, right >> 1);
    const y: usize = second == NONE ? 0 : b + quadrant(second, right, right >> 1);
    const acc = scratch + PRODUCTS + half * p;
    multiplyAndKeep(mode, a, x, y, k >> 1, acc, scratch + KEPT);
    a += stride;
    for (let sums = acc + GROUP_SUMS; sums < acc + half; sums += GROUP_SUMS) {
      multiplyKept(mode, a, scratch + KEPT, k >> 1, sums);
      a += stride;
    }
  }
  joinHalves(scratch + PRODUCTS, half, scratch, scratch + panelBytes, scratch + half, scratch + panelBytes + half, half);
}

/** Four panels at b of all rows of the quarters: to acc and on, panelBytes apart. */
function multiplyTwice(mode: i32, groups: i32, a: usize, b: usize, k: i32, scratch: usize, panelBytes: usize): void {
  const panel = <usize>k << 3;
  const stride = groupStride(k) >> 2;
  const quarter = <usize>(groups >> 2) * GROUP_SUMS;
  const half = <usize>(groups >> 1) * GROUP_SUMS;
  const part = scratch + KEPT; // i16 [2 panels][k/4][8][2]: what product p multiplies by
  const difference = part + 2 * panel;
  for (let p = 0; p < 7; p++) {
    const second = digit(B_SECOND, p);
    const x = b + quadrant(digit(B_FIRST, p), panel * 2, panel >> 1);
    const y: usize = second == NONE ? 0 : b + quadrant(second, panel * 2, panel >> 1);
    const m = scratch + PRODUCTS + half * 2 * p; // [2 panels][half of the rows]
    for (let j: usize = 0; j < 2; j++) {
      const right = panel * j;
      multiplyAndKeep(mode, a, x + right, y ? y + right : <usize>0, k >> 1, m + half * j + quarter * 2, part + right);
    }
    a += stride * 2;
    for (let q = 0; q < 7; q++) {
      const first = part + quadrant(digit(B_FIRST, q), panel, panel >> 1);
      const other = digit(B_SECOND, q);
      const acc = scratch + SECOND_PRODUCTS + quarter * q;
      let sums = acc;
      if (other != NONE) {
        multiplyKeptLess(mode, a, first, part + quadrant(other, panel, panel >> 1), k >> 2, sums, difference);
        a += stride;
        sums += GROUP_SUMS;
      }
      const kept = other == NONE ? first : difference;
      for (; sums < acc + quarter; sums += GROUP_SUMS) {
        multiplyKept(mode, a, kept, k >> 2, sums);
        a += stride;
      }
    }
    joinHalves(scratch + SECOND_PRODUCTS, quarter, m, m + half, m + quarter, m + half + quarter, quarter);
  }
  for (let j = 0; j < 2; j++) {
    const left = scratch + panelBytes * j;
    const right = left + panelBytes * 2;
    joinHalves(scratch + PRODUCTS + half * j, half * 2, left, right, left + half, right + half, half);
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
