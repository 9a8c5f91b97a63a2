// Pillow 13's resampling (Resample.c, ImagingResampleHorizontal_8bpc and ImagingResampleVertical_8bpc) with SIMD.
//
// Pillow multiplies u8 pixels by 23-bit coefficients c and adds in i32. The only integer dot product of WebAssembly
// takes i16, so each coefficient is split: c = hi * 2^15 + lo with lo in 0..32767 and hi in -128..128. Then
//   sum(c * p) = (sum(hi * p) << 15) + sum(lo * p)        exactly, modulo 2^32,
// and the true sum fits an i32 (255 * 2^22 * 1.3), so the result is Pillow's to the last bit.
//
// Coefficients in memory, for groups of eight taps (the last group is filled up with zeros):
//   | hi0 hi1 .. hi7 (i16) | lo0 lo1 .. lo7 (i16) | next group ..
// They are computed in TypeScript (src/image/taps.ts).

import { PIXEL_LANES, RESAMPLE_BITS, TAP_GROUP, TAP_LOW_BITS } from '../../src/image/contract';
import { interleaveHigh, interleaveLow } from './lanes';

/** The upper eight bytes, in the lower half too. */
@inline
function upperHalf(v: v128): v128 {
  return i64x2.shuffle(v, v, 1, 1);
}

/**
 * One row of interleaved pixels to three planes of bytes: planes[0..] R, planes[stride..] G, planes[2 * stride..] B.
 * `pixels` is rounded up to a multiple of 16: `row` is read and each plane written that far.
 *
 * Sixteen pixels are n = 48 or 64 bytes. Interleaving their first half with their second moves byte i to 2 i modulo n - 1;
 * after four such rounds it is at 16 i. So byte 3 p + c of RGB (48 p + 16 c) is at p + 16 c, where the planes want it, and so
 * is byte 4 p + c of RGBA. All of it is unpack instructions, which unlike other shuffles need no constants.
 */
export function splitRow(row: usize, planes: usize, stride: usize, pixels: i32, channels: i32): void {
  assert(pixels > 0 && pixels % PIXEL_LANES == 0 && stride >= <usize>pixels && (channels == 3 || channels == 4));
  const end = planes + <usize>pixels;
  let red = planes;
  let green = planes + stride;
  let blue = green + stride;
  while (red < end) {
    const v0 = v128.load(row);
    const v1 = v128.load(row, 16);
    const v2 = v128.load(row, 32);
    if (channels == 4) {
      const v3 = v128.load(row, 48);
      const a0 = interleaveLow(v0, v2), a1 = interleaveHigh(v0, v2), a2 = interleaveLow(v1, v3), a3 = interleaveHigh(v1, v3);
      const b0 = interleaveLow(a0, a2), b1 = interleaveHigh(a0, a2), b2 = interleaveLow(a1, a3), b3 = interleaveHigh(a1, a3);
      const c0 = interleaveLow(b0, b2), c1 = interleaveHigh(b0, b2), c2 = interleaveLow(b1, b3), c3 = interleaveHigh(b1, b3);
      v128.store(red, interleaveLow(c0, c2));
      v128.store(green, interleaveHigh(c0, c2));
      v128.store(blue, interleaveLow(c1, c3));
      row += 64;
    } else {
      // The second half begins in the middle of v1.
      const a0 = interleaveLow(v0, upperHalf(v1)), a1 = interleaveLow(upperHalf(v0), v2), a2 = interleaveLow(v1, upperHalf(v2));
      const b0 = interleaveLow(a0, upperHalf(a1)), b1 = interleaveLow(upperHalf(a0), a2), b2 = interleaveLow(a1, upperHalf(a2));
      const c0 = interleaveLow(b0, upperHalf(b1)), c1 = interleaveLow(upperHalf(b0), b2), c2 = interleaveLow(b1, upperHalf(b2));
      v128.store(red, interleaveLow(c0, upperHalf(c1)));
      v128.store(green, interleaveLow(upperHalf(c0), c2));
      v128.store(blue, interleaveLow(c1, upperHalf(c2)));
      row += 48;
    }
    red += 16;
    green += 16;
    blue += 16;
  }
}

/**
 * The horizontal pass over one row: out[3 * x + c] = clip8((sum over t of c[x][t] * plane c[start[x] + t] + half) >> 22).
 * `starts`: u32 [count], first tap of each output pixel, counted from the beginning of the planes.
 * `coefficients`: [count][groups] of the layout above. `out`: 3 * count bytes, and one more is overwritten.
 * Planes are read up to start + 8 * groups; beyond the taps the bytes only have to be readable, as their coefficient is zero.
 * A stride of 0 makes gray pixels of one plane.
 *
 *   eight bytes of a plane   p0 .. p7  -> i16
 *   . hi0 .. hi7             hiR: (h0p0+h1p1) (h2p2+h3p3) (h4p4+h5p5) (h6p6+h7p7)
 *   . lo0 .. lo7             loR: likewise; the same for G and B with the same two coefficient vectors
 *   at the end               R = (hiR << 15) + loR, four partial sums a channel, added crosswise to | R G B B |
 */
