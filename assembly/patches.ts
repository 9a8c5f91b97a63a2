// Windows of an RGB u8 picture as packed rows: the left operand of a ViT's patch embedding (window = stride = patch)
// and of a convolutional stem (3x3, stride 2, padded with zeros after normalisation).
// A window's values stand as [y][x][channel], so the weights are permuted to that order while loading.

import { groupStride, storeQuad } from './packed-rows';

/** Where tap t of a window lies: its byte in the picture, or -1 outside of it. */
@inline
function tapOffset(y: i32, x: i32, size: i32): i32 {
  return <u32>y < <u32>size && <u32>x < <u32>size ? (y * size + x) * 3 : -1;
}

/** i16 value of element e = (y * window + x) * 3 + channel: table[channel][byte], 0 outside the picture. */
@inline
function element(pixels: usize, size: i32, top: i32, left: i32, window: i32, e: i32, k: i32, table: usize): i32 {
  if (e >= k) return 0;
  const tap = e / 3;
  const channel = e - tap * 3;
  const y = tap / window;
  const offset = tapOffset(top + y, left + tap - y * window, size);
  if (offset < 0) return 0;
  const byte = <usize>load<u8>(pixels + <usize>(offset + channel));
  return load<i16>(table + ((<usize>(channel << 8) + byte) << 1));
}

/**
 * Windows of output lines [firstLine, firstLine + lines), across a grid of `across` columns, as packed i16 rows of kPadded
 * values (window^2 * 3 and zeros). table: i16[3][256], what a byte of each channel counts as.
 */
export function gatherInt8(
  pixels: usize, size: i32, window: i32, stride: i32, padBefore: i32, across: i32, firstLine: i32, lines: i32,
  kPadded: i32, table: usize, out: usize,
): void {
  const k = window * window * 3;
  const m = lines * across;
  for (let i = 0; i < m; i++) {
    const line = i / across;
    const top = (firstLine + line) * stride - padBefore;
    const left = (i - line * across) * stride - padBefore;
    const group = out + <usize>(i >> 2) * groupStride(kPadded);
    const rows = min(4, m - (i & ~3));
    for (let e = 0; e < kPadded; e += 4) {
      let v = i16x8.splat(0);
      v = i16x8.replace_lane(v, 0, <i16>element(pixels, size, top, left, window, e, k, table));
      v = i16x8.replace_lane(v, 1, <i16>element(pixels, size, top, left, window, e + 1, k, table));
      v = i16x8.replace_lane(v, 2, <i16>element(pixels, size, top, left, window, e + 2, k, table));
      v = i16x8.replace_lane(v, 3, <i16>element(pixels, size, top, left, window, e + 3, k, table));
      storeQuad(group, rows, i & 3, e, v);
    }
  }
}

/** The same as packed f32 rows of k = window^2 * 3 values; table: f32[3][256] of (byte / 255 - mean) / std. */
export function gatherF32(
  pixels: usize, size: i32, window: i32, stride: i32, padBefore: i32, across: i32, firstLine: i32, lines: i32,
  table: usize, out: usize,
): void {
  const k = window * window * 3;
  const m = lines * across;
  for (let i = 0; i < m; i++) {
    const line = i / across;
    const top = (firstLine + line) * stride - padBefore;
    const left = (i - line * across) * stride - padBefore;
    const rows = min(4, m - (i & ~3));
    const step = <usize>rows << 2;
    let p = out + (<usize>(i >> 2) * <usize>k << 4) + (<usize>(i & 3) << 2);
    for (let y = 0; y < window; y++) {
      for (let x = 0; x < window; x++) {
        const offset = tapOffset(top + y, left + x, size);
        for (let channel = 0; channel < 3; channel++) {
          let v: f32 = 0;
          if (offset >= 0) {
            const byte = <usize>load<u8>(pixels + <usize>(offset + channel));
            v = load<f32>(table + ((<usize>(channel << 8) + byte) << 2));
          }
          store<f32>(p, v);
          p += step;
        }
      }
    }
  }
}
