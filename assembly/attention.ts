// Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1), one head and one or two query rows at a time; a row's
// scores stay in L1. The mask is a list of key rows for each query row: all rows (image), the rows up to its own (causal text),
// or its ancestors in a prefix tree. Two rows with the same list share its loads. A row's result depends only on its own list,
// so batching never changes a bit.
//
//   scores   4 keys a step:  |q d0..d3| x |k_j d0..d3| into acc_j, then a 4x4 transpose adds each key's lanes
//            as (0 + 2) + (1 + 3)
//   values   |p_j|p_j|p_j|p_j| x |v_j d0..d3|, 8 vectors of sums at once, keys ascending

import { CONSTANTS_BYTES } from '../src/engine/contract';
import { LOG2_OF_E, maxLanes, powersOfTwo, storeConstants, sumLanes } from './math';

const MINUS_INFINITY: f32 = -Infinity;

@inline
function keyRow(k: usize, list: usize, j: i32, row: usize): usize {
  return k + <usize>load<i32>(list + (<usize>j << 2)) * row;
}

/** End of the run of consecutive keys that begins at entry j: the whole rest of the list (lists ascend), or just j. */
@inline
function runEnd(list: usize, j: i32, length: i32): i32 {
  const last = length - 1;
  const at = list + (<usize>j << 2);
  return load<i32>(list + (<usize>last << 2)) - load<i32>(at) == last - j ? length : j + 1;
}

@inline
function mac(acc: v128, a: v128, b: v128): v128 {
  return f32x4.add(acc, f32x4.mul(a, b));
}

/** Each accumulator's lanes added as (0 + 2) + (1 + 3): |a0|a1|a2|a3|. */
@inline
function joinLanes(a0: v128, a1: v128, a2: v128, a3: v128): v128 {
  const t01 = f32x4.add(v128.shuffle<i64>(a0, a1, 0, 2), v128.shuffle<i64>(a0, a1, 1, 3)); // |a0 0+2|a0 1+3|a1 0+2|a1 1+3|
  const t23 = f32x4.add(v128.shuffle<i64>(a2, a3, 0, 2), v128.shuffle<i64>(a2, a3, 1, 3));
  return f32x4.add(v128.shuffle<i32>(t01, t23, 0, 2, 4, 6), v128.shuffle<i32>(t01, t23, 1, 3, 5, 7));
}

/**
 * s[0..length) = scale * q . k_j, padded to a multiple of 4 with the last score; headDim a multiple of 8. `two`: the same for
 * the next query row, to t.
 */
@inline
function scores(
  two: bool, q: usize, k: usize, list: usize, length: i32, headDim: i32, scale: f32, s: usize, t: usize,
): void {
  const row = <usize>headDim << 2;
  const last = length - 1;
  const scale4 = f32x4.splat(scale);
  for (let j = 0; j < length; j += 4) {
    let k0 = keyRow(k, list, j, row);
    let k1 = keyRow(k, list, min(j + 1, last), row);
    let k2 = keyRow(k, list, min(j + 2, last), row);
    let k3 = keyRow(k, list, min(j + 3, last), row);
    let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
    let b0 = f32x4.splat(0), b1 = f32x4.splat(0), b2 = f32x4.splat(0), b3 = f32x4.splat(0);
    const end = q + row;
    for (let p = q; p < end; p += 16) {
      const x = v128.load(p);
      const y = two ? v128.load(p + row) : x;
      let key = v128.load(k0);
      a0 = mac(a0, x, key);
      if (two) b0 = mac(b0, y, key);
      key = v128.load(k1);
      a1 = mac(a1, x, key);
      if (two) b1 = mac(b1, y, key);
      key = v128.load(k2);
      a2 = mac(a2, x, key);
      if (two) b2 = mac(b2, y, key);
      key = v128.load(k3);
      a3 = mac(a3, x, key);
      if (two) b3 = mac(b3, y, key);
      k0 += 16;
      k1 += 16;
      k2 += 16;
      k3 += 16;
    }
    v128.store(s + (<usize>j << 2), f32x4.mul(joinLanes(a0, a1, a2, a3), scale4));
    if (two) v128.store(t + (<usize>j << 2), f32x4.mul(joinLanes(b0, b1, b2, b3), scale4));
  }
}

