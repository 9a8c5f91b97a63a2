// From planes of samples to rows of pixels: libjpeg's upsampling (jdsample.c) and color conversion (jdcolor.c).

import { interleaveHigh, interleaveLow } from './lanes';

@inline
function low(v: v128): v128 {
  return i16x8.extend_low_i8x16_u(v);
}

@inline
function high(v: v128): v128 {
  return i16x8.extend_high_i8x16_u(v);
}

/**
 * Twice as wide, by a triangle filter (h2v1_fancy_upsample): 3/4 of the nearer sample and 1/4 of the next.
 * `from` .. `from + count`: samples; the ones before and behind must be there, at the picture's edges as copies of the
 * outermost. `count` is rounded up to 16.
 *
 *   out[2i] = (3 s[i] + s[i-1] + 1) >> 2     out[2i+1] = (3 s[i] + s[i+1] + 2) >> 2
 */
export function doubleAcross(from: usize, out: usize, count: i32): void {
  const three = i16x8.splat(3);
  const end = from + <usize>count;
  for (; from < end; from += 16, out += 32) {
    const left = v128.load(from - 1), middle = v128.load(from), right = v128.load(from, 1);
    const ml = i16x8.mul(low(middle), three), mh = i16x8.mul(high(middle), three);
    const one = i16x8.splat(1), two = i16x8.splat(2);
    const el = i16x8.shr_u(i16x8.add(i16x8.add(ml, low(left)), one), 2), eh = i16x8.shr_u(i16x8.add(i16x8.add(mh, high(left)), one), 2);
    const ol = i16x8.shr_u(i16x8.add(i16x8.add(ml, low(right)), two), 2), oh = i16x8.shr_u(i16x8.add(i16x8.add(mh, high(right)), two), 2);
    const even = i8x16.narrow_i16x8_u(el, eh), odd = i8x16.narrow_i16x8_u(ol, oh);
    v128.store(out, interleaveLow(even, odd));
    v128.store(out, interleaveHigh(even, odd), 16);
  }
}

/** Between two lines (h1v2_fancy_upsample): (3 near + far + bias) >> 2. `count` is rounded up to 16. */
export function blendLines(near: usize, far: usize, bias: i32, out: usize, count: i32): void {
  const three = i16x8.splat(3);
  const add = i16x8.splat(<i16>bias);
  const end = near + <usize>count;
  for (; near < end; near += 16, far += 16, out += 16) {
    const n = v128.load(near), f = v128.load(far);
    const l = i16x8.shr_u(i16x8.add(i16x8.add(i16x8.mul(low(n), three), low(f)), add), 2);
    const h = i16x8.shr_u(i16x8.add(i16x8.add(i16x8.mul(high(n), three), high(f)), add), 2);
    v128.store(out, i8x16.narrow_i16x8_u(l, h));
  }
}

/**
 * Twice as wide and between two lines (h2v2_fancy_upsample): t = 3 near + far, then across. Edges and `count` as in
 * doubleAcross. `sums`: 2 * count + 64 bytes.
 *
 *   out[2i] = (3 t[i] + t[i-1] + 8) >> 4     out[2i+1] = (3 t[i] + t[i+1] + 7) >> 4
 */
export function doubleBoth(near: usize, far: usize, out: usize, count: i32, sums: usize): void {
  const three = i16x8.splat(3);
  // From 16 samples before on, so that t[-1] is there, to one vector behind.
  let to = sums;
  let n = near - 16;
  let f = far - 16;
  const last = near + <usize>count + 16;
  for (; n < last; n += 16, f += 16, to += 32) {
    const a = v128.load(n), b = v128.load(f);
    v128.store(to, i16x8.add(i16x8.mul(low(a), three), low(b)));
    v128.store(to, i16x8.add(i16x8.mul(high(a), three), high(b)), 16);
  }
  const eight = i16x8.splat(8), seven = i16x8.splat(7);
  let t = sums + 32;
  const end = out + 2 * <usize>count;
  for (; out < end; out += 32, t += 32) {
    const m0 = i16x8.mul(v128.load(t), three), m1 = i16x8.mul(v128.load(t, 16), three);
    const e0 = i16x8.shr_u(i16x8.add(i16x8.add(m0, v128.load(t - 2)), eight), 4);
    const e1 = i16x8.shr_u(i16x8.add(i16x8.add(m1, v128.load(t + 14)), eight), 4);
    const o0 = i16x8.shr_u(i16x8.add(i16x8.add(m0, v128.load(t, 2)), seven), 4);
    const o1 = i16x8.shr_u(i16x8.add(i16x8.add(m1, v128.load(t, 18)), seven), 4);
    const even = i8x16.narrow_i16x8_u(e0, e1), odd = i8x16.narrow_i16x8_u(o0, o1);
    v128.store(out, interleaveLow(even, odd));
    v128.store(out, interleaveHigh(even, odd), 16);
  }
}

