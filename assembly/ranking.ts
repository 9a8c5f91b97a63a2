// Labels against a picture: cosines of unit vectors, then softmax(logit scale * cosine) (Radford et al. 2021, figure 3).

import { LOG2_OF_E, powersOfTwo, storeConstants, sumLanes } from './math';

/** out[i] = rows[i] . q over d f32 (d a multiple of 4), summed in four lanes. */
export function dotRows(rows: usize, n: i32, d: i32, q: usize, out: usize): void {
  assert(n > 0 && d > 0 && d % 4 == 0);
  const row = (<usize>d) << 2;
  for (let i = 0; i < n; i++) {
    let sum = f32x4.splat(0);
    for (let o: usize = 0; o < row; o += 16) sum = f32x4.add(sum, f32x4.mul(v128.load(rows + o), v128.load(q + o)));
    store<f32>(out + ((<usize>i) << 2), sumLanes(sum));
    rows += row;
  }
}

/** x[0..n) = softmax(scale * x) in place; the memory up to the next multiple of 4 is used as padding. table: CONSTANTS_BYTES. */
export function softmax(x: usize, n: i32, scale: f32, table: usize): void {
  assert(n > 0);
  storeConstants(table);
  scale *= LOG2_OF_E;
  let largest: f32 = -Infinity;
  for (let i = 0; i < n; i++) {
    const p = x + ((<usize>i) << 2);
    const v = load<f32>(p) * scale;
    store<f32>(p, v);
    largest = max(largest, v);
  }
  for (let i = n; i & 3; i++) store<f32>(x + ((<usize>i) << 2), -Infinity);
  const end = x + ((<usize>n) << 2);
  let sum = f32x4.splat(0);
  for (let p = x; p < end; p += 16) {
    const y = f32x4.sub(v128.load(p), f32x4.splat(largest));
    powersOfTwo(y, y, p, p, table);
    const e = v128.and(v128.load(p), f32x4.gt(y, f32x4.splat(-126))); // smaller values are 0
    v128.store(p, e);
    sum = f32x4.add(sum, e);
  }
  const inverse = f32x4.splat(1 / sumLanes(sum));
  for (let p = x; p < end; p += 16) v128.store(p, f32x4.mul(v128.load(p), inverse));
}