/** The largest of s[0..length), in all lanes; the padding, which repeats the last score, becomes -infinity. */
@inline
function largestOf(s: usize, length: i32): v128 {
  const end = s + (<usize>length << 2);
  let most = v128.load(s);
  for (let p = s + 16; p < end; p += 16) most = f32x4.pmax(most, v128.load(p));
  for (let j = length; j & 3; j++) store<f32>(s + (<usize>j << 2), MINUS_INFINITY);
  return f32x4.splat(maxLanes(most));
}

/**
 * s[0..length) = 2^(s - largest), and 2^-126 in the padding. `two`: t likewise; otherwise the vectors of s are processed in
 * pairs.
 */
@inline
function exponentials(two: bool, s: usize, t: usize, length: i32, table: usize): void {
  const end = s + (<usize>length << 2);
  const most = largestOf(s, length);
  const most2 = two ? largestOf(t, length) : most;
  const step: usize = two ? 16 : 32;
  while (s < end) {
    if (!two) t = s + 16 < end ? s + 16 : s;
    powersOfTwo(f32x4.sub(v128.load(s), most), f32x4.sub(v128.load(t), most2), s, t, table);
    s += step;
    t += step;
  }
}

/** s[0] + .. of `length` numbers and their padding, lane by lane, then the lanes. */
@inline
function sumOf(s: usize, length: i32): f32 {
  const end = s + (<usize>length << 2);
  let sum = f32x4.splat(0);
  for (; s < end; s += 16) sum = f32x4.add(sum, v128.load(s));
  return sumLanes(sum);
}

/** out[0..headDim) = sum_j s_j v_j * inverse of s's sum, headDim a multiple of 8. `two`: also from t to the next row, ldo on. */
@inline
function weightedValues(
  two: bool, s: usize, t: usize, v: usize, list: usize, length: i32, headDim: i32, ofS: f32, ofT: f32, out: usize, ldo: usize,
): void {
  const row = <usize>headDim << 2;
  const inverse = f32x4.splat(ofS);
  const inverse2 = f32x4.splat(ofT);
  const apart = t - s;
  let d: usize = 0;
  const width: usize = two ? 64 : 128;
  for (; d + width <= row; d += width) {
    let a0 = f32x4.splat(0), a1 = f32x4.splat(0), a2 = f32x4.splat(0), a3 = f32x4.splat(0);
    let b0 = f32x4.splat(0), b1 = f32x4.splat(0), b2 = f32x4.splat(0), b3 = f32x4.splat(0);
    for (let j = 0; j < length; ) {
      const end = runEnd(list, j, length);
      let x = keyRow(v, list, j, row) + d;
      let weight = s + (<usize>j << 2);
      const weightEnd = s + (<usize>end << 2);
      j = end;
      while (weight < weightEnd) {
        const p = v128.load_splat<u32>(weight);
        if (two) {
          const r = v128.load_splat<u32>(weight + apart);
          let value = v128.load(x);
          a0 = mac(a0, p, value);
          b0 = mac(b0, r, value);
          value = v128.load(x, 16);
          a1 = mac(a1, p, value);
          b1 = mac(b1, r, value);
          value = v128.load(x, 32);
          a2 = mac(a2, p, value);
          b2 = mac(b2, r, value);
          value = v128.load(x, 48);
          a3 = mac(a3, p, value);
          b3 = mac(b3, r, value);
        } else {
          a0 = mac(a0, p, v128.load(x));
          a1 = mac(a1, p, v128.load(x, 16));
          a2 = mac(a2, p, v128.load(x, 32));
          a3 = mac(a3, p, v128.load(x, 48));
          b0 = mac(b0, p, v128.load(x, 64));
          b1 = mac(b1, p, v128.load(x, 80));
          b2 = mac(b2, p, v128.load(x, 96));
          b3 = mac(b3, p, v128.load(x, 112));
        }
        x += row;
        weight += 4;
      }
    }
    const o = out + d;
    const other = two ? o + ldo : o + 64;
    v128.store(o, f32x4.mul(a0, inverse));
    v128.store(o, f32x4.mul(a1, inverse), 16);
    v128.store(o, f32x4.mul(a2, inverse), 32);
    v128.store(o, f32x4.mul(a3, inverse), 48);
    v128.store(other, f32x4.mul(b0, two ? inverse2 : inverse));
    v128.store(other, f32x4.mul(b1, two ? inverse2 : inverse), 16);
    v128.store(other, f32x4.mul(b2, two ? inverse2 : inverse), 32);
    v128.store(other, f32x4.mul(b3, two ? inverse2 : inverse), 48);
  }
  for (; d < row; d += 32) {
    let a0 = f32x4.splat(0), a1 = f32x4.splat(0), b0 = f32x4.splat(0), b1 = f32x4.splat(0);
    for (let j = 0; j < length; j++) {
      const x = keyRow(v, list, j, row) + d;
      const p = v128.load_splat<u32>(s + (<usize>j << 2));
      const v0 = v128.load(x), v1 = v128.load(x, 16);
      a0 = mac(a0, p, v0);
      a1 = mac(a1, p, v1);
      if (two) {
        const r = v128.load_splat<u32>(t + (<usize>j << 2));
        b0 = mac(b0, r, v0);
        b1 = mac(b1, r, v1);
      }
    }
    v128.store(out + d, f32x4.mul(a0, inverse));
    v128.store(out + d, f32x4.mul(a1, inverse), 16);
    if (two) {
      v128.store(out + ldo + d, f32x4.mul(b0, inverse2));
      v128.store(out + ldo + d, f32x4.mul(b1, inverse2), 16);
    }
  }
}

