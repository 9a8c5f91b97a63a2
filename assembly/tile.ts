// The tile of every GEMM: five rows by eight columns of sums, in registers over all of k; in int8, in the relaxed build's int8
// and in f32.
//
// B lies in panels of 8 columns, for int8 with k in pairs: [k/2][8][2] i8, so that one load8x8_s gives
//
//   int8  b0 |c0 k0 k1|c1 k0 k1|c2 k0 k1|c3 k0 k1|      b1 the same for c4..c7
//         a  |r0 k0 k1|r1 k0 k1|r2 k0 k1|r3 k0 k1|r4 k0 k1|     five rows, each broadcast to the lanes
//         dot_i16x8_s(|r r r r|, b0): four i32 lanes, one a column, two products each
//
//   f32   b0 |c0|c1|c2|c3|      b1 |c4|c5|c6|c7|        [k][8]: multiplied, then added
//         a  |r0|r1|r2|r3|r4|
//
//   i8    b0 |c0 k0..k3|c1 k0..k3|c2 k0..k3|c3 k0..k3|   from two lines of pairs; half of each row: gemm-int8-relaxed.ts
//         a  |r0 k0..k3|other half|r1 k0..k3|..         relaxed_dot_i8x16_i7x16_add_s(b0, |r r r r|, sums)
//
// Tile, 5x8: i16 x i8 -> i32, i32x4.dot_i16x8_s; u7 x i8 -> i32, the relaxed dot; f32, f32x4.mul + f32x4.add.
// 10 accumulators, 2 b, 1 a, 1 row, 1 product: the 15 vector registers that V8 gives, as long as a tile is a function of its
// own (scripts/build-wasm.js). One pointer each for A and B. There are two variants: a splat load for each row is faster in
// Node, and slower where loads are bounds-checked (Deno) or splats are expensive (JavaScriptCore), so the first calls measure
// which is better (engine/autotuning.ts). The sums are the same.

/** Where a tile's B comes from: an i8 panel, or whole vectors (i16 or f32). */
export const PANEL: i32 = 0;
export const VECTORS: i32 = 1;
/** An i8 panel that is kept as i16, which other tiles then take as VECTORS; plus what is subtracted first, one or both. */
export const KEEP: i32 = 2;
export const LESS_PANEL: i32 = 4;
export const LESS_VECTORS: i32 = 8;

@inline
function mac<T>(acc: v128, a: v128, b: v128): v128 {
  if (sizeof<T>() == 1) return i32x4.relaxed_dot_i8x16_i7x16_add_s(b, a, acc);
  if (isInteger<T>()) return i32x4.add(acc, i32x4.dot_i16x8_s(a, b));
  return f32x4.add(acc, f32x4.mul(a, b));
}

/** Row `r` of the group at a in all lanes: by a splat load, or from the vector of the first four rows. */
@inline
function broadcast<T>(splat: bool, a: usize, rows: v128, r: i32): v128 {
  if (sizeof<T>() == 1) return v128.load_splat<u32>(a + 8 * r);
  if (r == 0) return splat ? v128.load_splat<u32>(a) : v128.shuffle<i32>(rows, rows, 0, 0, 0, 0);
  if (r == 1) return splat ? v128.load_splat<u32>(a, 4) : v128.shuffle<i32>(rows, rows, 1, 1, 1, 1);
  if (r == 2) return splat ? v128.load_splat<u32>(a, 8) : v128.shuffle<i32>(rows, rows, 2, 2, 2, 2);
  if (r == 3) return splat ? v128.load_splat<u32>(a, 12) : v128.shuffle<i32>(rows, rows, 3, 3, 3, 3);
  return v128.load_splat<u32>(a, 16);
}

/**
 * Initial value of the first four sums of row `r`: 0, or for T = i8 the sums in memory. The zeros are computed from a load of
 * the row: V8 adds the offset of a splat load to the memory base in every iteration, unless that sum exists before the loop.
 */
@inline
function begin<T>(there: bool, a: usize, r: i32, sums: usize): v128 {
  if (!there) return i32x4.splat(0);
  if (sizeof<T>() == 1) return v128.load(sums);
  const row = broadcast<T>(true, a, i32x4.splat(0), r);
  return v128.xor(row, row);
}

