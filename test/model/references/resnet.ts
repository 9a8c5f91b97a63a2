/**
 * OpenAI's ResNet in float64, straight from its `model.py`: every convolution is followed by its batch norm, nothing is folded,
 * padding is zeros of normalized pixels. The weights are made as the graph asks for them.
 */
import type { ResNetConfig } from '../../../src/model/config.ts';
import type { Activation, Checkpoint } from './efficientnet.ts';

interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Conv2d without bias, padding of kernel >> 1, and BatchNorm2d. */
function convolve(
  c: Checkpoint,
  x: Activation,
  conv: string,
  norm: string,
  out: number,
  kernel = 1,
  stride = 1,
): Activation {
  const pad = kernel >> 1;
  const size = Math.floor((x.size + 2 * pad - kernel) / stride) + 1;
  const reach = Math.sqrt(4 / (x.channels * kernel * kernel));
  const weight = c.get(`visual.${conv}.weight`, [out, x.channels, kernel, kernel], (uniform) => uniform(-reach, reach));
  const vector = (part: string, low: number, high: number) =>
    c.get(`visual.${norm}.${part}`, [out], (uniform) => uniform(low, high));
  const [gamma, beta] = [vector('weight', 0.8, 1.2), vector('bias', -0.2, 0.2)];
  const [mean, variance] = [vector('running_mean', -0.2, 0.2), vector('running_var', 0.7, 1.3)];
  const values = new Float64Array(size * size * out);
  for (let i = 0; i < values.length; i++) {
    const [n, pixel] = [i % out, Math.floor(i / out)];
    const [top, left] = [Math.floor(pixel / size) * stride - pad, (pixel % size) * stride - pad];
    let sum = 0;
    for (let dy = 0; dy < kernel; dy++) {
      for (let dx = 0; dx < kernel; dx++) {
        const [py, px] = [top + dy, left + dx];
        if (py < 0 || px < 0 || py >= x.size || px >= x.size) continue;
        const at = (py * x.size + px) * x.channels;
        for (let k = 0; k < x.channels; k++) {
          sum += weight[((n * x.channels + k) * kernel + dy) * kernel + dx]! * x.values[at + k]!;
        }
      }
    }
    values[i] = ((sum - mean[n]!) / Math.sqrt(variance[n]! + 1e-5)) * gamma[n]! + beta[n]!;
  }
  return { size, channels: out, values };
}

const relu = (x: Activation): Activation => ({ ...x, values: x.values.map((v) => Math.max(v, 0)) });

/** AvgPool2d(2). */
function averagePool({ size, channels, values }: Activation): Activation {
  const half = size / 2;
  const pooled = Float64Array.from({ length: half * half * channels }, (_, i) => {
    const [c, pixel] = [i % channels, Math.floor(i / channels)];
    const at = (dy: number, dx: number) =>
      values[((2 * Math.floor(pixel / half) + dy) * size + 2 * (pixel % half) + dx) * channels + c]!;
    return (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4;
  });
  return { size: half, channels, values: pooled };
}

/** `picture`: bytes [imageSize, imageSize, 3]; the embedding is not normalized. */
export function referenceResNet(
  c: Checkpoint,
  { imageSize, width, layers, heads }: ResNetConfig,
  embedDim: number,
  { mean, std }: Normalization,
  picture: Uint8Array,
): number[] {
  const pixels = Float64Array.from(picture, (byte, i) => (byte / 255 - mean[i % 3]!) / std[i % 3]!);
  let x: Activation = { size: imageSize, channels: 3, values: pixels };
  x = relu(convolve(c, x, 'conv1', 'bn1', width / 2, 3, 2));
  x = relu(convolve(c, x, 'conv2', 'bn2', width / 2, 3));
  x = averagePool(relu(convolve(c, x, 'conv3', 'bn3', width, 3)));
  for (const [stage, repeats] of layers.entries()) {
    const planes = width * 2 ** stage;
    for (let repeat = 0; repeat < repeats; repeat++) {
      const block = `layer${stage + 1}.${repeat}`;
      const strided = stage > 0 && repeat === 0;
      let y = relu(convolve(c, x, `${block}.conv1`, `${block}.bn1`, planes));
      y = relu(convolve(c, y, `${block}.conv2`, `${block}.bn2`, planes, 3));
      y = convolve(c, strided ? averagePool(y) : y, `${block}.conv3`, `${block}.bn3`, planes * 4);
      const residual =
        repeat === 0
          ? convolve(c, strided ? averagePool(x) : x, `${block}.downsample.0`, `${block}.downsample.1`, planes * 4)
          : x;
      x = relu({ ...y, values: y.values.map((v, i) => v + residual.values[i]!) });
    }
  }
  return attentionPool(c, x, heads, embedDim);
}

/** AttentionPool2d: multi-head attention whose one query is the mean token. */
function attentionPool(
  c: Checkpoint,
  { size, channels, values }: Activation,
  heads: number,
  embedDim: number,
): number[] {
  const pixels = size * size;
  const at = 'visual.attnpool';
  const positions = c.get(`${at}.positional_embedding`, [pixels + 1, channels], (uniform) => uniform(-0.5, 0.5));
  const rows = Array.from({ length: pixels }, (_, i) => [...values.subarray(i * channels, (i + 1) * channels)]);
  const mean = rows[0]!.map((_, k) => rows.reduce((sum, row) => sum + row[k]!, 0) / pixels);
  const tokens = [mean, ...rows].map((row, i) => row.map((v, k) => v + positions[i * channels + k]!));
  const linear = (name: string, n: number) => {
    const reach = Math.sqrt(3 / channels);
    const weight = c.get(`${at}.${name}.weight`, [n, channels], (uniform) => uniform(-reach, reach));
    const bias = c.get(`${at}.${name}.bias`, [n], (uniform) => uniform(-0.2, 0.2));
    return (row: readonly number[]) =>
      Array.from({ length: n }, (_, i) => row.reduce((sum, v, k) => sum + weight[i * channels + k]! * v, bias[i]!));
  };
  const keys = tokens.map(linear('k_proj', channels));
  const valuesOf = tokens.map(linear('v_proj', channels));
  const query = linear('q_proj', channels)(tokens[0]!);
  const width = channels / heads;
  const attended = query.map((_, i) => {
    const first = i - (i % width);
    const scores = keys.map((key) => {
      let dot = 0;
      for (let k = first; k < first + width; k++) dot += query[k]! * key[k]!;
      return Math.exp(dot / Math.sqrt(width));
    });
    const total = scores.reduce((a, b) => a + b, 0);
    return scores.reduce((sum, score, token) => sum + (score / total) * valuesOf[token]![i]!, 0);
  });
  return linear('c_proj', embedDim)(attended);
}
