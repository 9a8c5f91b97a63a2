// The tile of the relaxed build: i32x4.relaxed_dot_i8x16_i7x16_add_s with its second operand always in 0..127, the range in
// which every processor gives the same result. An activation is 128 (hi - 64) + lo (packed-rows.ts), so a column's sum is
//
//   128 (sum w hi - 64 sum w) + sum w lo        with sum w precomputed: bSum
//
// B's pairs become quads by one shuffle:  |c0 k0 k1|c1 k0 k1|..  +  |c0 k2 k3|c1 k2 k3|..  ->  |c0 k0 k1 k2 k3|c1 ...|
//
// The tile (tile.ts) passes over k twice, once for hi and once for lo, accumulating both times.

import { SUM_ROW_BYTES } from '../src/engine/contract';
import { VECTORS, tile } from './tile';

/** acc[mr][8] = the group of `mr` rows at a, times a panel; bSum: the sums of its columns. */
@inline
export function tileRelaxed(mr: i32, a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  const s0 = i32x4.shl(v128.load(bSum), 6);
  const s1 = i32x4.shl(v128.load(bSum, 16), 6);
  const end = acc + <usize>mr * SUM_ROW_BYTES;
  for (let p = acc; p < end; p += SUM_ROW_BYTES) {
    v128.store(p, i32x4.neg(s0));
    v128.store(p, i32x4.neg(s1), 16);
  }
  tile<i8>(mr, true, VECTORS, a, b, 0, 0, k >> 2, acc, 0);
  for (let p = acc; p < end; p += 16) v128.store(p, i32x4.shl(v128.load(p), 7));
  tile<i8>(mr, true, VECTORS, a + 4, b, 0, 0, k >> 2, acc, 0);
}
