// Smoothing between the blocks of a progressive file whose last scans are missing (libjpeg-turbo's jdcoefct.c,
// decompress_smooth_data): coefficients that are not known yet are estimated from the DC coefficients of 5 x 5 blocks.

import {
  ESTIMATE_BITS, ESTIMATE_BYTES, ESTIMATE_OFFSET, ESTIMATE_QUANTIZATION, ESTIMATE_WEIGHTS, SCAN_BLOCK, SCAN_WORK, SMOOTH_ROWS,
} from '../../src/image/contract';
import { inverseDct } from './jpeg-inverse';

/** The DC coefficients around, in each of the five rows from column - 2 to column + 2, times the weights. */
function weighted(rows: usize, column: i32, last: i32, weights: usize): i64 {
  let sum: i64 = 0;
  for (let y = 0; y < SMOOTH_ROWS; y++) {
    const row = <usize>load<u32>(rows + (<usize>y << 2));
    for (let x = column - 2; x <= column + 2; x++) {
      const dc = <i64>load<i16>(row + (<usize>min(max(x, 0), last) << 7));
      sum += dc * <i64>load<i32>(weights);
      weights += 4;
    }
  }
  return sum;
}

/**
 * Blocks first .. end - 1 of a row to pixels, the first of them at `out`. `rows`: addresses of five rows of blocks, the middle
 * one is this; `last`: the last block of a row. Estimates (contract.ts) are used where a coefficient is zero; one of DC
 * always.
 */
export function smoothBlocks(
  rows: usize, first: i32, end: i32, last: i32, estimates: usize, count: i32, quantization: usize, side: i32,
  out: usize, stride: usize, scan: usize,
): void {
  const block = scan + SCAN_BLOCK;
  const middle = <usize>load<u32>(rows, 8);
  const q0 = <i64>load<u16>(quantization);
  for (let column = first; column < end; column++, out += <usize>side) {
    memory.copy(block, middle + (<usize>column << 7), 128);
    for (let i = 0; i < count; i++) {
      const estimate = estimates + <usize>i * ESTIMATE_BYTES;
      const offset = <usize>load<i32>(estimate, ESTIMATE_OFFSET);
      if (offset > 0 && load<i16>(block + offset) != 0) continue;
      const bits = load<i32>(estimate, ESTIMATE_BITS);
      const q = <i64>load<i32>(estimate, ESTIMATE_QUANTIZATION);
      const sum = q0 * weighted(rows, column, last, estimate + ESTIMATE_WEIGHTS);
      let value = <i32>(((q << 7) + (sum < 0 ? -sum : sum)) / (q << 8));
      if (bits > 0 && value >= 1 << bits) value = (1 << bits) - 1;
      store<i16>(block + offset, <i16>(sum < 0 ? -value : value));
    }
    inverseDct(block, quantization, side, 1, out, stride, scan + SCAN_WORK);
  }
}
