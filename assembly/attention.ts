// Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1), a query row and a head at a time; a row's scores
// stay in L1. Which keys a row sees is a list of row numbers: all rows (image), the rows up to its own (causal text) or
// its ancestors in a prefix tree. A row's result depends only on its own list, so all three give the same bits.
//
//   scores   4 keys a step:  |q d0..d3| x |k_j d0..d3| into acc_j, then a 4x4 transpose adds each key's lanes
//            as (0 + 2) + (1 + 3)
//   values   |p_j|p_j|p_j|p_j| x |v_j d0..d3|, 8 columns of vectors at once, keys ascending

import { TABLE_BYTES, exp4, maxLanes, storeConstants, sumLanes } from './math';

const MINUS_INFINITY: f32 = -Infinity;

@inline
function keyRow(k: usize, list: usize, j: i32, row: usize): usize {
  return k + <usize>load<i32>(list + (<usize>j << 2)) * row;
}

/** s[0..length) = scale * q . k_j, padded with -infinity to a multiple of 4; returns the largest. */
@inline
function scores(q: usize, k: usize, list: usize, length: i32, headDim: i32, scale: f32, s: usize): f32 {
  const row = <usize>headDim << 2;
  const last = length - 1;
  const scale4 = f32x4.splat(scale);
  let largest = f32x4.splat(MINUS_INFINITY);
  for (let j = 0; j < length; j += 4) {
    const k0 = keyRow(k, list, j, row);
    const k1 = keyRow(k, list, min(j + 1, last), row);
    const k2 = keyRow(k, list, min(j + 2, last), row);
    const k3 = keyRow(k, list, min(j + 3, last), row);
    let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
    for (let d: usize = 0; d < row; d += 16) {
      const qd = v128.load(q + d);
      a0 = f32x4.add(a0, f32x4.mul(qd, v128.load(k0 + d)));
      a1 = f32x4.add(a1, f32x4.mul(qd, v128.load(k1 + d)));
      a2 = f32x4.add(a2, f32x4.mul(qd, v128.load(k2 + d)));
      a3 = f32x4.add(a3, f32x4.mul(qd, v128.load(k3 + d)));
    }
    const t01 = f32x4.add(v128.shuffle<i64>(a0, a1, 0, 2), v128.shuffle<i64>(a0, a1, 1, 3)); // |a0 0+2|a0 1+3|a1 0+2|a1 1+3|
    const t23 = f32x4.add(v128.shuffle<i64>(a2, a3, 0, 2), v128.shuffle<i64>(a2, a3, 1, 3));
    const sum = f32x4.add(v128.shuffle<i32>(t01, t23, 0, 2, 4, 6), v128.shuffle<i32>(t01, t23, 1, 3, 5, 7));
    const scaled = f32x4.mul(sum, scale4);
    largest = f32x4.pmax(largest, scaled); // repeated last keys change no maximum
    v128.store(s + (<usize>j << 2), scaled);
  }
  for (let j = length; j & 3; j++) store<f32>(s + (<usize>j << 2), MINUS_INFINITY);
  return maxLanes(largest);
}

/** s[0..length) = exp(s - largest), 0 in the padding; returns the sum. */
@inline
function exponentials(s: usize, length: i32, largest: f32, table: usize): f32 {
  const shift = f32x4.splat(largest);
  const end = s + (<usize>length << 2);
  let sum = f32x4.splat(0);
  while (s < end) {
    const e = exp4(f32x4.sub(v128.load(s), shift), table);
    v128.store(s, e);
    sum = f32x4.add(sum, e);
    s += 16;
  }
  return sumLanes(sum);
}

