/** x[0..n) /= ||x||, in place; sums ascend lane by lane, so the result does not depend on the engine. A zero vector stays zero. */
export function l2Normalize(x: usize, n: i32): void {
  assert(n > 0);
  let sum: f64 = 0;
  for (let i = 0; i < n; i++) {
    const v = <f64>load<f32>(x + ((<usize>i) << 2));
    sum += v * v;
  }
  if (sum == 0) return;
  const scale = 1 / sqrt<f64>(sum);
  for (let i = 0; i < n; i++) {
    const p = x + ((<usize>i) << 2);
    store<f32>(p, <f32>(<f64>load<f32>(p) * scale));
  }
}
