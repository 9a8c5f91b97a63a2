// From an RGB u8 picture to the left operand of a first convolution: a ViT's patch embedding (window = stride = patch) or a
// stem (3x3, stride 2). First the zero points are subtracted, into a padded image, then each window becomes a packed row with
// its values as [y][x][channel]; the weights are permuted to that order while loading.

import { firstOfGroup, groupAt, groupAtF32, rowsOfGroup, storeQuad } from './packed-rows';

/** i16 2p - z, z by channel: |2 p0 - z0|2 p1 - z1|... of 8 bytes. */
@inline
function subtract(p: usize, z: v128): v128 {
  return i16x8.sub(i16x8.shl(v128.load_ext<u8>(p), 1), z);
}

/** Eight zero points: |a|b|c|a|b|c|a|b|. */
@inline
function pattern(a: i16, b: i16, c: i16): v128 {
  let v = i16x8.splat(a);
  v = i16x8.replace_lane(v, 1, b);
  v = i16x8.replace_lane(v, 2, c);
  v = i16x8.replace_lane(v, 4, b);
  v = i16x8.replace_lane(v, 5, c);
  return i16x8.replace_lane(v, 7, b);
}

/** |2 p0 - z0|2 p1 - z1|2 p2 - z2|1| of two pixels from 8 bytes; z: |z0|z1|z2|-1|, twice. */
@inline
function subtractTwo(p: usize, z: v128): v128 {
  const v = i8x16.swizzle(v128.load64_zero(p), i8x16(0, 1, 2, 8, 3, 4, 5, 8, 8, 8, 8, 8, 8, 8, 8, 8)); // byte 8 is zero
  return i16x8.sub(i16x8.shl(i16x8.extend_low_i8x16_u(v), 1), z);
}

/** A line of `size` pixels as three channels. */
@inline
function centreThree(pixels: usize, size: i32, z0: i32, z1: i32, z2: i32, q: usize): void {
  const line = size * 3;
  const a = pattern(<i16>z0, <i16>z1, <i16>z2);
  const b = pattern(<i16>z2, <i16>z0, <i16>z1); // 8 mod 3 = 2
  const c = pattern(<i16>z1, <i16>z2, <i16>z0); // 16 mod 3 = 1
  let i = 0;
  for (; i + 24 <= line; i += 24) {
    v128.store(q, subtract(pixels, a));
    v128.store(q, subtract(pixels + 8, b), 16);
    v128.store(q, subtract(pixels + 16, c), 32);
    pixels += 24;
    q += 48;
  }
  for (; i < line; i++) {
    const channel = i % 3;
    store<i16>(q, <i16>(2 * <i32>load<u8>(pixels) - (channel == 0 ? z0 : channel == 1 ? z1 : z2)));
    pixels++;
    q += 2;
  }
}

/** A line of `size` pixels as four channels, of which the fourth is 1. Two pixels at once as long as 8 bytes are in the line. */
@inline
function centreFour(pixels: usize, size: i32, z0: i32, z1: i32, z2: i32, q: usize): void {
  const once = i16x8.replace_lane(pattern(<i16>z0, <i16>z1, <i16>z2), 3, -1);
  const z = v128.shuffle<i64>(once, once, 0, 0);
  let x = 0;
  for (; x + 2 < size; x += 2) {
    v128.store(q, subtractTwo(pixels, z));
    pixels += 6;
    q += 16;
  }
  for (; x < size; x++) {
    store<i16>(q, <i16>(2 * <i32>load<u8>(pixels) - z0));
    store<i16>(q, <i16>(2 * <i32>load<u8>(pixels, 1) - z1), 2);
    store<i16>(q, <i16>(2 * <i32>load<u8>(pixels, 2) - z2), 4);
    store<i16>(q, 1, 6);
    pixels += 3;
    q += 8;
  }
}

/**
 * u8 [size, size, 3] to i16 2p - z in an image [padded, padded, channels] with the picture from line and column `before` on;
 * the rest is zero, the padding of a convolution. channels: 3, or 4 with a fourth that is 1 inside the picture.
 */
