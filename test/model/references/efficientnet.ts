/**
 * EfficientNet-Lite in float64, straight from the papers and timm's `tf_efficientnet_lite`: every convolution is followed by
 * its batch norm, nothing is folded. The weights are made as the graph asks for them.
 */
import type { EfficientNetConfig } from '../../../src/model/config.ts';
import { writeSafetensors } from '../../../src/weights/safetensors.ts';
import { Random } from '../../kernels/random.ts';

/** Mean and standard deviation of each channel, of pixels scaled to 0..1. */
interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

type Uniform = (low: number, high: number) => number;

/** Tensors with timm's names and shapes, each made when the reference first asks for it. */
export class Checkpoint {
  readonly tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** A tensor, from its maker at the first time: values by index, with a random number generator in [low, high). */
  get(name: string, shape: number[], make: (uniform: Uniform, i: number) => number): Float32Array {
    const known = this.tensors.get(name);
    if (known) return known.values;
    const uniform: Uniform = (low, high) => low + this.#random.next() * (high - low);
    const n = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: n }, (_, i) => make(uniform, i));
    this.tensors.set(name, { shape, values });
    return values;
  }

  /** The safetensors file. */
  bytes(): Uint8Array {
    const tensors = [...this.tensors].map(([name, { shape, values }]) => ({
      name,
      dtype: 'F32',
      shape,
      data: new Uint8Array(values.buffer),
    }));
    return new Uint8Array(Buffer.concat(writeSafetensors(tensors)));
  }
}

/** [size, size, channels]. */
export interface Activation {
  readonly size: number;
  readonly channels: number;
  readonly values: Float64Array;
}

interface Convolution {
  out: number;
  kernel?: number;
  stride?: number;
  depthwise?: boolean;
  relu6?: boolean;
  eps: number;
}

/**
 * Convolution with TensorFlow's "same" padding, batch norm, and ReLU6 if wanted. The running statistics are made near the
 * sums' own, as in a trained network: so every layer passes its input on, and each channel has a scale of its own.
 */
function convolve(
  checkpoint: Checkpoint,
  x: Activation,
  names: { conv: string; norm: string },
  { out, kernel = 1, stride = 1, depthwise = false, relu6 = true, eps }: Convolution,
): Activation {
  const inputs = depthwise ? 1 : x.channels;
  const taps = inputs * kernel * kernel;
  let scale = 1; // of a channel: the smallest variances are near the epsilon
  // Multiples of a channel's largest weight / 127, which int8 holds exactly.
  const weight = checkpoint.get(`visual.trunk.${names.conv}.weight`, [out, inputs, kernel, kernel], (uniform, i) => {
    if (i % taps !== 0) return scale * Math.round(uniform(-127, 127));
    scale = 2 ** uniform(-12, -7) / Math.sqrt(taps);
    return 127 * scale;
  });
  const size = Math.ceil(x.size / stride);
  const before = Math.floor(Math.max((size - 1) * stride + kernel - x.size, 0) / 2);
  const values = new Float64Array(size * size * out);
  for (let y = 0; y < size; y++) {
    for (let column = 0; column < size; column++) {
      for (let c = 0; c < out; c++) {
        let sum = 0;
        for (let i = 0; i < inputs; i++) {
          for (let dy = 0; dy < kernel; dy++) {
            for (let dx = 0; dx < kernel; dx++) {
              const [py, px] = [y * stride - before + dy, column * stride - before + dx];
              if (py < 0 || px < 0 || py >= x.size || px >= x.size) continue;
              const channel = depthwise ? c : i;
              sum += weight[((c * inputs + i) * kernel + dy) * kernel + dx]! * x.values[(py * x.size + px) * x.channels + channel]!; // biome-ignore format: one product
            }
          }
        }
        values[(y * size + column) * out + c] = sum;
      }
    }
  }
  const own = statistics(values, out);
  const norm = (part: string, make: (uniform: Uniform, channel: number) => number) =>
    checkpoint.get(`visual.trunk.${names.norm}.${part}`, [out], make);
  const gamma = norm('weight', (uniform) => uniform(0.5, relu6 ? 4 : 1.5)); // some reach the 6
  const beta = norm('bias', (uniform) => uniform(-0.5, relu6 ? 2 : 0.5));
  const mean = norm('running_mean', (uniform, c) => own[c]!.mean + uniform(-0.5, 0.5) * Math.sqrt(own[c]!.variance));
  const variance = norm('running_var', (uniform, c) => (own[c]!.variance + own[c]!.mean ** 2 / 2) * uniform(0.5, 2));
  for (let i = 0; i < values.length; i++) {
    const c = i % out;
    const normalized = (gamma[c]! * (values[i]! - mean[c]!)) / Math.sqrt(variance[c]! + eps) + beta[c]!;
    values[i] = relu6 ? Math.min(Math.max(normalized, 0), 6) : normalized;
  }
  return { size, channels: out, values };
}

