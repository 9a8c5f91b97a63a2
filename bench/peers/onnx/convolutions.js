import { FLOAT, INT8, INT32, quantizeRows, UINT8 } from './graph.js';

/**
 * Convolutional graphs in f32, or in int8 as onnxruntime's static quantization writes them: a QuantizeLinear-DequantizeLinear
 * pair at each activation, weights int8 per channel.
 */
export class Convolutions {
  /**
   * @param {import('./graph.js').GraphBuilder} g
   * @param {{ ranges?: [number, number][], watch?: boolean }} options ranges: least and greatest value of each activation, in
   *   order: int8. watch: every activation that needs a range is an output too
   */
  constructor(g, { ranges, watch = false }) {
    this.g = g;
    this.ranges = ranges;
    this.watch = watch;
    this.activations = 0;
    /** @type {Map<string, number>} the scale of each quantized activation: a bias takes it times the weight's */
    this.scales = new Map();
  }

  quantized(x) {
    const { g, ranges } = this;
    const index = this.activations++;
    if (this.watch) g.output(x, `activation_${index}`, FLOAT, []);
    if (!ranges) return x;
    const low = Math.min(0, ranges[index][0]);
    const scale = (Math.max(0, ranges[index][1]) - low) / 255 || 1;
    const parameters = [g.scalar(scale), g.tensor(UINT8, [], new Uint8Array([Math.round(-low / scale)]))];
    const result = g.node('DequantizeLinear', [g.node('QuantizeLinear', [x, ...parameters]), ...parameters]);
    this.scales.set(result, scale);
    return result;
  }

  /** ReLU of x, quantized: a range from 0 on clips as ReLU does, so onnxruntime's quantization leaves the operator out. */
  relu(x) {
    return this.quantized(this.ranges ? x : this.g.node('Relu', [x]));
  }

  /** A convolution with bias. */
  conv(x, { weight, bias }, dims, attributes) {
    return this.g.node('Conv', [x, ...this.#parameters(x, weight, dims, bias)], attributes);
  }

  /** @returns {[string, string]} the kernel and the bias of a convolution of x */
  #parameters(x, weight, dims, bias) {
    const { g, ranges, scales } = this;
    const channels = dims[0];
    if (!ranges) return [g.floats(dims, weight), g.floats([channels], bias)];
    const rows = quantizeRows(weight, channels, weight.length / channels);
    const steps = rows.scales.map((scale) => scale * (scales.get(x) ?? 1));
    const dequantized = (type, shape, data, scale) =>
      g.node('DequantizeLinear', [g.tensor(type, shape, data), g.floats([channels], scale)], { axis: 0 });
    return [
      dequantized(INT8, dims, rows.data, rows.scales),
      dequantized(
        INT32,
        [channels],
        Int32Array.from(bias, (value, i) => Math.round(value / steps[i])),
        steps,
      ),
    ];
  }
}

/** The weight and bias of a convolution with its batch norm folded. */
export function fold(weights, convolution, norm, epsilon) {
  const weight = weights.get(`${convolution}.weight`).slice();
  const [gain, shift] = [weights.get(`${norm}.weight`), weights.get(`${norm}.bias`)];
  const [mean, variance] = [weights.get(`${norm}.running_mean`), weights.get(`${norm}.running_var`)];
  const bias = new Float32Array(gain.length);
  const size = weight.length / gain.length;
  for (let channel = 0; channel < gain.length; channel++) {
    const factor = gain[channel] / Math.sqrt(variance[channel] + epsilon);
    bias[channel] = shift[channel] - mean[channel] * factor;
    for (let i = channel * size; i < (channel + 1) * size; i++) weight[i] *= factor;
  }
  return { weight, bias };
}
