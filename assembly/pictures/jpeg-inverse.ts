// The inverse transforms of libjpeg (jidctint.c and jidctred.c, "islow"), in integers of 13 bits after the point.
//
// Coefficients times quantization is i16, as in libjpeg's SIMD code: what no encoder writes wraps around. A pass computes
// eight columns at once, four in each half:
//
//   pass 1   rows 0 .. 7 of coefficients, lanes are columns    -> rows of the block, 2 bits after the point
//   turned   8 x 8 transposed
//   pass 2   the same along the rows, rounded to pixels        -> turned back as bytes, 128 added

import { interleaveHigh, interleaveLow } from './lanes';

const CONSTANT_BITS = 13;
const PASS1_BITS = 2;

// Pairs for i32x4.dot_i16x8_s: first * a + second * b.

@inline
function pair(a: i32, b: i32): v128 {
  return i32x4.splat((a & 0xffff) | (b << 16));
}

@inline
function lowPairs(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

@inline
function highPairs(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

@inline
function descale(x: v128, bits: i32): v128 {
  return i32x4.shr_s(i32x4.add(x, i32x4.splat(1 << (bits - 1))), bits);
}

/**
 * One pass over eight vectors; results go to `work`, vector by vector.
 * The constants are sums of those in jidctint.c (figure 8 of Loeffler, Ligtenberg and Moschytz, 1989), times 2^13.
 */
@inline
function pass(r0: v128, r1: v128, r2: v128, r3: v128, r4: v128, r5: v128, r6: v128, r7: v128, bits: i32, work: usize): void {
  // Even part: tmp2 = 0.541196100 r2 - 1.306562965 r6, tmp3 = 1.306562965 r2 + 0.541196100 r6.
  const even = pair(4433, 4433 - 15137);
  const even3 = pair(4433 + 6270, 4433);
  const p26l = lowPairs(r2, r6);
  const p26h = highPairs(r2, r6);
  const sum = i16x8.add(r0, r4);
  const difference = i16x8.sub(r0, r4);
  const tmp2l = i32x4.dot_i16x8_s(p26l, even), tmp2h = i32x4.dot_i16x8_s(p26h, even);
  const tmp3l = i32x4.dot_i16x8_s(p26l, even3), tmp3h = i32x4.dot_i16x8_s(p26h, even3);
  const tmp0l = i32x4.shl(i32x4.extend_low_i16x8_s(sum), CONSTANT_BITS), tmp0h = i32x4.shl(i32x4.extend_high_i16x8_s(sum), CONSTANT_BITS);
  const tmp1l = i32x4.shl(i32x4.extend_low_i16x8_s(difference), CONSTANT_BITS);
  const tmp1h = i32x4.shl(i32x4.extend_high_i16x8_s(difference), CONSTANT_BITS);
  const e0l = i32x4.add(tmp0l, tmp3l), e0h = i32x4.add(tmp0h, tmp3h), e3l = i32x4.sub(tmp0l, tmp3l), e3h = i32x4.sub(tmp0h, tmp3h);
  const e1l = i32x4.add(tmp1l, tmp2l), e1h = i32x4.add(tmp1h, tmp2h), e2l = i32x4.sub(tmp1l, tmp2l), e2h = i32x4.sub(tmp1h, tmp2h);

  // Odd part.
  const z3 = i16x8.add(r7, r3);
  const z4 = i16x8.add(r5, r1);
  const zl = lowPairs(z3, z4), zh = highPairs(z3, z4);
  const c3 = pair(9633 - 16069, 9633);
  const c4 = pair(9633, 9633 - 3196);
  const z3l = i32x4.dot_i16x8_s(zl, c3), z3h = i32x4.dot_i16x8_s(zh, c3);
  const z4l = i32x4.dot_i16x8_s(zl, c4), z4h = i32x4.dot_i16x8_s(zh, c4);
  const p71l = lowPairs(r7, r1), p71h = highPairs(r7, r1);
  const p53l = lowPairs(r5, r3), p53h = highPairs(r5, r3);
  const k0 = pair(2446 - 7373, -7373);
  const o3l = i32x4.add(i32x4.dot_i16x8_s(p71l, k0), z3l), o3h = i32x4.add(i32x4.dot_i16x8_s(p71h, k0), z3h);
  const k3 = pair(-7373, 12299 - 7373);
  const o0l = i32x4.add(i32x4.dot_i16x8_s(p71l, k3), z4l), o0h = i32x4.add(i32x4.dot_i16x8_s(p71h, k3), z4h);
  const k1 = pair(16819 - 20995, -20995);
  const o2l = i32x4.add(i32x4.dot_i16x8_s(p53l, k1), z4l), o2h = i32x4.add(i32x4.dot_i16x8_s(p53h, k1), z4h);
  const k2 = pair(-20995, 25172 - 20995);
  const o1l = i32x4.add(i32x4.dot_i16x8_s(p53l, k2), z3l), o1h = i32x4.add(i32x4.dot_i16x8_s(p53h, k2), z3h);

  v128.store(work, i16x8.narrow_i32x4_s(descale(i32x4.add(e0l, o0l), bits), descale(i32x4.add(e0h, o0h), bits)));
  v128.store(work, i16x8.narrow_i32x4_s(descale(i32x4.sub(e0l, o0l), bits), descale(i32x4.sub(e0h, o0h), bits)), 112);
  v128.store(work, i16x8.narrow_i32x4_s(descale(i32x4.add(e1l, o1l), bits), descale(i32x4.add(e1h, o1h), bits)), 16);
  v128.store(work, i16x8.narrow_i32x4_s(descale(i32x4.sub(e1l, o1l), bits), descale(i32x4.sub(e1h, o1h), bits)), 96);
  v128.store(work, i16x8.narrow_i32x4_s(descale(i32x4.add(e2l, o2l), bits), descale(i32x4.add(e2h, o2h), bits)), 32);
  v128.store(work, i16x8.narrow_i32x4_s(descale(i32x4.sub(e2l, o2l), bits), descale(i32x4.sub(e2h, o2h), bits)), 80);
  v128.store(work, i16x8.narrow_i32x4_s(descale(i32x4.add(e3l, o3l), bits), descale(i32x4.add(e3h, o3h), bits)), 48);
  v128.store(work, i16x8.narrow_i32x4_s(descale(i32x4.sub(e3l, o3l), bits), descale(i32x4.sub(e3h, o3h), bits)), 64);
}

@inline
function lowQuads(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 0, 4, 1, 5);
}

@inline
function highQuads(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 2, 6, 3, 7);
}

