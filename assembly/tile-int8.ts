// The int8 tiles (tile.ts) as functions. Strassen's products (strassen.ts) have differences of panels for B: they are made on
// the way of the first tile that needs them, and kept as i16 for the others.

import { DIFFERENCE, PANEL, SECOND_DIFFERENCE, SPLAT, VECTORS, tile } from './tile';

// Each tile is a function of its own: inlined into one loop over tiles, the engines run out of registers.

function panel5(a: usize, x: usize, k: i32, acc: usize): void {
  tile<i32>(5, false, PANEL, a, x, 0, 0, 0, k >> 1, acc, 0);
}
function panel5Splat(a: usize, x: usize, k: i32, acc: usize): void {
  tile<i32>(5, true, PANEL, a, x, 0, 0, 0, k >> 1, acc, 0);
}
function panel4(a: usize, x: usize, k: i32, acc: usize): void {
  tile<i32>(4, true, PANEL, a, x, 0, 0, 0, k >> 1, acc, 0);
}
function panel3(a: usize, x: usize, k: i32, acc: usize): void {
  tile<i32>(3, true, PANEL, a, x, 0, 0, 0, k >> 1, acc, 0);
}
function panel2(a: usize, x: usize, k: i32, acc: usize): void {
  tile<i32>(2, true, PANEL, a, x, 0, 0, 0, k >> 1, acc, 0);
}
function panel1(a: usize, x: usize, k: i32, acc: usize): void {
  tile<i32>(1, true, PANEL, a, x, 0, 0, 0, k >> 1, acc, 0);
}
function kept5(a: usize, x: usize, k: i32, acc: usize): void {
  tile<i32>(5, false, VECTORS, a, x, 0, 0, 0, k >> 1, acc, 0);
}
function kept5Splat(a: usize, x: usize, k: i32, acc: usize): void {
  tile<i32>(5, true, VECTORS, a, x, 0, 0, 0, k >> 1, acc, 0);
}
function difference5(a: usize, x: usize, y: usize, k: i32, acc: usize, kept: usize): void {
  tile<i32>(5, false, DIFFERENCE, a, x, y, 0, 0, k >> 1, acc, kept);
}
function difference5Splat(a: usize, x: usize, y: usize, k: i32, acc: usize, kept: usize): void {
  tile<i32>(5, true, DIFFERENCE, a, x, y, 0, 0, k >> 1, acc, kept);
}
function second5(a: usize, x: usize, y: usize, z: usize, w: usize, k: i32, acc: usize, kept: usize): void {
  tile<i32>(5, false, SECOND_DIFFERENCE, a, x, y, z, w, k >> 1, acc, kept);
}
function second5Splat(a: usize, x: usize, y: usize, z: usize, w: usize, k: i32, acc: usize, kept: usize): void {
  tile<i32>(5, true, SECOND_DIFFERENCE, a, x, y, z, w, k >> 1, acc, kept);
}

/** A group of `rows` (1..5) rows by a panel. */
@inline
export function multiplyGroup(mode: i32, rows: i32, a: usize, panel: usize, k: i32, acc: usize): void {
  if (rows == 5) {
    if (mode & SPLAT) panel5Splat(a, panel, k, acc);
    else panel5(a, panel, k, acc);
  } else if (rows == 4) panel4(a, panel, k, acc);
  else if (rows == 3) panel3(a, panel, k, acc);
  else if (rows == 2) panel2(a, panel, k, acc);
  else panel1(a, panel, k, acc);
}

/** A group of five rows by x - y, or by (x - y) - (z - w) where z is not 0; `kept` gets the difference, i16 [k/2][8][2]. */
@inline
export function multiplyDifference(
  mode: i32, a: usize, x: usize, y: usize, z: usize, w: usize, k: i32, acc: usize, kept: usize,
): void {
  kept -= 2 * x;
  y -= x;
  if (z) {
    if (mode & SPLAT) second5Splat(a, x, y, z - x, w - x, k, acc, kept);
    else second5(a, x, y, z - x, w - x, k, acc, kept);
  } else {
    if (mode & SPLAT) difference5Splat(a, x, y, k, acc, kept);
    else difference5(a, x, y, k, acc, kept);
  }
}

/** A group of five rows by what an earlier tile kept. */
@inline
export function multiplyKept(mode: i32, a: usize, kept: usize, k: i32, acc: usize): void {
  if (mode & SPLAT) kept5Splat(a, kept, k, acc);
  else kept5(a, kept, k, acc);
}