export function subtractZeroPoints(
  pixels: usize, size: i32, z0: i32, z1: i32, z2: i32, before: i32, padded: i32, channels: i32, out: usize,
): void {
  assert(size > 0 && before >= 0 && before + size <= padded && (channels == 3 || channels == 4));
  const pixel = <usize>(channels << 1);
  memory.fill(out, 0, <usize>(padded * padded) * pixel);
  for (let y = 0; y < size; y++) {
    const q = out + <usize>((y + before) * padded + before) * pixel;
    if (channels == 4) centreFour(pixels, size, z0, z1, z2, q);
    else centreThree(pixels, size, z0, z1, z2, q);
    pixels += <usize>(size * 3);
  }
}

/**
 * Copies a window's lines one after the other. Whole vectors are copied, so a line ends in garbage until the next line
 * overwrites it; after the last line, zeros up to kPadded values.
 */
@inline
function strip(corner: usize, lineBytes: usize, window: i32, channels: i32, kPadded: i32, to: usize): void {
  const run = <usize>(window * channels << 1);
  let at = to;
  for (let y = 0; y < window; y++) {
    for (let o: usize = 0; o < run; o += 16) v128.store(at + o, v128.load(corner + o));
    corner += lineBytes;
    at += run;
  }
  const end = to + (<usize>kPadded << 1);
  for (; at < end; at += 2) store<i16>(at, 0);
}

/**
 * Windows of output lines [firstLine, firstLine + lines), `across` a line, of the centered image whose lines are lineBytes
 * apart: rows [firstRow, firstRow + lines * across) of m packed i16 rows of kPadded values (window^2 * channels and zeros). scratch:
 * kPadded * 2 + 16 bytes.
 */
export function gatherInt8(
  image: usize, lineBytes: usize, channels: i32, window: i32, stride: i32, across: i32, firstLine: i32, lines: i32,
  kPadded: i32, firstRow: i32, m: i32, out: usize, scratch: usize,
): void {
  assert(channels > 0 && window > 0 && stride > 0 && kPadded % 4 == 0 && window * window * channels <= kPadded && firstRow + lines * across <= m);
  let i = firstRow;
  for (let y = firstLine; y < firstLine + lines; y++) {
    let corner = image + <usize>(y * stride) * lineBytes;
    for (let x = 0; x < across; x++) {
      strip(corner, lineBytes, window, channels, kPadded, scratch);
      const first = firstOfGroup(i);
      const group = groupAt(out, first, kPadded);
      const rows = rowsOfGroup(first, m);
      for (let e = 0; e < kPadded; e += 4) {
        storeQuad(group, rows, i - first, e, v128.load64_zero(scratch + (<usize>e << 1)));
      }
      corner += <usize>(stride * channels << 1);
      i++;
    }
  }
}

/** The same as packed f32 rows of k = window^2 * channels values. scratch: k * 2 + 16 bytes. */
export function gatherF32(
  image: usize, lineBytes: usize, channels: i32, window: i32, stride: i32, across: i32, firstLine: i32, lines: i32,
  firstRow: i32, m: i32, out: usize, scratch: usize,
): void {
  assert(channels > 0 && window > 0 && stride > 0 && firstRow + lines * across <= m);
  const k = window * window * channels;
  let i = firstRow;
  for (let y = firstLine; y < firstLine + lines; y++) {
    let corner = image + <usize>(y * stride) * lineBytes;
    for (let x = 0; x < across; x++) {
      strip(corner, lineBytes, window, channels, k, scratch);
      const first = firstOfGroup(i);
      const step = <usize>rowsOfGroup(first, m) << 2;
      let p = groupAtF32(out, first, k) + (<usize>(i - first) << 2);
      for (let e = 0; e < k; e++) {
        store<f32>(p, <f32>load<i16>(scratch + (<usize>e << 1)));
        p += step;
      }
      corner += <usize>(stride * channels << 1);
      i++;
    }
  }
}