/** Two i16 vectors, saturated, as bytes with 128 added. */
@inline
function pixels(a: v128, b: v128): v128 {
  return v128.xor(i8x16.narrow_i16x8_s(a, b), i8x16.splat(-128));
}

/** 8 x 8 pixels. */
function inverse8(block: usize, quantization: usize, out: usize, stride: usize, work: usize): void {
  const r1 = v128.load(block, 16), r2 = v128.load(block, 32), r3 = v128.load(block, 48), r4 = v128.load(block, 64);
  const r5 = v128.load(block, 80), r6 = v128.load(block, 96), r7 = v128.load(block, 112);
  const first = i16x8.mul(v128.load(block), v128.load(quantization));
  const rest = v128.or(v128.or(v128.or(r1, r2), v128.or(r3, r4)), v128.or(v128.or(r5, r6), r7));
  if (!v128.any_true(rest)) {
    // All rows are the first one.
    const row = i16x8.shl(first, PASS1_BITS);
    for (let i: usize = 0; i < 128; i += 16) v128.store(work + i, row);
  } else {
    pass(
      first, i16x8.mul(r1, v128.load(quantization, 16)), i16x8.mul(r2, v128.load(quantization, 32)),
      i16x8.mul(r3, v128.load(quantization, 48)), i16x8.mul(r4, v128.load(quantization, 64)),
      i16x8.mul(r5, v128.load(quantization, 80)), i16x8.mul(r6, v128.load(quantization, 96)),
      i16x8.mul(r7, v128.load(quantization, 112)), CONSTANT_BITS - PASS1_BITS, work,
    );
  }
  const w0 = v128.load(work), w1 = v128.load(work, 16), w2 = v128.load(work, 32), w3 = v128.load(work, 48);
  const w4 = v128.load(work, 64), w5 = v128.load(work, 80), w6 = v128.load(work, 96), w7 = v128.load(work, 112);
  const a0 = lowPairs(w0, w1), a1 = highPairs(w0, w1), a2 = lowPairs(w2, w3), a3 = highPairs(w2, w3);
  const a4 = lowPairs(w4, w5), a5 = highPairs(w4, w5), a6 = lowPairs(w6, w7), a7 = highPairs(w6, w7);
  const b0 = lowQuads(a0, a2), b1 = highQuads(a0, a2), b2 = lowQuads(a1, a3), b3 = highQuads(a1, a3);
  const b4 = lowQuads(a4, a6), b5 = highQuads(a4, a6), b6 = lowQuads(a5, a7), b7 = highQuads(a5, a7);
  pass(
    i64x2.shuffle(b0, b4, 0, 2), i64x2.shuffle(b0, b4, 1, 3), i64x2.shuffle(b1, b5, 0, 2), i64x2.shuffle(b1, b5, 1, 3),
    i64x2.shuffle(b2, b6, 0, 2), i64x2.shuffle(b2, b6, 1, 3), i64x2.shuffle(b3, b7, 0, 2), i64x2.shuffle(b3, b7, 1, 3),
    CONSTANT_BITS + PASS1_BITS + 3, work,
  );
  // Columns x and x + 4 in a vector of bytes; interleaved three times they are rows.
  const c04 = pixels(v128.load(work), v128.load(work, 64)), c15 = pixels(v128.load(work, 16), v128.load(work, 80));
  const c26 = pixels(v128.load(work, 32), v128.load(work, 96)), c37 = pixels(v128.load(work, 48), v128.load(work, 112));
  const t02 = interleaveLow(c04, c26), t46 = interleaveHigh(c04, c26), t13 = interleaveLow(c15, c37), t57 = interleaveHigh(c15, c37);
  const u0 = interleaveLow(t02, t13), u1 = interleaveHigh(t02, t13), u2 = interleaveLow(t46, t57), u3 = interleaveHigh(t46, t57);
  out = twoRows(out, stride, lowQuads(u0, u2));
  out = twoRows(out, stride, highQuads(u0, u2));
  out = twoRows(out, stride, lowQuads(u1, u3));
  twoRows(out, stride, highQuads(u1, u3));
}

