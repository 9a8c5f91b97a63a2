/** (x - mean) / sqrt(var + eps) * gamma + beta over each row, in float64. */
export function layerNorm(
  x: Float32Array,
  m: number,
  k: number,
  gamma: Float32Array,
  beta: Float32Array,
  eps: number,
): Float64Array {
  const out = new Float64Array(m * k);
  for (let r = 0; r < m; r++) {
    const row = x.subarray(r * k, (r + 1) * k);
    const mean = row.reduce((sum, v) => sum + v, 0) / k;
    const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / k;
    for (let i = 0; i < k; i++) {
      out[r * k + i] = ((row[i]! - mean) / Math.sqrt(variance + eps)) * gamma[i]! + beta[i]!;
    }
  }
  return out;
}