/** Mean and variance of each channel of [any, channels]. */
function statistics(values: Float64Array, channels: number): { mean: number; variance: number }[] {
  return Array.from({ length: channels }, (_, c) => {
    const channel = Array.from({ length: values.length / channels }, (_, i) => values[i * channels + c]!);
    const mean = channel.reduce((sum, value) => sum + value, 0) / channel.length;
    return { mean, variance: channel.reduce((sum, value) => sum + (value - mean) ** 2, 0) / channel.length };
  });
}

/** A depthwise separable stage, then inverted residuals. `picture`: bytes [imageSize, imageSize, 3]. */
export function referenceEfficientNet(
  checkpoint: Checkpoint,
  config: EfficientNetConfig,
  embedDim: number,
  { mean, std }: Normalization,
  picture: Uint8Array,
): { embedding: Float64Array; stages: Activation[]; head: Activation } {
  const eps = config.bnEps;
  const stages: Activation[] = [];
  let x: Activation = {
    size: config.imageSize,
    channels: 3,
    values: Float64Array.from(picture, (byte, i) => (byte / 255 - mean[i % 3]!) / std[i % 3]!),
  };
  x = convolve(checkpoint, x, { conv: 'conv_stem', norm: 'bn1' }, { out: config.stem, kernel: 3, stride: 2, eps });
  config.stages.forEach(({ repeats, channels, kernel, stride: first, expansion }, stage) => {
    for (let repeat = 0; repeat < repeats; repeat++) {
      const block = `blocks.${stage}.${repeat}`;
      const stride = repeat === 0 ? first : 1;
      const input = x;
      const wide = input.channels * expansion;
      const conv = (name: string, norm: string) => ({ conv: `${block}.${name}`, norm: `${block}.${norm}` });
      if (expansion === 1) {
        x = convolve(checkpoint, x, conv('conv_dw', 'bn1'), { out: wide, kernel, stride, depthwise: true, eps });
        x = convolve(checkpoint, x, conv('conv_pw', 'bn2'), { out: channels, relu6: false, eps });
      } else {
        x = convolve(checkpoint, x, conv('conv_pw', 'bn1'), { out: wide, eps });
        x = convolve(checkpoint, x, conv('conv_dw', 'bn2'), { out: wide, kernel, stride, depthwise: true, eps });
        x = convolve(checkpoint, x, conv('conv_pwl', 'bn3'), { out: channels, relu6: false, eps });
      }
      if (stage === 0 || stride !== 1 || input.channels !== channels) continue;
      for (let i = 0; i < x.values.length; i++) x.values[i]! += input.values[i]!;
    }
    stages.push(x);
  });
  x = convolve(checkpoint, x, { conv: 'conv_head', norm: 'bn2' }, { out: config.head, eps });
  const pooled = new Float64Array(config.head);
  x.values.forEach((value, i) => {
    pooled[i % config.head]! += value / x.size ** 2;
  });
  const weight = checkpoint.get('visual.head.proj.weight', [embedDim, config.head], (uniform) => uniform(-1, 1));
  const bias = config.projectionBias
    ? checkpoint.get('visual.head.proj.bias', [embedDim], (uniform) => uniform(-1, 1))
    : new Float32Array(embedDim);
  const embedding = Float64Array.from({ length: embedDim }, (_, row) =>
    pooled.reduce((sum, value, i) => sum + weight[row * config.head + i]! * value, bias[row]!),
  );
  return { embedding, stages, head: x };
}
