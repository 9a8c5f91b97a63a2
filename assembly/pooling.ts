/** out[0..n) = mean of m rows of n f32, rows ascending; n a multiple of 4. The global average pool of a convolutional tower. */
export function meanRows(x: usize, m: i32, n: i32, out: usize): void {
  assert(m > 0 && n > 0 && n % 4 == 0);
  const row = (<usize>n) << 2;
  const share = f32x4.splat(1 / <f32>m);
  for (let o: usize = 0; o < row; o += 16) {
    let sum = f32x4.splat(0);
    let p = x + o;
    for (let i = 0; i < m; i++) {
      sum = f32x4.add(sum, v128.load(p));
      p += row;
    }
    v128.store(out + o, f32x4.mul(sum, share));
  }
}

/**
 * Average pooling 2x2, stride 2: x f32 [2 lines][2 across][channels] to out [lines][across][channels], channels a multiple of 4.
 * A vector is four channels of a pixel; the four pixels are summed line by line: ((a + b) + c) + d, then a quarter.
 */
export function averagePool(x: usize, across: i32, channels: i32, lines: i32, out: usize): void {
  assert(across > 0 && channels > 0 && channels % 4 == 0 && lines > 0);
  const pixel = <usize>channels << 2;
  const line = <usize>(across << 1) * pixel;
  const quarter = f32x4.splat(0.25);
  for (let y = 0; y < lines; y++) {
    for (let i = 0; i < across; i++) {
      for (let o: usize = 0; o < pixel; o += 16) {
        let sum = f32x4.add(v128.load(x + o), v128.load(x + pixel + o));
        sum = f32x4.add(sum, v128.load(x + line + o));
        sum = f32x4.add(sum, v128.load(x + line + pixel + o));
        v128.store(out + o, f32x4.mul(sum, quarter));
      }
      x += pixel << 1;
      out += pixel;
    }
    x += line;
  }
}

/** out[0..n) = x + y, n a multiple of 4. */
export function addFloats(x: usize, y: usize, n: i32, out: usize): void {
  assert(n > 0 && n % 4 == 0);
  for (let o: usize = 0; o < <usize>n << 2; o += 16) v128.store(out + o, f32x4.add(v128.load(x + o), v128.load(y + o)));
}