/** Initial value of the row's other four sums. */
@inline
function beginOther<T>(there: bool, first: v128, sums: usize): v128 {
  return sizeof<T>() == 1 && there ? v128.load(sums) : first;
}

/**
 * acc[mr][8] = the group of `mr` rows at a, times `steps` lines of B: k/2 for T = i32, k for f32. T = i8: added to the sums in
 * acc, and `steps` are pairs of lines, k/4. `splat` unless there are four rows or more. b: the panel or the vectors. The kept vectors
 * go to kept + 2 b. The subtracted vectors are `lessVectors` bytes from there, the subtracted panel `lessPanel` bytes from b:
 * one pointer serves all of them.
 */
@inline
export function tile<T>(
  mr: i32, splat: bool, source: i32, a: usize, b: usize, lessPanel: usize, lessVectors: usize, steps: i32, acc: usize, kept: usize,
): void {
  let c00 = begin<T>(true, a, 0, acc), c01 = beginOther<T>(true, c00, acc + 16);
  let c10 = begin<T>(mr > 1, a, 1, acc + 32), c11 = beginOther<T>(mr > 1, c10, acc + 48);
  let c20 = begin<T>(mr > 2, a, 2, acc + 64), c21 = beginOther<T>(mr > 2, c20, acc + 80);
  let c30 = begin<T>(mr > 3, a, 3, acc + 96), c31 = beginOther<T>(mr > 3, c30, acc + 112);
  let c40 = begin<T>(mr > 4, a, 4, acc + 128), c41 = beginOther<T>(mr > 4, c40, acc + 144);
  const across: usize = source == VECTORS ? 32 : 16;
  const down: usize = (sizeof<T>() == 1 ? 8 : 4) * mr;
  // Pointers move before their loads: V8 knows that a sum's upper bits are clear, but copies a loop's incoming value to clear them.
  a -= down;
  b -= across;
  const end = b + <usize>steps * across;
  while (b < end) {
    a += down;
    b += across;
    let b0 = source == VECTORS ? v128.load(b) : v128.load_ext<i8>(b);
    let b1 = source == VECTORS ? v128.load(b, 16) : v128.load_ext<i8>(b, 8);
    if (sizeof<T>() == 1) {
      const pairs = b0;
      b0 = v128.shuffle<i16>(pairs, b1, 0, 8, 1, 9, 2, 10, 3, 11);
      b1 = v128.shuffle<i16>(pairs, b1, 4, 12, 5, 13, 6, 14, 7, 15);
    }
    if (source & LESS_PANEL) {
      const other = b + lessPanel;
      b0 = i16x8.sub(b0, v128.load_ext<i8>(other));
      b1 = i16x8.sub(b1, v128.load_ext<i8>(other, 8));
    }
    if (source & KEEP) {
      const vectors = kept + 2 * b;
      if (source & LESS_VECTORS) {
        const earlier = vectors + lessVectors;
        b0 = i16x8.sub(b0, v128.load(earlier));
        b1 = i16x8.sub(b1, v128.load(earlier, 16));
      }
      v128.store(vectors, b0);
      v128.store(vectors, b1, 16);
    }
    const rows = splat ? b0 : v128.load(a);
    let r = broadcast<T>(splat, a, rows, 0);
    c00 = mac<T>(c00, r, b0);
    c01 = mac<T>(c01, r, b1);
    if (mr > 1) {
      r = broadcast<T>(splat, a, rows, 1);
      c10 = mac<T>(c10, r, b0);
      c11 = mac<T>(c11, r, b1);
    }
    if (mr > 2) {
      r = broadcast<T>(splat, a, rows, 2);
      c20 = mac<T>(c20, r, b0);
      c21 = mac<T>(c21, r, b1);
    }
    if (mr > 3) {
      r = broadcast<T>(splat, a, rows, 3);
      c30 = mac<T>(c30, r, b0);
    }
    if (mr > 4) {
      const last = broadcast<T>(splat, a, rows, 4);
      c40 = mac<T>(c40, last, b0);
      c31 = mac<T>(c31, r, b1); // not before c40: Node 24 keeps its multipliers busier this way
      c41 = mac<T>(c41, last, b1);
    } else if (mr > 3) {
      c31 = mac<T>(c31, r, b1);
    }
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
  if (mr > 4) {
    v128.store(acc, c40, 128);
    v128.store(acc, c41, 144);
  }
}