/** Each sample `times` times (int_upsample): `count` samples. */
export function repeatSamples(from: usize, out: usize, count: i32, times: i32): void {
  const end = from + <usize>count;
  if (times == 2) {
    for (; from < end; from += 16, out += 32) {
      const v = v128.load(from);
      v128.store(out, interleaveLow(v, v));
      v128.store(out, interleaveHigh(v, v), 16);
    }
    return;
  }
  for (; from < end; from++, out += <usize>times) memory.fill(out, load<u8>(from), <usize>times);
}

/** (x * c + half) >> 16 for pairs (x, 2) and (c, 16384): the half is 2 * 16384. */
@inline
function scaled(x: v128, factor: v128): v128 {
  const two = i16x8.splat(2);
  const l = i32x4.shr_s(i32x4.dot_i16x8_s(i16x8.shuffle(x, two, 0, 8, 1, 9, 2, 10, 3, 11), factor), 16);
  const h = i32x4.shr_s(i32x4.dot_i16x8_s(i16x8.shuffle(x, two, 4, 12, 5, 13, 6, 14, 7, 15), factor), 16);
  return i16x8.narrow_i32x4_s(l, h);
}

@inline
function factor(c: i32): v128 {
  return i32x4.splat((c & 0xffff) | (16384 << 16));
}

@inline
function green(cb: v128, cr: v128): v128 {
  const factors = i32x4.splat((-22554 & 0xffff) | (18734 << 16));
  const half = i32x4.splat(32768);
  const l = i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(i16x8.shuffle(cb, cr, 0, 8, 1, 9, 2, 10, 3, 11), factors), half), 16);
  const h = i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(i16x8.shuffle(cb, cr, 4, 12, 5, 13, 6, 14, 7, 15), factors), half), 16);
  return i16x8.sub(i16x8.narrow_i32x4_s(l, h), cr);
}

/**
 * YCbCr to planes of RGB (ycc_rgb_convert), `count` rounded up to 16. With x = c - 128 and 16 bits after the point, as
 * libjpeg's tables have them; factors above 1/2 lose whole numbers, so that they fit an i16:
 *
 *   R = y + cr + ((26345 cr + half) >> 16)              1.40200 = 1 + 26345 / 2^16
 *   G = y - cr + ((18734 cr - 22554 cb + half) >> 16)   0.71414 = 1 - 18734 / 2^16
 *   B = y + 2 cb + ((-14942 cb + half) >> 16)           1.77200 = 2 - 14942 / 2^16
 */
export function convertYcc(y: usize, cb: usize, cr: usize, red: usize, plane: usize, count: i32): void {
  const center = i16x8.splat(128);
  const redFactor = factor(26345);
  const blueFactor = factor(-14942);
  const end = y + <usize>count;
  for (; y < end; y += 16, cb += 16, cr += 16, red += 16) {
    const luma = v128.load(y), b = v128.load(cb), r = v128.load(cr);
    const yl = low(luma), yh = high(luma);
    const bl = i16x8.sub(low(b), center), bh = i16x8.sub(high(b), center);
    const rl = i16x8.sub(low(r), center), rh = i16x8.sub(high(r), center);
    v128.store(red, i8x16.narrow_i16x8_u(
      i16x8.add(i16x8.add(yl, rl), scaled(rl, redFactor)), i16x8.add(i16x8.add(yh, rh), scaled(rh, redFactor))));
    v128.store(red + plane, i8x16.narrow_i16x8_u(i16x8.add(yl, green(bl, rl)), i16x8.add(yh, green(bh, rh))));
    v128.store(red + 2 * plane, i8x16.narrow_i16x8_u(
      i16x8.add(i16x8.add(yl, i16x8.add(bl, bl)), scaled(bl, blueFactor)),
      i16x8.add(i16x8.add(yh, i16x8.add(bh, bh)), scaled(bh, blueFactor))));
  }
}

/** x * k / 255, rounded as Pillow's MULDIV255 does, of eight products. */
@inline
function ratio(x: v128, k: v128): v128 {
  const product = i16x8.add(i16x8.mul(x, k), i16x8.splat(128));
  return i16x8.shr_u(i16x8.add(i16x8.shr_u(product, 8), product), 8);
}

/**
 * Ink to light, as Pillow inverts what Adobe stores and converts CMYK to RGB (Convert.c, cmyk2rgb): k - ink k / 255, in
 * place. `invert`: the samples are 255 - ink. `count` is rounded up to 16.
 */
export function applyBlack(samples: usize, black: usize, invert: i32, count: i32): void {
  const flip = i8x16.splat(invert ? -1 : 0);
  const end = samples + <usize>count;
  for (; samples < end; samples += 16, black += 16) {
    const ink = v128.xor(v128.load(samples), flip);
    const k = v128.load(black);
    const l = i16x8.sub(low(k), ratio(low(ink), low(k))), h = i16x8.sub(high(k), ratio(high(ink), high(k)));
    v128.store(samples, i8x16.narrow_i16x8_u(l, h));
  }
}

export function copyBytes(from: usize, to: usize, bytes: i32): void {
  memory.copy(to, from, <usize>bytes);
}
