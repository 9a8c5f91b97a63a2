// Four rows by eight columns of i32 sums, in registers over all of k: what an int8 product is made of.
//
// B stands in panels of 8 columns, k in pairs: [k/2][8][2] i8, so that one load8x8_s gives
//
//   b0 |c0 k0 k1|c1 k0 k1|c2 k0 k1|c3 k0 k1|      b1 the same for c4..c7
//   a  |r0 k0 k1|r1 k0 k1|r2 k0 k1|r3 k0 k1|      one load for four rows, each row spread by a shuffle
//   dot_i16x8_s(|r r r r|, b0): four i32 lanes, one a column, two products each
//
// Tile: i16 x i8 -> i32, 4x8, i32x4.dot_i16x8_s. 8 accumulators, 2 b, 1 a, 1 row, 1 product: 13 of the 15 vector registers
// that V8 gives; 5x8 spills on Node 20. One pointer each for A and B. There are two forms: a splat load a row is faster in
// Node, and slower where loads are checked (Deno) or splats are dear (JavaScriptCore), so the first calls find out
// which is better (engine/tile-trial.ts, bench/README.md). The sums are the same.
//
// Strassen's products (strassen.ts) have differences of panels for B. They are made on the way of the first tile that needs
// them, and kept as i16 for the others.

/** Flag of `mode`: the form with a splat load a row. */
export const SPLAT: i32 = 16;

/** Where a tile's B comes from: a panel, the kept i16 of an earlier tile, x - y, or (x - y) - (z - w). */
const PANEL: i32 = 0;
const KEPT: i32 = 1;
const DIFFERENCE: i32 = 2;
const SECOND_DIFFERENCE: i32 = 3;

@inline
function mac(acc: v128, a: v128, b: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(a, b));
}

/** acc[mr][8] = the group of `mr` rows at a, times k lines of B; x..w are panels, `kept` gets the i16 of a difference. */
@inline
function tile(
  mr: i32, splat: bool, source: i32, a: usize, x: usize, y: usize, z: usize, w: usize, k: i32, acc: usize, kept: usize,
): void {
  let c00 = i32x4.splat(0), c01 = i32x4.splat(0), c10 = i32x4.splat(0), c11 = i32x4.splat(0);
  let c20 = i32x4.splat(0), c21 = i32x4.splat(0), c30 = i32x4.splat(0), c31 = i32x4.splat(0);
  const end = x + (<usize>k << (source == KEPT ? 4 : 3));
  while (x < end) {
    let b0 = source == KEPT ? v128.load(x) : v128.load_ext<i8>(x);
    let b1 = source == KEPT ? v128.load(x, 16) : v128.load_ext<i8>(x, 8);
    if (source == DIFFERENCE || source == SECOND_DIFFERENCE) {
      b0 = i16x8.sub(b0, v128.load_ext<i8>(y));
      b1 = i16x8.sub(b1, v128.load_ext<i8>(y, 8));
      y += 16;
      if (source == SECOND_DIFFERENCE) {
        b0 = i16x8.sub(b0, i16x8.sub(v128.load_ext<i8>(z), v128.load_ext<i8>(w)));
        b1 = i16x8.sub(b1, i16x8.sub(v128.load_ext<i8>(z, 8), v128.load_ext<i8>(w, 8)));
        z += 16;
        w += 16;
      }
      v128.store(kept, b0);
      v128.store(kept, b1, 16);
      kept += 32;
    }
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
    x += source == KEPT ? 32 : 16;
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

// Each tile is a function of its own: inlined into one loop over tiles, the engines run out of registers.

function panel4(a: usize, x: usize, k: i32, acc: usize): void {
  tile(4, false, PANEL, a, x, 0, 0, 0, k, acc, 0);
}
function panel4Splat(a: usize, x: usize, k: i32, acc: usize): void {
  tile(4, true, PANEL, a, x, 0, 0, 0, k, acc, 0);
}
function panel3(a: usize, x: usize, k: i32, acc: usize): void {
  tile(3, false, PANEL, a, x, 0, 0, 0, k, acc, 0);
}
function panel2(a: usize, x: usize, k: i32, acc: usize): void {
  tile(2, false, PANEL, a, x, 0, 0, 0, k, acc, 0);
}
function panel1(a: usize, x: usize, k: i32, acc: usize): void {
  tile(1, false, PANEL, a, x, 0, 0, 0, k, acc, 0);
}
function kept4(a: usize, x: usize, k: i32, acc: usize): void {
  tile(4, false, KEPT, a, x, 0, 0, 0, k, acc, 0);
}
function kept4Splat(a: usize, x: usize, k: i32, acc: usize): void {
  tile(4, true, KEPT, a, x, 0, 0, 0, k, acc, 0);
}
function difference4(a: usize, x: usize, y: usize, k: i32, acc: usize, kept: usize): void {
  tile(4, false, DIFFERENCE, a, x, y, 0, 0, k, acc, kept);
}
function difference4Splat(a: usize, x: usize, y: usize, k: i32, acc: usize, kept: usize): void {
  tile(4, true, DIFFERENCE, a, x, y, 0, 0, k, acc, kept);
}
function second4(a: usize, x: usize, y: usize, z: usize, w: usize, k: i32, acc: usize, kept: usize): void {
  tile(4, false, SECOND_DIFFERENCE, a, x, y, z, w, k, acc, kept);
}
function second4Splat(a: usize, x: usize, y: usize, z: usize, w: usize, k: i32, acc: usize, kept: usize): void {
  tile(4, true, SECOND_DIFFERENCE, a, x, y, z, w, k, acc, kept);
}

/** A group of `rows` (1..4) rows by a panel. */
@inline
export function multiplyGroup(mode: i32, rows: i32, a: usize, panel: usize, k: i32, acc: usize): void {
  if (rows == 4) {
    if (mode & SPLAT) panel4Splat(a, panel, k, acc);
    else panel4(a, panel, k, acc);
  } else if (rows == 3) panel3(a, panel, k, acc);
  else if (rows == 2) panel2(a, panel, k, acc);
  else panel1(a, panel, k, acc);
}

/** A group of four rows by x - y, or by (x - y) - (z - w) where z is not 0; `kept` gets the difference, i16 [k/2][8][2]. */
@inline
export function multiplyDifference(
  mode: i32, a: usize, x: usize, y: usize, z: usize, w: usize, k: i32, acc: usize, kept: usize,
): void {
  if (z) {
    if (mode & SPLAT) second4Splat(a, x, y, z, w, k, acc, kept);
    else second4(a, x, y, z, w, k, acc, kept);
  } else {
    if (mode & SPLAT) difference4Splat(a, x, y, k, acc, kept);
    else difference4(a, x, y, k, acc, kept);
  }
}

/** A group of four rows by what an earlier tile kept. */
@inline
export function multiplyKept(mode: i32, a: usize, kept: usize, k: i32, acc: usize): void {
  if (mode & SPLAT) kept4Splat(a, kept, k, acc);
  else kept4(a, kept, k, acc);
}
