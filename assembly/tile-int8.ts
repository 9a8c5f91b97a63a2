// The int8 tiles (tile.ts) as functions. Strassen's products (strassen.ts) have panels and differences of panels for B: the
// first tile that needs one keeps it as i16 for the other tiles, and for later differences.

import { MODE_SPLAT } from '../src/engine/contract';
import { KEEP, LESS_PANEL, LESS_VECTORS, PANEL, VECTORS, tile } from './tile';

// Each tile is a function of its own: inlined into one loop over tiles, they make engines run out of registers.

function panel5(a: usize, b: usize, k: i32, acc: usize): void {
  tile<i32>(5, false, PANEL, a, b, 0, 0, k >> 1, acc, 0);
}
function panel5Splat(a: usize, b: usize, k: i32, acc: usize): void {
  tile<i32>(5, true, PANEL, a, b, 0, 0, k >> 1, acc, 0);
}
function panel4(a: usize, b: usize, k: i32, acc: usize): void {
  tile<i32>(4, true, PANEL, a, b, 0, 0, k >> 1, acc, 0);
}
function panel3(a: usize, b: usize, k: i32, acc: usize): void {
  tile<i32>(3, true, PANEL, a, b, 0, 0, k >> 1, acc, 0);
}
function panel2(a: usize, b: usize, k: i32, acc: usize): void {
  tile<i32>(2, true, PANEL, a, b, 0, 0, k >> 1, acc, 0);
}
function panel1(a: usize, b: usize, k: i32, acc: usize): void {
  tile<i32>(1, true, PANEL, a, b, 0, 0, k >> 1, acc, 0);
}
function kept5(a: usize, b: usize, k: i32, acc: usize): void {
  tile<i32>(5, false, VECTORS, a, b, 0, 0, k >> 1, acc, 0);
}
function kept5Splat(a: usize, b: usize, k: i32, acc: usize): void {
  tile<i32>(5, true, VECTORS, a, b, 0, 0, k >> 1, acc, 0);
}
function widened5(a: usize, b: usize, k: i32, acc: usize, kept: usize): void {
  tile<i32>(5, false, KEEP, a, b, 0, 0, k >> 1, acc, kept);
}
function widened5Splat(a: usize, b: usize, k: i32, acc: usize, kept: usize): void {
  tile<i32>(5, true, KEEP, a, b, 0, 0, k >> 1, acc, kept);
}
function lessPanel5(a: usize, b: usize, panel: usize, k: i32, acc: usize, kept: usize): void {
  tile<i32>(5, false, KEEP | LESS_PANEL, a, b, panel, 0, k >> 1, acc, kept);
}
function lessPanel5Splat(a: usize, b: usize, panel: usize, k: i32, acc: usize, kept: usize): void {
  tile<i32>(5, true, KEEP | LESS_PANEL, a, b, panel, 0, k >> 1, acc, kept);
}
function lessVectors5(a: usize, b: usize, vectors: usize, k: i32, acc: usize, kept: usize): void {
  tile<i32>(5, false, KEEP | LESS_VECTORS, a, b, 0, vectors, k >> 1, acc, kept);
}
function lessVectors5Splat(a: usize, b: usize, vectors: usize, k: i32, acc: usize, kept: usize): void {
  tile<i32>(5, true, KEEP | LESS_VECTORS, a, b, 0, vectors, k >> 1, acc, kept);
}
function lessBoth5(a: usize, b: usize, panel: usize, vectors: usize, k: i32, acc: usize, kept: usize): void {
  tile<i32>(5, false, KEEP | LESS_PANEL | LESS_VECTORS, a, b, panel, vectors, k >> 1, acc, kept);
}
function lessBoth5Splat(a: usize, b: usize, panel: usize, vectors: usize, k: i32, acc: usize, kept: usize): void {
  tile<i32>(5, true, KEEP | LESS_PANEL | LESS_VECTORS, a, b, panel, vectors, k >> 1, acc, kept);
}

/** A group of `rows` (1..5) rows by a panel. */
@inline
export function multiplyGroup(mode: i32, rows: i32, a: usize, panel: usize, k: i32, acc: usize): void {
  if (rows == 5) {
    if (mode & MODE_SPLAT) panel5Splat(a, panel, k, acc);
    else panel5(a, panel, k, acc);
  } else if (rows == 4) panel4(a, panel, k, acc);
  else if (rows == 3) panel3(a, panel, k, acc);
  else if (rows == 2) panel2(a, panel, k, acc);
  else panel1(a, panel, k, acc);
}

/**
 * A group of five rows by b, less a panel and less earlier kept vectors, where these are not 0. `kept` receives that right
 * operand: i16 [k/2][8][2].
 */
@inline
export function multiplyAndKeep(
  mode: i32, a: usize, b: usize, panel: usize, vectors: usize, k: i32, acc: usize, kept: usize,
): void {
  const toPanel = panel - b;
  const toVectors = vectors - kept;
  kept -= 2 * b;
  if (!panel && !vectors) {
    if (mode & MODE_SPLAT) widened5Splat(a, b, k, acc, kept);
    else widened5(a, b, k, acc, kept);
  } else if (!vectors) {
    if (mode & MODE_SPLAT) lessPanel5Splat(a, b, toPanel, k, acc, kept);
    else lessPanel5(a, b, toPanel, k, acc, kept);
  } else if (!panel) {
    if (mode & MODE_SPLAT) lessVectors5Splat(a, b, toVectors, k, acc, kept);
    else lessVectors5(a, b, toVectors, k, acc, kept);
  } else {
    if (mode & MODE_SPLAT) lessBoth5Splat(a, b, toPanel, toVectors, k, acc, kept);
    else lessBoth5(a, b, toPanel, toVectors, k, acc, kept);
  }
}

/** A group of five rows by what an earlier tile kept. */
@inline
export function multiplyKept(mode: i32, a: usize, kept: usize, k: i32, acc: usize): void {
  if (mode & MODE_SPLAT) kept5Splat(a, kept, k, acc);
  else kept5(a, kept, k, acc);
}
