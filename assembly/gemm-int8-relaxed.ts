// The tile of the relaxed build: i32x4.relaxed_dot_i8x16_i7x16_add_s with its second operand always in 0..127, where every
// processor agrees. An activation is 128 (hi - 64) + lo (packed-rows.ts), so a column's sum is
//
//   128 (sum w hi - 64 sum w) + sum w lo        with sum w precomputed: bSum
//
// B's pairs become quads by one shuffle:  |c0 k0 k1|c1 k0 k1|..  +  |c0 k2 k3|c1 k2 k3|..  ->  |c0 k0 k1 k2 k3|c1 ...|
//
// Tile: u7 x i8 -> i32, 5x8, in two passes over k: one for hi, one for lo. 10 accumulators, 2 b, 1 a.

@inline
function dot(b: v128, a: v128, acc: v128): v128 {
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(b, a, acc);
}

/**
 * One pass over the group of `mr` rows at a: of hi it leaves 128 (hi - 64 sum) in acc, to which that of lo adds. bSum: the sums
 * of the panel's columns.
 */
@inline
function pass(low: bool, mr: i32, a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  let c00 = i32x4.splat(0), c01 = i32x4.splat(0), c10 = i32x4.splat(0), c11 = i32x4.splat(0);
  let c20 = i32x4.splat(0), c21 = i32x4.splat(0), c30 = i32x4.splat(0), c31 = i32x4.splat(0);
  let c40 = i32x4.splat(0), c41 = i32x4.splat(0);
  const end = b + (<usize>k << 3);
  if (low) a += 4;
  while (b < end) {
    const p = v128.load(b);
    const q = v128.load(b, 16);
    const b0 = v128.shuffle<i16>(p, q, 0, 8, 1, 9, 2, 10, 3, 11);
    const b1 = v128.shuffle<i16>(p, q, 4, 12, 5, 13, 6, 14, 7, 15);
    let r = v128.load_splat<u32>(a);
    c00 = dot(b0, r, c00);
    c01 = dot(b1, r, c01);
    if (mr > 1) {
      r = v128.load_splat<u32>(a, 8);
      c10 = dot(b0, r, c10);
      c11 = dot(b1, r, c11);
    }
    if (mr > 2) {
      r = v128.load_splat<u32>(a, 16);
      c20 = dot(b0, r, c20);
      c21 = dot(b1, r, c21);
    }
    if (mr > 3) {
      r = v128.load_splat<u32>(a, 24);
      c30 = dot(b0, r, c30);
      c31 = dot(b1, r, c31);
    }
    if (mr > 4) {
      r = v128.load_splat<u32>(a, 32);
      c40 = dot(b0, r, c40);
      c41 = dot(b1, r, c41);
    }
    a += 8 * mr;
    b += 32;
  }
  const s0 = v128.load(bSum);
  const s1 = v128.load(bSum, 16);
  leave(low, c00, c01, s0, s1, acc);
  if (mr > 1) leave(low, c10, c11, s0, s1, acc + 32);
  if (mr > 2) leave(low, c20, c21, s0, s1, acc + 64);
  if (mr > 3) leave(low, c30, c31, s0, s1, acc + 96);
  if (mr > 4) leave(low, c40, c41, s0, s1, acc + 128);
}

/** A row's sums: of hi 128 (hi - 64 sum), of lo added to that. */
@inline
function leave(low: bool, c0: v128, c1: v128, s0: v128, s1: v128, acc: usize): void {
  if (low) {
    v128.store(acc, i32x4.add(v128.load(acc), c0));
    v128.store(acc, i32x4.add(v128.load(acc, 16), c1), 16);
  } else {
    v128.store(acc, i32x4.shl(i32x4.sub(c0, i32x4.shl(s0, 6)), 7));
    v128.store(acc, i32x4.shl(i32x4.sub(c1, i32x4.shl(s1, 6)), 7), 16);
  }
}

@inline
export function tileRelaxed(mr: i32, a: usize, b: usize, bSum: usize, k: i32, acc: usize): void {
  pass(false, mr, a, b, bSum, k, acc);
  pass(true, mr, a, b, bSum, k, acc);
}
