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
