// The rows of a PNG (PNG specification, chapters 8 and 9): filters undone, and samples of any depth as bytes.

/**
 * Undoes the filter `type` of a row of `bytes` bytes at `row`: out = row + a prediction from a, the pixel to the left, b, the one
 * above, and c, the one above that to the left, each of `pixel` bytes (1, 2, 3, 4, 6, 8). `above` is the row above as `out` was, or
 * zeros. 16 bytes behind each row are readable, and those behind `out` are overwritten. Types 0 to 4.
 *
 * The prediction from the left makes one pixel wait for the other, so a step is a pixel, of eight lanes of which `pixel` count:
 *
 *   row   x0 x1 x2 (x3 ..)      lanes beyond the pixel are the next one's, and become right in its own step
 *   out   y0 y1 y2 (?? ..)      stored whole: the next step overwrites them
 */
export function unfilterRow(type: i32, row: usize, above: usize, out: usize, bytes: usize, pixel: usize): void {
  assert(type >= 0 && type <= 4 && bytes > 0);
  const end = out + bytes;
  if (type == 0) {
    memory.copy(out, row, bytes);
  } else if (type == 1) {
    let a = i64x2.splat(0);
    while (out < end) {
      a = i8x16.add(v128.load64_zero(row), a);
      v128.store64_lane(out, a, 0);
      row += pixel;
      out += pixel;
    }
  } else if (type == 2) {
    while (out < end) {
      v128.store(out, i8x16.add(v128.load(row), v128.load(above)));
      row += 16;
      above += 16;
      out += 16;
    }
  } else if (type == 3) {
    // floor((a + b) / 2) = ~avgr(~a, ~b), as the instruction rounds up; so ~a is kept: ~(x + ~t) = t - x.
    const ones = i8x16.splat(-1);
    let notA = ones;
    while (out < end) {
      const notB = v128.xor(v128.load64_zero(above), ones);
      notA = i8x16.sub(i8x16.avgr_u(notA, notB), v128.load64_zero(row));
      v128.store64_lane(out, v128.xor(notA, ones), 0);
      row += pixel;
      above += pixel;
      out += pixel;
    }
  } else {
    // Paeth: of a, b and c the one nearest to a + b - c; in a tie a before b before c. The same with fewer steps that wait for a
    // (due to Fabian Giesen, in stb_image): with t = 3 c - a - b, max(a, b) if t <= min(a, b), min(a, b) if t >= max(a, b), else c.
    let a = i16x8.splat(0);
    let c = i16x8.splat(0);
    while (out < end) {
      const b = v128.load_ext<u8>(above);
      const t = i16x8.sub(i16x8.sub(i16x8.add(c, i16x8.add(c, c)), b), a);
      const low = i16x8.min_s(a, b);
      const high = i16x8.max_s(a, b);
      const lowOrC = v128.bitselect(c, low, i16x8.gt_s(high, t));
      const prediction = v128.bitselect(lowOrC, high, i16x8.gt_s(t, low));
      a = i8x16.add(v128.load_ext<u8>(row), prediction); // the upper bytes are zero and stay so
      c = b;
      v128.store64_lane(out, i8x16.narrow_i16x8_u(a, a), 0);
      row += pixel;
      above += pixel;
      out += pixel;
    }
  }
}

/**
 * The first of every two bytes: out[i] = row[2 i], i < count. Samples of 16 bits lose their low byte, gray pixels their alpha.
 * Up to 31 bytes behind the row are read, 15 behind `out` written.
 */
export function everySecond(row: usize, out: usize, count: usize): void {
  const end = out + count;
  while (out < end) {
    v128.store(out, i8x16.shuffle(v128.load(row), v128.load(row, 16), 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30));
    row += 32;
    out += 16;
  }
}

/** Gray samples of 16 bits, big-endian, clipped at 255: out[i] = min(row[i], 255), i < count. Reads and writes as `everySecond`. */
export function clip16(row: usize, out: usize, count: usize): void {
  const end = out + count;
  while (out < end) {
    const v0 = v128.load(row);
    const v1 = v128.load(row, 16);
    const high = i8x16.shuffle(v0, v1, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const low = i8x16.shuffle(v0, v1, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    v128.store(out, v128.or(low, i8x16.ne(high, i64x2.splat(0))));
    row += 32;
    out += 16;
  }
}

/** Samples of `depth` bits (1, 2, 4), the highest bits first, as bytes times `scale`: out[i], i < count. Up to 7 bytes more are written. */
export function unpackBits(row: usize, out: usize, count: usize, depth: u32, scale: u32): void {
  const mask: u32 = (1 << depth) - 1;
  const end = out + count;
  while (out < end) {
    const byte = <u32>load<u8>(row);
    for (let shift = 8 - <i32>depth; shift >= 0; shift -= depth) {
      store<u8>(out, <u8>(((byte >> shift) & mask) * scale));
      out++;
    }
    row++;
  }
}

/** Colors of a palette, u32 [256] of R, G, B and a zero: RGB at out[3 i] by the index row[i], i < count. One byte more is written. */
export function lookUp(row: usize, palette: usize, out: usize, count: usize): void {
  const end = row + count;
  while (row < end) {
    store<u32>(out, load<u32>(palette + (<usize>load<u8>(row) << 2)));
    row++;
    out += 3;
  }
}

/**
 * Places the pixels of a pass of Adam7 in their row of the picture: pixel i goes to `out` + i * step. Pixels have 1, 3 or 4 bytes
 * at `row`; the fourth is dropped.
 */
export function scatter(row: usize, out: usize, count: usize, channels: usize, step: usize): void {
  assert(channels == 1 || channels == 3 || channels == 4);
  const end = row + count * channels;
  if (channels == 1) {
    while (row < end) {
      store<u8>(out, load<u8>(row));
      row++;
      out += step;
    }
    return;
  }
  while (row < end) {
    store<u16>(out, load<u16>(row));
    store<u8>(out, load<u8>(row, 2), 2);
    row += channels;
    out += step;
  }
}