/** out[0..headDim) = sum_j s_j v_j * inverse, headDim a multiple of 8. */
@inline
function weightedValues(s: usize, v: usize, list: usize, length: i32, headDim: i32, inverse: f32, out: usize): void {
  const row = <usize>headDim << 2;
  const inv = f32x4.splat(inverse);
  let d: usize = 0;
  for (; d + 128 <= row; d += 128) {
    let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
    let a4 = f32x4.splat(0), a5 = f32x4.splat(0), a6 = f32x4.splat(0), a7 = f32x4.splat(0);
    for (let j = 0; j < length; j++) {
      const p = v128.load_splat<u32>(s + (<usize>j << 2));
      const x = keyRow(v, list, j, row) + d;
      a0 = f32x4.add(a0, f32x4.mul(p, v128.load(x)));
      a1 = f32x4.add(a1, f32x4.mul(p, v128.load(x, 16)));
      a2 = f32x4.add(a2, f32x4.mul(p, v128.load(x, 32)));
      a3 = f32x4.add(a3, f32x4.mul(p, v128.load(x, 48)));
      a4 = f32x4.add(a4, f32x4.mul(p, v128.load(x, 64)));
      a5 = f32x4.add(a5, f32x4.mul(p, v128.load(x, 80)));
      a6 = f32x4.add(a6, f32x4.mul(p, v128.load(x, 96)));
      a7 = f32x4.add(a7, f32x4.mul(p, v128.load(x, 112)));
    }
    const o = out + d;
    v128.store(o, f32x4.mul(a0, inv));
    v128.store(o, f32x4.mul(a1, inv), 16);
    v128.store(o, f32x4.mul(a2, inv), 32);
    v128.store(o, f32x4.mul(a3, inv), 48);
    v128.store(o, f32x4.mul(a4, inv), 64);
    v128.store(o, f32x4.mul(a5, inv), 80);
    v128.store(o, f32x4.mul(a6, inv), 96);
    v128.store(o, f32x4.mul(a7, inv), 112);
  }
  for (; d < row; d += 32) {
    let a0 = f32x4.splat(0), a1 = f32x4.splat(0);
    for (let j = 0; j < length; j++) {
      const p = v128.load_splat<u32>(s + (<usize>j << 2));
      const x = keyRow(v, list, j, row) + d;
      a0 = f32x4.add(a0, f32x4.mul(p, v128.load(x)));
      a1 = f32x4.add(a1, f32x4.mul(p, v128.load(x, 16)));
    }
    v128.store(out + d, f32x4.mul(a0, inv));
    v128.store(out + d, f32x4.mul(a1, inv), 16);
  }
}

/**
 * q: [heads][rows][headDim] f32, qSlab bytes a head; k, v: [heads][any][headDim], kvSlab bytes a head.
 * out: row r, head h at out + r * ldo + h * headDim * 4. Row r sees the rows lists[starts[r] .. + lengths[r]) of k and v
 * (i32 each, lengths >= 1). scale: headDim^-0.5. scratch: TABLE_BYTES (math.ts) and the longest list, rounded up to 4, in f32.
 */
export function attention(
  q: usize, k: usize, v: usize, heads: i32, qSlab: usize, kvSlab: usize, out: usize, ldo: usize, rows: i32, headDim: i32,
  starts: usize, lengths: usize, lists: usize, scale: f32, scratch: usize,
): void {
  const row = <usize>headDim << 2;
  const table = scratch;
  scratch += TABLE_BYTES;
  storeConstants(table);
  for (let h = 0; h < heads; h++) {
    let o = out;
    for (let r = 0; r < rows; r++) {
      const list = lists + (<usize>load<i32>(starts + (<usize>r << 2)) << 2);
      const length = load<i32>(lengths + (<usize>r << 2));
      const largest = scores(q + <usize>r * row, k, list, length, headDim, scale, scratch);
      const sum = exponentials(scratch, length, largest, table);
      weightedValues(scratch, v, list, length, headDim, 1 / sum, o);
      o += ldo;
    }
    q += qSlab;
    k += kvSlab;
    v += kvSlab;
    out += row;
  }
}
