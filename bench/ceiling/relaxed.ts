// As simd.ts, for relaxed SIMD, which not every engine takes: a binary of its own.

/** rounds * 12 times i32x4.relaxed_dot_i8x16_i7x16_add_s: 16 MACs each. `seed` gives a second operand in 0..127. */
export function relaxedDot(rounds: i32, seed: i32): i32 {
  const b = i8x16.splat(i8(seed & 127));
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
    c0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c0, b, c0);
    c1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c1, b, c1);
    c2 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c2, b, c2);
    c3 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c3, b, c3);
    c4 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c4, b, c4);
    c5 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c5, b, c5);
    c6 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c6, b, c6);
    c7 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c7, b, c7);
    c8 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c8, b, c8);
    c9 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c9, b, c9);
    c10 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c10, b, c10);
    c11 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c11, b, c11);
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
