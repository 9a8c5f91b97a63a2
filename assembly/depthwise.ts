// Depthwise convolution, 3x3 and 5x5, stride 1 and 2, then bias and ReLU6, from a padded image to packed rows
// (the left operand of the projection that follows). Input lines are padded, so no tap is ever outside.
//
// int8: 8 channels a vector, two taps a dot:
//
//   tap t    |c0|c1|c2|c3|c4|c5|c6|c7| i16        lo |c0 t t'|c1 t t'|c2 t t'|c3 t t'|
//   tap t'   |c0|c1|c2|c3|c4|c5|c6|c7| i16   ->   hi |c4 t t'|c5 t t'|c6 t t'|c7 t t'|   dot with weights [8][2] i8
//
// Taps are paired as: columns (0,1) (2,3) of each line, then the last column's lines (0,1) (2,3), and the last one alone.
// Input i16 = 8191 / 6 * x (ReLU6 bounds x), 25 taps of 8191 * 127 fit an i32 with room.

import { FIXED_UNIT, ROUND_MAGIC, SIX, atRunTime, relu6, toFixed } from './math';
import { firstOfGroup, groupAt, groupAtF32, rowsOfGroup, storeQuad } from './packed-rows';

@inline
function low(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

@inline
function high(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

@inline
function mac(acc: v128, taps: v128, weights: usize): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(taps, v128.load_ext<i8>(weights)));
}

@inline
function rowsInt8(
  size: i32, stride: i32, input: usize, lineBytes: usize, weights: usize, scale: usize, bias: usize,
  channels: i32, across: i32, lines: i32, from: i32, m: i32, out: usize,
): void {
  const pixel = <usize>channels << 1;
  const finite = <f32>channels;
  const most = atRunTime(SIX, finite), unit = atRunTime(FIXED_UNIT, finite), magic = atRunTime(ROUND_MAGIC, finite);
  let i = from;
  for (let y = 0; y < lines; y++) {
    let corner = input;
    for (let x = 0; x < across; x++) {
      const first = firstOfGroup(i);
      const group = groupAt(out, first, channels);
      const rows = rowsOfGroup(first, m);
      let w = weights;
      for (let c = 0; c < channels; c += 8) {
        let a0 = i32x4.splat(0);
        let a1 = i32x4.splat(0);
        let line = corner + (<usize>c << 1);
        const last = line + pixel * (size - 1);
        for (let ky = 0; ky < size; ky++) {
          const t0 = v128.load(line);
          const t1 = v128.load(line + pixel);
          a0 = mac(a0, low(t0, t1), w);
          a1 = mac(a1, high(t0, t1), w + 8);
          w += 16;
          if (size == 5) {
            const t2 = v128.load(line + pixel * 2);
            const t3 = v128.load(line + pixel * 3);
            a0 = mac(a0, low(t2, t3), w);
            a1 = mac(a1, high(t2, t3), w + 8);
            w += 16;
          }
          line += lineBytes;
        }
        let column = last;
        for (let ky = 0; ky + 1 < size; ky += 2) {
          const t0 = v128.load(column);
          const t1 = v128.load(column + lineBytes);
          a0 = mac(a0, low(t0, t1), w);
          a1 = mac(a1, high(t0, t1), w + 8);
          w += 16;
          column += lineBytes << 1;
        }
        const t = v128.load(column);
        a0 = mac(a0, low(t, i16x8.splat(0)), w);
        a1 = mac(a1, high(t, i16x8.splat(0)), w + 8);
        w += 16;
        const f = <usize>c << 2;
        const v0 = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(a0), v128.load(scale + f)), v128.load(bias + f));
        const v1 = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(a1), v128.load(scale + f, 16)), v128.load(bias + f, 16));
        const q = i16x8.narrow_i32x4_s(toFixed(magic, unit, relu6(most, v0)), toFixed(magic, unit, relu6(most, v1)));
        storeQuad(group, rows, i - first, c, q);
        storeQuad(group, rows, i - first, c + 4, v128.shuffle<i64>(q, q, 1, 0));
      }
      corner += pixel * stride;
      i++;
    }
    input += lineBytes * stride;
  }
}

/**
 * input: i16 image [.][.][channels] whose lines are lineBytes apart and padded; weights: i8 [channels/8][pairs][8][2];
 * scale, bias: f32[channels]; kernel 3 or 5; channels a multiple of 8. out: m packed i16 rows of scale
 * 6 / 8191, a row a pixel, of which [firstRow, firstRow + lines * across) are written.
 */
export function depthwiseInt8(
  input: usize, lineBytes: usize, kernel: i32, stride: i32, weights: usize, scale: usize, bias: usize,
  channels: i32, across: i32, lines: i32, firstRow: i32, m: i32, out: usize,
): void {
  assert((kernel == 3 || kernel == 5) && stride > 0 && channels % 8 == 0 && firstRow + lines * across <= m);
  if (kernel == 3) rowsInt8(3, stride, input, lineBytes, weights, scale, bias, channels, across, lines, firstRow, m, out);
  else rowsInt8(5, stride, input, lineBytes, weights, scale, bias, channels, across, lines, firstRow, m, out);
}

/** The same in f32: weights [channels/8][kernel^2][8] f32, taps line by line; out: packed f32 rows. */
export function depthwiseF32(
  input: usize, lineBytes: usize, kernel: i32, stride: i32, weights: usize, bias: usize,
  channels: i32, across: i32, lines: i32, firstRow: i32, m: i32, out: usize,
): void {
  assert(kernel > 0 && stride > 0 && channels % 8 == 0 && firstRow + lines * across <= m);
  const pixel = <usize>channels << 2;
  const most = atRunTime(SIX, <f32>channels);
  let i = firstRow;
  for (let y = 0; y < lines; y++) {
    let corner = input;
    for (let x = 0; x < across; x++) {
      const first = firstOfGroup(i);
      const step = <usize>rowsOfGroup(first, m) << 2;
      let p = groupAtF32(out, first, channels) + (<usize>(i - first) << 2);
      let w = weights;
      for (let c = 0; c < channels; c += 8) {
        let a0 = f32x4.splat(0);
        let a1 = f32x4.splat(0);
        let line = corner + (<usize>c << 2);
        for (let ky = 0; ky < kernel; ky++) {
          let tap = line;
          for (let kx = 0; kx < kernel; kx++) {
            a0 = f32x4.add(a0, f32x4.mul(v128.load(tap), v128.load(w)));
            a1 = f32x4.add(a1, f32x4.mul(v128.load(tap, 16), v128.load(w, 16)));
            tap += pixel;
            w += 32;
          }
          line += lineBytes;
        }
        const f = <usize>c << 2;
        const v0 = relu6(most, f32x4.add(a0, v128.load(bias + f)));
        const v1 = relu6(most, f32x4.add(a1, v128.load(bias + f, 16)));
        v128.store_lane<u32>(p, v0, 0);
        v128.store_lane<u32>(p + step, v0, 1);
        v128.store_lane<u32>(p + step * 2, v0, 2);
        v128.store_lane<u32>(p + step * 3, v0, 3);
        p += step << 2;
        v128.store_lane<u32>(p, v1, 0);
        v128.store_lane<u32>(p + step, v1, 1);
        v128.store_lane<u32>(p + step * 2, v1, 2);
        v128.store_lane<u32>(p + step * 3, v1, 3);
        p += step << 2;
      }
      corner += pixel * stride;
      i++;
    }
    input += lineBytes * stride;
  }
}
