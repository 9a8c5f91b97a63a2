/** Folding a batch norm into the convolution before it. */

/** The parameters of a batch norm, a value per channel. */
export interface BatchNormValues {
  /** gamma */
  readonly weight: Float32Array;
  /** beta */
  readonly bias: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  readonly eps: number;
}

/**
 * y = g w x + (beta - g mean) with g = gamma / sqrt(variance + eps) (Ioffe & Szegedy 2015), an output channel at a time.
 * `values` [channels, ...] are changed in place; the bias is returned.
 */
export function foldBatchNorm(values: Float32Array, norm: BatchNormValues): Float32Array {
  const { weight, bias: beta, mean, variance, eps } = norm;
  const bias = new Float32Array(weight.length);
  const k = values.length / weight.length;
  for (let channel = 0; channel < weight.length; channel++) {
    const g = weight[channel]! / Math.sqrt(variance[channel]! + eps);
    bias[channel] = beta[channel]! - mean[channel]! * g;
    for (let i = channel * k; i < (channel + 1) * k; i++) values[i] = values[i]! * g;
  }
  return bias;
}