export function resampleColumns(
  planes: usize,
  stride: usize,
  starts: usize,
  coefficients: usize,
  groups: i32,
  count: i32,
  out: usize,
): void {
  assert(groups > 0 && count > 0);
  const half = i32x4.splat(1 << (RESAMPLE_BITS - 1));
  const size = <usize>groups * (4 * TAP_GROUP);
  const last = starts + ((<usize>count) << 2);
  const stride2 = stride << 1;
  while (starts < last) {
    let plane = planes + <usize>load<u32>(starts);
    let hiR = i32x4.splat(0);
    let loR = i32x4.splat(0);
    let hiG = i32x4.splat(0);
    let loG = i32x4.splat(0);
    let hiB = i32x4.splat(0);
    let loB = i32x4.splat(0);
    const end = coefficients + size;
    do {
      const hi = v128.load(coefficients);
      const lo = v128.load(coefficients, 16);
      const r = v128.load_ext<u8>(plane);
      const g = v128.load_ext<u8>(plane + stride);
      const v = v128.load_ext<u8>(plane + stride2);
      coefficients += 32;
      plane += 8;
      hiR = i32x4.add(hiR, i32x4.dot_i16x8_s(r, hi));
      loR = i32x4.add(loR, i32x4.dot_i16x8_s(r, lo));
      hiG = i32x4.add(hiG, i32x4.dot_i16x8_s(g, hi));
      loG = i32x4.add(loG, i32x4.dot_i16x8_s(g, lo));
      hiB = i32x4.add(hiB, i32x4.dot_i16x8_s(v, hi));
      loB = i32x4.add(loB, i32x4.dot_i16x8_s(v, lo));
    } while (coefficients < end);
    const sumR = i32x4.add(i32x4.shl(hiR, TAP_LOW_BITS), loR);
    const sumG = i32x4.add(i32x4.shl(hiG, TAP_LOW_BITS), loG);
    const sumB = i32x4.add(i32x4.shl(hiB, TAP_LOW_BITS), loB);
    const rg = i32x4.add(i32x4.shuffle(sumR, sumG, 0, 4, 1, 5), i32x4.shuffle(sumR, sumG, 2, 6, 3, 7));
    const bb = i32x4.add(i32x4.shuffle(sumB, sumB, 0, 0, 1, 1), i32x4.shuffle(sumB, sumB, 2, 2, 3, 3));
    let sum = i32x4.add(i64x2.shuffle(rg, bb, 0, 2), i64x2.shuffle(rg, bb, 1, 3));
    sum = i32x4.shr_s(i32x4.add(sum, half), RESAMPLE_BITS);
    const narrow = i16x8.narrow_i32x4_s(sum, sum);
    v128.store_lane<u32>(out, i8x16.narrow_i16x8_u(narrow, narrow), 0);
    out += 3;
    starts += 4;
  }
}

/**
 * The vertical pass for one output row: out[i] = clip8((sum over t of c[t] * row t[i] + half) >> 22), i < bytes.
 * The rows are in a ring of `ringRows` rows, `stride` bytes apart (a multiple of 8, at least bytes rounded up to 8); tap 0 is
 * row `first` of it. `coefficients`: pairs of rows, | hi0 hi1 (2 i16) | lo0 lo1 (2 i16) |; an odd count ends with a zero.
 *
 *   row t    a0 .. a7, row t+1  b0 .. b7  -> i16, interleaved
 *   a0 b0 a1 b1 a2 b2 a3 b3 . h0 h1 h0 h1 ..  -> columns 0..3;   a4 b4 .. a7 b7 likewise -> columns 4..7
 */
export function resampleRows(
  ring: usize,
  stride: usize,
  ringRows: i32,
  first: i32,
  taps: i32,
  coefficients: usize,
  out: usize,
  bytes: i32,
): void {
  assert(ringRows > 0 && first >= 0 && first < ringRows && taps > 0 && taps <= ringRows && bytes > 0 && stride >= <usize>bytes);
  const half = i32x4.splat(1 << (RESAMPLE_BITS - 1));
  const ringEnd = ring + stride * <usize>ringRows;
  const size = stride * <usize>ringRows;
  let column: usize = 0;
  const total = <usize>bytes;
  while (column < total) {
    let row = ring + stride * <usize>first + column;
    let c = coefficients;
    let hi0 = i32x4.splat(0);
    let hi1 = i32x4.splat(0);
    let lo0 = i32x4.splat(0);
    let lo1 = i32x4.splat(0);
    for (let t = 0; t < taps; t += 2) {
      const a = v128.load_ext<u8>(row);
      row += stride;
      if (row >= ringEnd) row -= size;
      const b = v128.load_ext<u8>(row);
      row += stride;
      if (row >= ringEnd) row -= size;
      const low = i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
      const high = i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
      const hi = v128.load32_splat(c);
      const lo = v128.load32_splat(c, 4);
      hi0 = i32x4.add(hi0, i32x4.dot_i16x8_s(low, hi));
      hi1 = i32x4.add(hi1, i32x4.dot_i16x8_s(high, hi));
      lo0 = i32x4.add(lo0, i32x4.dot_i16x8_s(low, lo));
      lo1 = i32x4.add(lo1, i32x4.dot_i16x8_s(high, lo));
      c += 8;
    }
    const sum0 = i32x4.add(i32x4.add(i32x4.shl(hi0, TAP_LOW_BITS), lo0), half);
    const sum1 = i32x4.add(i32x4.add(i32x4.shl(hi1, TAP_LOW_BITS), lo1), half);
    const narrow = i16x8.narrow_i32x4_s(i32x4.shr_s(sum0, RESAMPLE_BITS), i32x4.shr_s(sum1, RESAMPLE_BITS));
    const pixels = i8x16.narrow_i16x8_u(narrow, narrow);
    if (column + 8 <= total) {
      v128.store_lane<u64>(out + column, pixels, 0);
    } else {
      let rest = i64x2.extract_lane(pixels, 0);
      for (let i = column; i < total; i++) {
        store<u8>(out + i, <u8>rest);
        rest >>= 8;
      }
    }
    column += 8;
  }
}