@inline
function twoRows(out: usize, stride: usize, rows: v128): usize {
  v128.store_lane<u64>(out, rows, 0);
  v128.store_lane<u64>(out + stride, rows, 1);
  return out + 2 * stride;
}

/** A pixel of a block that is one: libjpeg keeps ten bits (jidctred.c, jpeg_idct_1x1). */
@inline
function onePixel(dc: i32): u8 {
  return <u8>min(max(((((dc + 4) >> 3) << 22) >> 22) + 128, 0), 255);
}

/** A pixel of a value with five bits after the point. */
@inline
function pixel(value: i32): u8 {
  return <u8>min(max(((value + 16) >> 5) + 128, 0), 255);
}

/** Between the passes libjpeg's SIMD code has 16 bits. */
@inline
function saturated(value: i32): i32 {
  return min(max(value, -32768), 32767);
}

/** A coefficient times its quantization. */
@inline
function coefficient(block: usize, quantization: usize, index: usize): i32 {
  return <i32><i16>(<i32>load<i16>(block + (index << 1)) * <i32>load<i16>(quantization + (index << 1)));
}

/** A block that is its DC coefficient. */
function flat(block: usize, quantization: usize, side: i32, out: usize, stride: usize): void {
  const dc = coefficient(block, quantization, 0) << PASS1_BITS;
  const value = pixel(side == 2 ? saturated(dc) : <i32><i16>dc);
  if (side == 8) {
    const row = i8x16.splat(<i8>value);
    for (let y = 0; y < 8; y++, out += stride) v128.store_lane<u64>(out, row, 0);
    return;
  }
  for (let y = 0; y < side; y++, out += stride) memory.fill(out, value, <usize>side);
}

/** The odd part of jidctred.c's four-point transform, and its outputs. */
@inline
function quarter(at: usize, step: usize, r0: i32, r1: i32, r2: i32, r3: i32, r5: i32, r6: i32, r7: i32, bits: i32): void {
  const even = r0 << (CONSTANT_BITS + 1);
  const tmp2 = r2 * 15137 - r6 * 6270;
  const odd0 = r7 * -1730 + r5 * 11893 + r3 * -17799 + r1 * 8697;
  const odd2 = r7 * -4176 + r5 * -4926 + r3 * 7373 + r1 * 20995;
  const half = 1 << (bits - 1);
  store<i32>(at, saturated((even + tmp2 + odd2 + half) >> bits));
  store<i32>(at + step, saturated((even - tmp2 + odd0 + half) >> bits));
  store<i32>(at + 2 * step, saturated((even - tmp2 - odd0 + half) >> bits));
  store<i32>(at + 3 * step, saturated((even + tmp2 - odd2 + half) >> bits));
}

