/** A small EfficientNet with known batch norms against the published graph in float64: convolution, batch norm, ReLU6. */
import { describe, expect, it } from 'vitest';
import type { PreprocessConfig } from '../../src/image/preprocess-config.ts';
import { type ClipConfig, type EfficientNetConfig, parseConfig } from '../../src/model/config.ts';
import { writeSafetensors } from '../../src/weights/safetensors.ts';
import { bytesSource } from '../../src/weights/source.ts';
import { Random } from '../kernels/random.ts';
import { cosine, syntheticPicture } from './golden.ts';
import { towersOf } from './towers.ts';

const vision: EfficientNetConfig = {
  kind: 'efficientnet-lite',
  imageSize: 32,
  stem: 8,
  stages: [
    { repeats: 1, channels: 16, kernel: 3, stride: 1, expansion: 1 },
    { repeats: 2, channels: 16, kernel: 3, stride: 2, expansion: 2 },
    { repeats: 2, channels: 24, kernel: 5, stride: 2, expansion: 3 },
    { repeats: 1, channels: 32, kernel: 3, stride: 1, expansion: 2 },
  ],
  head: 40,
  bnEps: 1e-3,
  projectionBias: true,
};
const text = parseConfig({
  embed_dim: 12,
  vision_cfg: { width: 64, layers: 1, patch_size: 8, image_size: 16 },
  text_cfg: { width: 64, heads: 8, layers: 1 },
}).text!;
const config: ClipConfig = { embedDim: 12, vision, text, source: 'openclip' };
// 510 mean is whole, so that padding with zeros is exact; no two channels are alike.
const normalization = { mean: [0.5, 0.4, 0.3], std: [0.5, 0.25, 0.2] };
const preprocess = { size: 32, crop: 'openclip', ...normalization } as unknown as PreprocessConfig;

/** Tensors as timm calls and shapes them, each made when the reference first asks for it. */
class Checkpoint {
  readonly tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  readonly #random = new Random(7);

  get(name: string, shape: number[], low: number, high: number): Float32Array {
    const n = shape.reduce((a, b) => a * b, 1);
    const values = this.#random.between(n, low, high);
    this.tensors.set(name, { shape, values });
    return values;
  }

  source() {
    const tensors = [...this.tensors].map(([name, { shape, values }]) => ({
      name,
      dtype: 'F32',
      shape,
      data: new Uint8Array(values.buffer),
    }));
    return bytesSource(new Uint8Array(Buffer.concat(writeSafetensors(tensors))), 'small');
  }
}

interface Activation {
  readonly size: number;
  readonly channels: number;
  readonly values: Float64Array;
}

/** Convolution with TensorFlow's "same" padding, batch norm, and ReLU6 if wanted. */
function convolve(
  checkpoint: Checkpoint,
  x: Activation,
  names: { conv: string; norm: string },
  {
    out,
    kernel = 1,
    stride = 1,
    depthwise = false,
    relu6 = true,
  }: { out: number; kernel?: number; stride?: number; depthwise?: boolean; relu6?: boolean },
): Activation {
  const inputs = depthwise ? 1 : x.channels;
  const spread = 1.5 / Math.sqrt(inputs * kernel * kernel);
  const weight = checkpoint.get(
    `visual.trunk.${names.conv}.weight`,
    [out, inputs, kernel, kernel],
    -spread,
    spread * 1.2,
  );
  const norm = (part: string, low: number, high: number) =>
    checkpoint.get(`visual.trunk.${names.norm}.${part}`, [out], low, high);
  const gamma = norm('weight', 0.5, 1.5);
  const beta = norm('bias', -0.5, 1);
  const mean = norm('running_mean', -0.3, 0.3);
  const variance = norm('running_var', 0.002, 1.5); // so small that the epsilon counts
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
        const normalized = (gamma[c]! * (sum - mean[c]!)) / Math.sqrt(variance[c]! + vision.bnEps) + beta[c]!;
        values[(y * size + column) * out + c] = relu6 ? Math.min(Math.max(normalized, 0), 6) : normalized;
      }
    }
  }
  return { size, channels: out, values };
}

/** timm's `tf_efficientnet_lite`: a depthwise separable stage, then inverted residuals. */
function reference(checkpoint: Checkpoint, picture: Uint8Array): Float64Array {
  const { mean, std } = normalization;
  let x: Activation = {
    size: 32,
    channels: 3,
    values: Float64Array.from(picture, (byte, i) => (byte / 255 - mean[i % 3]!) / std[i % 3]!),
  };
  x = convolve(checkpoint, x, { conv: 'conv_stem', norm: 'bn1' }, { out: vision.stem, kernel: 3, stride: 2 });
  vision.stages.forEach(({ repeats, channels, kernel, stride: first, expansion }, stage) => {
    for (let repeat = 0; repeat < repeats; repeat++) {
      const block = `blocks.${stage}.${repeat}`;
      const stride = repeat === 0 ? first : 1;
      const input = x;
      const wide = input.channels * expansion;
      const conv = (name: string, norm: string) => ({ conv: `${block}.${name}`, norm: `${block}.${norm}` });
      if (expansion === 1) {
        x = convolve(checkpoint, x, conv('conv_dw', 'bn1'), { out: wide, kernel, stride, depthwise: true });
        x = convolve(checkpoint, x, conv('conv_pw', 'bn2'), { out: channels, relu6: false });
      } else {
        x = convolve(checkpoint, x, conv('conv_pw', 'bn1'), { out: wide });
        x = convolve(checkpoint, x, conv('conv_dw', 'bn2'), { out: wide, kernel, stride, depthwise: true });
        x = convolve(checkpoint, x, conv('conv_pwl', 'bn3'), { out: channels, relu6: false });
      }
      if (stage === 0 || stride !== 1 || input.channels !== channels) continue;
      for (let i = 0; i < x.values.length; i++) x.values[i]! += input.values[i]!;
    }
  });
  x = convolve(checkpoint, x, { conv: 'conv_head', norm: 'bn2' }, { out: vision.head });
  const pooled = new Float64Array(vision.head);
  x.values.forEach((value, i) => {
    pooled[i % vision.head]! += value / x.size ** 2;
  });
  const weight = checkpoint.get('visual.head.proj.weight', [config.embedDim, vision.head], -1, 1);
  const bias = checkpoint.get('visual.head.proj.bias', [config.embedDim], -1, 1);
  return Float64Array.from({ length: config.embedDim }, (_, row) =>
    pooled.reduce((sum, value, i) => sum + weight[row * vision.head + i]! * value, bias[row]!),
  );
}

const picture = syntheticPicture(32).data;
const checkpoint = new Checkpoint();
const expected = reference(checkpoint, picture);

describe.each(['f32', 'int8'] as const)('EfficientNet in %s', (precision) => {
  it.each([false, true])('gives what the graph with its batch norms gives (whole layers: %s)', async (whole) => {
    const { engine, image } = await towersOf(checkpoint.source(), config, preprocess, {
      precision,
      towers: ['image'],
      whole,
    });
    engine.bytes.set(picture, image!.pixels);
    const embedding = engine.view(image!.encode(), config.embedDim).slice();
    const largest = Math.max(...expected.map(Math.abs));
    const error = Math.max(...embedding.map((value, i) => Math.abs(value - expected[i]!))) / largest;
    expect(error).toBeLessThan(precision === 'f32' ? 1e-5 : 0.02);
    expect(cosine(embedding, expected)).toBeGreaterThan(precision === 'f32' ? 1 - 1e-9 : 0.9995);
  });
});
