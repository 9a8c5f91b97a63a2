// Loops that do nothing but arithmetic: what a kernel could reach if loads, stores and loop counters cost nothing.
//
// Twelve chains hide the latency of multiply and add on every core of the last ten years, and with one operand and one
// product they fill the 15 vector registers that V8 has. A chain's own sum is an operand of its next product, so nothing
// can be computed once and reused; the sums are returned, so nothing can be dropped.

/** rounds * 12 times i32x4.dot_i16x8_s and i32x4.add: 8 MACs each. */
export function dot(rounds: i32, seed: i32): i32 {
  const b = i32x4.splat(seed);
  let c0 = i32x4.splat(seed + 0);
  let c1 = i32x4.splat(seed + 1);
  let c2 = i32x4.splat(seed + 2);
  let c3 = i32x4.splat(seed + 3);
  let c4 = i32x4.splat(seed + 4);
  let c5 = i32x4.splat(seed + 5);
  let c6 = i32x4.splat(seed + 6);
  let c7 = i32x4.splat(seed + 7);
  let c8 = i32x4.splat(seed + 8);
  let c9 = i32x4.splat(seed + 9);
  let c10 = i32x4.splat(seed + 10);
  let c11 = i32x4.splat(seed + 11);
  for (let i = 0; i < rounds; i++) {
    c0 = i32x4.add(c0, i32x4.dot_i16x8_s(c0, b));
    c1 = i32x4.add(c1, i32x4.dot_i16x8_s(c1, b));
    c2 = i32x4.add(c2, i32x4.dot_i16x8_s(c2, b));
    c3 = i32x4.add(c3, i32x4.dot_i16x8_s(c3, b));
    c4 = i32x4.add(c4, i32x4.dot_i16x8_s(c4, b));
    c5 = i32x4.add(c5, i32x4.dot_i16x8_s(c5, b));
    c6 = i32x4.add(c6, i32x4.dot_i16x8_s(c6, b));
    c7 = i32x4.add(c7, i32x4.dot_i16x8_s(c7, b));
    c8 = i32x4.add(c8, i32x4.dot_i16x8_s(c8, b));
    c9 = i32x4.add(c9, i32x4.dot_i16x8_s(c9, b));
    c10 = i32x4.add(c10, i32x4.dot_i16x8_s(c10, b));
    c11 = i32x4.add(c11, i32x4.dot_i16x8_s(c11, b));
  }
  let sum = c0;
  sum = v128.xor(sum, c1);
  sum = v128.xor(sum, c2);
  sum = v128.xor(sum, c3);
  sum = v128.xor(sum, c4);
  sum = v128.xor(sum, c5);
  sum = v128.xor(sum, c6);
  sum = v128.xor(sum, c7);
  sum = v128.xor(sum, c8);
  sum = v128.xor(sum, c9);
  sum = v128.xor(sum, c10);
  sum = v128.xor(sum, c11);
  return i32x4.extract_lane(sum, 0);
}

/**
 * rounds * 12 times f32x4.mul and f32x4.add: 4 MACs each. c + c x with a tiny x: no subnormals, no infinities. (As c x + y,
 * whose product ends the life of c, Node 20 runs at half speed.)
 */
export function multiplyAdd(rounds: i32, seed: i32): i32 {
  const x = f32x4.splat(f32(seed) * f32(1e-9));
  let c0 = f32x4.splat(f32(seed + 0));
  let c1 = f32x4.splat(f32(seed + 1));
  let c2 = f32x4.splat(f32(seed + 2));
  let c3 = f32x4.splat(f32(seed + 3));
  let c4 = f32x4.splat(f32(seed + 4));
  let c5 = f32x4.splat(f32(seed + 5));
  let c6 = f32x4.splat(f32(seed + 6));
  let c7 = f32x4.splat(f32(seed + 7));
  let c8 = f32x4.splat(f32(seed + 8));
  let c9 = f32x4.splat(f32(seed + 9));
  let c10 = f32x4.splat(f32(seed + 10));
  let c11 = f32x4.splat(f32(seed + 11));
  for (let i = 0; i < rounds; i++) {
    c0 = f32x4.add(c0, f32x4.mul(c0, x));
    c1 = f32x4.add(c1, f32x4.mul(c1, x));
    c2 = f32x4.add(c2, f32x4.mul(c2, x));
    c3 = f32x4.add(c3, f32x4.mul(c3, x));
    c4 = f32x4.add(c4, f32x4.mul(c4, x));
    c5 = f32x4.add(c5, f32x4.mul(c5, x));
    c6 = f32x4.add(c6, f32x4.mul(c6, x));
    c7 = f32x4.add(c7, f32x4.mul(c7, x));
    c8 = f32x4.add(c8, f32x4.mul(c8, x));
    c9 = f32x4.add(c9, f32x4.mul(c9, x));
    c10 = f32x4.add(c10, f32x4.mul(c10, x));
    c11 = f32x4.add(c11, f32x4.mul(c11, x));
  }
  let sum = c0;
  sum = v128.xor(sum, c1);
  sum = v128.xor(sum, c2);
  sum = v128.xor(sum, c3);
  sum = v128.xor(sum, c4);
  sum = v128.xor(sum, c5);
  sum = v128.xor(sum, c6);
  sum = v128.xor(sum, c7);
  sum = v128.xor(sum, c8);
  sum = v128.xor(sum, c9);
  sum = v128.xor(sum, c10);
  sum = v128.xor(sum, c11);
  return i32x4.extract_lane(sum, 0);
}