/** 4 x 4 pixels (jpeg_idct_4x4). `work` holds columns of i32: [8][4]. */
function inverse4(block: usize, quantization: usize, out: usize, stride: usize, work: usize): void {
  for (let x: usize = 0; x < 8; x++) {
    if (x == 4) continue; // no output takes it
    quarter(
      work + (x << 4), 4, coefficient(block, quantization, x), coefficient(block, quantization, x + 8),
      coefficient(block, quantization, x + 16), coefficient(block, quantization, x + 24), coefficient(block, quantization, x + 40),
      coefficient(block, quantization, x + 48), coefficient(block, quantization, x + 56), CONSTANT_BITS - PASS1_BITS + 1,
    );
  }
  for (let y: usize = 0; y < 4; y++, out += stride) {
    const row = work + (y << 2);
    // Five bits after the point are kept for the rounding to pixels: the shift is the whole one.
    const even = load<i32>(row) << (CONSTANT_BITS + 1);
    const r1 = load<i32>(row, 16), r2 = load<i32>(row, 32), r3 = load<i32>(row, 48);
    const r5 = load<i32>(row, 80), r6 = load<i32>(row, 96), r7 = load<i32>(row, 112);
    const tmp2 = r2 * 15137 - r6 * 6270;
    const odd0 = r7 * -1730 + r5 * 11893 + r3 * -17799 + r1 * 8697;
    const odd2 = r7 * -4176 + r5 * -4926 + r3 * 7373 + r1 * 20995;
    const bits = CONSTANT_BITS + PASS1_BITS + 3 + 1;
    store<u8>(out, clamp(even + tmp2 + odd2, bits));
    store<u8>(out, clamp(even - tmp2 + odd0, bits), 1);
    store<u8>(out, clamp(even - tmp2 - odd0, bits), 2);
    store<u8>(out, clamp(even + tmp2 - odd2, bits), 3);
  }
}

@inline
function clamp(value: i32, bits: i32): u8 {
  return <u8>min(max(((value + (1 << (bits - 1))) >> bits) + 128, 0), 255);
}

@inline
function oddHalf(r1: i32, r3: i32, r5: i32, r7: i32): i32 {
  return r7 * -5906 + r5 * 6967 + r3 * -10426 + r1 * 29692;
}

/** 2 x 2 pixels (jpeg_idct_2x2). `work` holds columns of i32: [8][2]. */
function inverse2(block: usize, quantization: usize, out: usize, stride: usize, work: usize): void {
  const bits = CONSTANT_BITS - PASS1_BITS + 2;
  const half = 1 << (bits - 1);
  for (let x: usize = 0; x < 8; x++) {
    if (x == 2 || x == 4 || x == 6) continue; // no output takes them
    const even = coefficient(block, quantization, x) << (CONSTANT_BITS + 2);
    const odd = oddHalf(
      coefficient(block, quantization, x + 8), coefficient(block, quantization, x + 24),
      coefficient(block, quantization, x + 40), coefficient(block, quantization, x + 56),
    );
    store<i32>(work + (x << 3), saturated((even + odd + half) >> bits));
    store<i32>(work + (x << 3), saturated((even - odd + half) >> bits), 4);
  }
  for (let y: usize = 0; y < 2; y++, out += stride) {
    const row = work + (y << 2);
    const even = load<i32>(row) << (CONSTANT_BITS + 2);
    const odd = oddHalf(load<i32>(row, 8), load<i32>(row, 24), load<i32>(row, 40), load<i32>(row, 56));
    store<u8>(out, clamp(even + odd, CONSTANT_BITS + PASS1_BITS + 3 + 2));
    store<u8>(out, clamp(even - odd, CONSTANT_BITS + PASS1_BITS + 3 + 2), 1);
  }
}

/**
 * A block of coefficients, i16[64] in natural order, to side x side pixels at `out`, lines `stride` bytes apart. `any`: whether
 * others than DC may be there. `quantization`: u16[64]. `work`: 128 bytes.
 */
export function inverseDct(block: usize, quantization: usize, side: i32, any: i32, out: usize, stride: usize, work: usize): void {
  if (side == 8) {
    if (any) inverse8(block, quantization, out, stride, work);
    else flat(block, quantization, side, out, stride);
  } else if (side == 1) {
    store<u8>(out, onePixel(coefficient(block, quantization, 0)));
  } else if (!any) {
    flat(block, quantization, side, out, stride);
  } else if (side == 4) {
    inverse4(block, quantization, out, stride, work);
  } else {
    inverse2(block, quantization, out, stride, work);
  }
}
