// 3x3 convolutions by our GEMM: the windows of an image become packed rows (packed-rows.ts), values as [y][x][channel].
// The image is f32 [lines + 2][across + 2][channels] with a border of zeros, so no window is partly outside, and a window is
// three runs of 3 channels values:
//
//   line y      ..|p p p|p p ..      row of window (y, x):  |line y: 3 channels|line y + 1: 3 channels|line y + 2: 3 channels|
//   line y + 1  ..|p p p|p p ..
//   line y + 2  ..|p p p|p p ..      five windows, of one line or two, are a group of packed rows
//
// Each window has a scale of its own, as any row has: a pixel is rounded as finely as its neighbors allow.

import { ACTIVATION_MAX, ROW_GROUP } from '../src/engine/contract';
import {
  groupStride, groupStrideF32, packFive, packOne, quantizeFive, quantizeOne, quantizer, rowMaximum, rowsOfGroup,
} from './packed-rows';

/** Where window i is: `across` windows a line. */
function cornerOf(image: usize, lineBytes: usize, pixel: usize, across: i32, i: i32): usize {
  return image + <usize>(i / across) * lineBytes + <usize>(i % across) * pixel;
}

/** Stores the scale of the window at `corner` and returns its inverse. */
function windowInverse(corner: usize, lineBytes: usize, run: i32, aMax: f32, scale: usize): f32 {
  const largest = max(max(rowMaximum(corner, run), rowMaximum(corner + lineBytes, run)), rowMaximum(corner + 2 * lineBytes, run));
  return quantizer(largest, aMax, scale);
}

/**
 * Windows [first, first + m) of the image at `image`, `across` a line, as m packed i16 rows of 9 channels values with a scale a
 * row. channels a multiple of 4.
 */
export function windowsInt8(
  image: usize, lineBytes: usize, channels: i32, across: i32, first: i32, m: i32, aMax: f32, out: usize, scale: usize,
): void {
  assert(channels > 0 && channels % 4 == 0 && across > 0 && first >= 0 && m > 0 && aMax > 0 && aMax <= <f32>ACTIVATION_MAX);
  assert(lineBytes >= <usize>((across + 2) * channels << 2));
  const pixel = <usize>channels << 2;
  const run = 3 * channels;
  for (let i = 0; i < m; i += ROW_GROUP) {
    const rows = rowsOfGroup(i, m);
    if (rows == ROW_GROUP) {
      let c0 = cornerOf(image, lineBytes, pixel, across, first + i);
      let c1 = cornerOf(image, lineBytes, pixel, across, first + i + 1);
      let c2 = cornerOf(image, lineBytes, pixel, across, first + i + 2);
      let c3 = cornerOf(image, lineBytes, pixel, across, first + i + 3);
      let c4 = cornerOf(image, lineBytes, pixel, across, first + i + 4);
      const i0 = windowInverse(c0, lineBytes, run, aMax, scale);
      const i1 = windowInverse(c1, lineBytes, run, aMax, scale + 4);
      const i2 = windowInverse(c2, lineBytes, run, aMax, scale + 8);
      const i3 = windowInverse(c3, lineBytes, run, aMax, scale + 12);
      const i4 = windowInverse(c4, lineBytes, run, aMax, scale + 16);
      for (let y = 0; y < 3; y++) {
        quantizeFive(c0, c1, c2, c3, c4, i0, i1, i2, i3, i4, 3 * pixel, out + <usize>y * groupStride(run));
        c0 += lineBytes;
        c1 += lineBytes;
        c2 += lineBytes;
        c3 += lineBytes;
        c4 += lineBytes;
      }
    } else {
      for (let r = 0; r < rows; r++) {
        let corner = cornerOf(image, lineBytes, pixel, across, first + i + r);
        const inverse = windowInverse(corner, lineBytes, run, aMax, scale + (<usize>r << 2));
        for (let y = 0; y < 3; y++) {
          quantizeOne(corner, inverse, run, out, rows, r, y * run);
          corner += lineBytes;
        }
      }
    }
    out += groupStride(3 * run);
    scale += 4 * ROW_GROUP;
  }
}

/** The same as m packed f32 rows. */
export function windowsF32(
  image: usize, lineBytes: usize, channels: i32, across: i32, first: i32, m: i32, out: usize,
): void {
  assert(channels > 0 && channels % 4 == 0 && across > 0 && first >= 0 && m > 0);
  assert(lineBytes >= <usize>((across + 2) * channels << 2));
  const pixel = <usize>channels << 2;
  const run = 3 * channels;
  for (let i = 0; i < m; i += ROW_GROUP) {
    const rows = rowsOfGroup(i, m);
    if (rows == ROW_GROUP) {
      let c0 = cornerOf(image, lineBytes, pixel, across, first + i);
      let c1 = cornerOf(image, lineBytes, pixel, across, first + i + 1);
      let c2 = cornerOf(image, lineBytes, pixel, across, first + i + 2);
      let c3 = cornerOf(image, lineBytes, pixel, across, first + i + 3);
      let c4 = cornerOf(image, lineBytes, pixel, across, first + i + 4);
      for (let y = 0; y < 3; y++) {
        packFive(c0, c1, c2, c3, c4, 3 * pixel, out + <usize>y * groupStrideF32(run));
        c0 += lineBytes;
        c1 += lineBytes;
        c2 += lineBytes;
        c3 += lineBytes;
        c4 += lineBytes;
      }
    } else {
      const step = <usize>rows << 2;
      for (let r = 0; r < rows; r++) {
        let corner = cornerOf(image, lineBytes, pixel, across, first + i + r);
        for (let y = 0; y < 3; y++) {
          packOne(corner, 3 * pixel, out + (<usize>r << 2) + <usize>(y * run) * step, step);
          corner += lineBytes;
        }
      }
    }
    out += groupStrideF32(3 * run);
  }
}
