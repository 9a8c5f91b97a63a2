// The tile of the relaxed build: i32x4.relaxed_dot_i8x16_i7x16_add_s with its second operand always in 0..127, where every
// processor agrees. An activation is 128 (hi - 64) + lo (packed-rows.ts), so a column's sum is
//
//   128 (sum w hi - 64 sum w) + sum w lo        with sum w precomputed: bSum
//
// B's pairs become quads by one shuffle:  |c0 k0 k1|c1 k0 k1|..  +  |c0 k2 k3|c1 k2 k3|..  ->  |c0 k0 k1 k2 k3|c1 ...|
//
// Tile: u7 x i8 -> i32, 2x8 twice. 8 accumulators (hi and lo), 2 b, 1 a.

@inline
function dot(b: v128, a: v128, acc: v128): v128 {
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(b, a, acc);
}

/** 128 (hi - 64 sum) + lo */
@inline
function join(hi: v128, lo: v128, sum: v128): v128 {
  return i32x4.add(i32x4.shl(i32x4.sub(hi, i32x4.shl(sum, 6)), 7), lo);
}

/** One or two rows; `mr` is the number of rows in the packed group. */
@inline
function pair(two: bool, mr: i32, a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  let h00 = i32x4.splat(0), h01 = i32x4.splat(0), l00 = i32x4.splat(0), l01 = i32x4.splat(0);
  let h10 = i32x4.splat(0), h11 = i32x4.splat(0), l10 = i32x4.splat(0), l11 = i32x4.splat(0);
  const end = b + (<usize>k << 3);
  while (b < end) {
    const p = v128.load(b);
    const q = v128.load(b, 16);
    const b0 = v128.shuffle<i16>(p, q, 0, 8, 1, 9, 2, 10, 3, 11);
    const b1 = v128.shuffle<i16>(p, q, 4, 12, 5, 13, 6, 14, 7, 15);
    let r = v128.load_splat<u32>(a);
    h00 = dot(b0, r, h00);
    h01 = dot(b1, r, h01);
    r = v128.load_splat<u32>(a, 4);
    l00 = dot(b0, r, l00);
    l01 = dot(b1, r, l01);
    if (two) {
      r = v128.load_splat<u32>(a, 8);
      h10 = dot(b0, r, h10);
      h11 = dot(b1, r, h11);
      r = v128.load_splat<u32>(a, 12);
      l10 = dot(b0, r, l10);
      l11 = dot(b1, r, l11);
    }
    a += 8 * mr;
    b += 32;
  }
  const s0 = v128.load(bSum);
  const s1 = v128.load(bSum, 16);
  v128.store(acc, join(h00, l00, s0));
  v128.store(acc, join(h01, l01, s1), 16);
  if (two) {
    v128.store(acc, join(h10, l10, s0), 32);
    v128.store(acc, join(h11, l11, s1), 48);
  }
}

@inline
export function tileRelaxed(mr: i32, a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  pair(mr > 1, mr, a, b, bSum, k, acc);
  if (mr > 2) pair(mr > 3, mr, a + 16, b, bSum, k, acc + 64);
  if (mr > 4) pair(false, mr, a + 32, b, bSum, k, acc + 128);
}
