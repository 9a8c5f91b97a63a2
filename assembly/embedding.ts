// Token and position embedding: out[i] = table[ids[i]] + positions[at[i]].

/** table: i8 [vocabulary][width] with a scale a token; positions: f32 [context][width]; width a multiple of 8. */
export function embedInt8(
  ids: usize,
  at: usize,
  n: i32,
  table: usize,
  scale: usize,
  positions: usize,
  width: i32,
  out: usize,
): void {
  assert(n > 0 && width > 0 && width % 8 == 0);
  for (let i = 0; i < n; i++) {
    const id = <usize>load<i32>(ids + ((<usize>i) << 2));
    const s = v128.load_splat<u32>(scale + (id << 2));
    const t = table + id * <usize>width;
    const p = positions + ((<usize>load<i32>(at + ((<usize>i) << 2)) * <usize>width) << 2);
    for (let c: usize = 0; c < <usize>width; c += 8) {
      const q = v128.load_ext<i8>(t + c);
      const v0 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(q)), s);
      const v1 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(q)), s);
      v128.store(out, f32x4.add(v0, v128.load(p + (c << 2))));
      v128.store(out, f32x4.add(v1, v128.load(p + (c << 2), 16)), 16);
      out += 32;
    }
  }
}

/** table: f32 [vocabulary][width]. */
export function embedF32(ids: usize, at: usize, n: i32, table: usize, positions: usize, width: i32, out: usize): void {
  assert(n > 0 && width > 0 && width % 4 == 0);
  const row = (<usize>width) << 2;
  for (let i = 0; i < n; i++) {
    const t = table + <usize>load<i32>(ids + ((<usize>i) << 2)) * row;
    const p = positions + <usize>load<i32>(at + ((<usize>i) << 2)) * row;
    for (let o: usize = 0; o < row; o += 16) {
      v128.store(out + o, f32x4.add(v128.load(t + o), v128.load(p + o)));
    }
    out += row;
  }
}