/** One query row, or two with the same list; s and t hold their scores. */
@inline
function attend(
  two: bool, q: usize, k: usize, v: usize, list: usize, length: i32, headDim: i32, scale: f32,
  s: usize, t: usize, table: usize, out: usize, ldo: usize,
): void {
  scores(two, q, k, list, length, headDim, scale, s, t);
  exponentials(two, s, t, length, table);
  const sum = sumOf(s, length);
  const sum2: f32 = two ? sumOf(t, length) : 1;
  weightedValues(two, s, t, v, list, length, headDim, 1 / sum, 1 / sum2, out, ldo);
}

function attendOne(
  q: usize, k: usize, v: usize, list: usize, length: i32, headDim: i32, scale: f32, s: usize, table: usize, out: usize,
): void {
  attend(false, q, k, v, list, length, headDim, scale, s, 0, table, out, 0);
}

function attendTwo(
  q: usize, k: usize, v: usize, list: usize, length: i32, headDim: i32, scale: f32,
  s: usize, t: usize, table: usize, out: usize, ldo: usize,
): void {
  attend(true, q, k, v, list, length, headDim, scale, s, t, table, out, ldo);
}

/**
 * q: [heads][rows][headDim] f32, qSlab bytes a head; k, v: [heads][any][headDim], kvSlab bytes a head; headDim a multiple of 8.
 * out: row r, head h at out + r * ldo + h * headDim * 4. Row r sees the rows lists[starts[r] .. + lengths[r]) of k and v
 * (i32 each, lengths >= 1). scale: headDim^-0.5. scratch: CONSTANTS_BYTES and twice the longest list, rounded up to 4,
 * in f32.
 */
export function attention(
  q: usize, k: usize, v: usize, heads: i32, qSlab: usize, kvSlab: usize, out: usize, ldo: usize, rows: i32, headDim: i32,
  starts: usize, lengths: usize, lists: usize, scale: f32, scratch: usize,
): void {
  assert(heads > 0 && rows > 0 && headDim > 0 && headDim % 8 == 0);
  const row = <usize>headDim << 2;
  const s = scratch + CONSTANTS_BYTES;
  scale *= LOG2_OF_E;
  storeConstants(scratch);
  for (let h = 0; h < heads; h++) {
    let o = out;
    for (let r = 0; r < rows; ) {
      const at = <usize>r << 2;
      const start = load<i32>(starts + at);
      const length = load<i32>(lengths + at);
      const list = lists + (<usize>start << 2);
      const query = q + <usize>r * row;
      if (r + 1 < rows && load<i32>(starts + at, 4) == start && load<i32>(lengths + at, 4) == length) {
        const t = s + (<usize>((length + 3) & ~3) << 2);
        attendTwo(query, k, v, list, length, headDim, scale, s, t, scratch, o, ldo);
        o += ldo << 1;
        r += 2;
      } else {
        attendOne(query, k, v, list, length, headDim, scale, s, scratch, o);
        o += ldo;
        r++;
      }
    }
    q += qSlab;
    k += kvSlab;
    v += kvSlab;
    out += row;
  }
}
