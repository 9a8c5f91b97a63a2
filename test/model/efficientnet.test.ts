/** EfficientNets with known batch norms against the published graph in float64: convolution, batch norm, ReLU6. */
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import type { EfficientNetConfig } from '../../src/model/config.ts';
import type { ModelFiles } from '../../src/weights/source.ts';
import { bytesSource } from '../../src/weights/source.ts';
import { cosine, largestError, syntheticPicture } from './golden.ts';
import { parseConfig } from './parse-config.ts';
import { Checkpoint, referenceEfficientNet } from './references/efficientnet.ts';
import { smallEfficientNet } from './small-efficientnet.ts';
import { towersOf } from './towers.ts';

const { vision, config, normalization, preprocess, picture } = smallEfficientNet([
  { repeats: 1, channels: 16, kernel: 3, stride: 1, expansion: 1 },
  { repeats: 2, channels: 16, kernel: 3, stride: 2, expansion: 2 },
  { repeats: 2, channels: 24, kernel: 5, stride: 2, expansion: 3 },
  { repeats: 1, channels: 32, kernel: 3, stride: 1, expansion: 2 },
]);

describe.each(['f32', 'int8'] as const)('EfficientNet in %s', (precision) => {
  const checkpoint = new Checkpoint(7);
  const expected = referenceEfficientNet(checkpoint, vision, config.embedDim, normalization, picture).embedding;
  const source = bytesSource(checkpoint.bytes(), 'small');

  it.each([false, true])('gives what the graph with its batch norms gives (whole layers: %s)', async (whole) => {
    const { engine, image } = await towersOf(source, config, preprocess, { precision, towers: ['image'], whole });
    engine.bytes.set(picture, image!.pixels);
    const embedding = engine.view(image!.encode(), config.embedDim).slice();
    const largest = Math.max(...expected.map(Math.abs));
    const error = Math.max(...embedding.map((value, i) => Math.abs(value - expected[i]!))) / largest;
    expect(error).toBeLessThan(precision === 'f32' ? 1e-5 : 0.02);
    expect(cosine(embedding, expected)).toBeGreaterThan(precision === 'f32' ? 1 - 1e-9 : 0.9995);
  });
});

it.each([
  ['weight', 'running_var', -1, 'NaN'],
  ['bias', 'running_mean', 3e38, '-Infinity'],
])('refuses a batch norm that folds to a %s that is not finite, by its name', async (_, part, value, result) => {
  const checkpoint = new Checkpoint(7);
  referenceEfficientNet(checkpoint, vision, config.embedDim, normalization, picture); // makes the tensors
  const damaged = new Checkpoint(7);
  for (const [name, { shape, values }] of checkpoint.tensors)
    damaged.tensors.set(name, { shape, values: values.slice() });
  const norm = 'visual.trunk.blocks.1.0.bn2';
  damaged.tensors.get(`${norm}.weight`)!.values[5] = 2;
  damaged.tensors.get(`${norm}.running_var`)!.values[5] = 1;
  damaged.tensors.get(`${norm}.${part}`)!.values[5] = value;
  await expect(
    towersOf(bytesSource(damaged.bytes(), 'small'), config, preprocess, { towers: ['image'] }),
  ).rejects.toMatchObject({
    code: 'WEIGHTS_VALUE',
    message: expect.stringContaining(
      `"small": after folding the batch norm of ${norm}.running_var, tensor visual.trunk.blocks.1.0.conv_dw.weight has ${result}`,
    ),
  });
});

describe('tf_efficientnet_lite0 of an OpenCLIP checkpoint, 64 pixels', () => {
  const embedDim = 40;
  const oneStd = { mean: normalization.mean, std: [0.25, 0.25, 0.25] };
  const openClip = {
    model_cfg: {
      embed_dim: embedDim,
      vision_cfg: {
        timm_model_name: 'tf_efficientnet_lite0',
        timm_proj: 'linear',
        timm_proj_bias: true,
        image_size: 64,
      },
      text_cfg: { width: 64, heads: 8, layers: 1 },
    },
    // With one std, the stem's folded weights lie on an int8 grid as well.
    preprocess_cfg: { ...oneStd, interpolation: 'bicubic', resize_mode: 'shortest' },
  };
  const lite0 = parseConfig(openClip).vision as EfficientNetConfig;
  const checkpoint = new Checkpoint(11);
  const { data, width, height } = syntheticPicture(64);
  const expected = referenceEfficientNet(checkpoint, lite0, embedDim, oneStd, data);
  const bytes = checkpoint.bytes();
  const files: ModelFiles = {
    name: 'lite0',
    text: async (name) => (name === 'open_clip_config.json' ? JSON.stringify(openClip) : undefined),
    source: async (name) => (name === 'open_clip_model.safetensors' ? bytesSource(bytes, name) : undefined),
  };

  it('gives the embedding and every stage of the graph with its batch norms in f32', async () => {
    const seen = new Map<string, { shape: readonly number[]; values: Float32Array }>();
    const probe = (name: string, shape: readonly number[], values: Float32Array) =>
      void seen.set(name, { shape, values });
    using clip = await loadClip(files, { precision: 'f32', towers: ['image'], probe });
    const embedding = await clip.encodeImage({ data, width, height }, { normalize: false });
    const layers = [
      ...expected.stages.map((stage, i) => [`image.stage.${i}`, stage] as const),
      ['image.head', expected.head] as const,
    ];
    for (const [name, { size, channels, values }] of layers) {
      expect(seen.get(name)?.shape, name).toEqual([size, size, channels]);
      expect(cosine(seen.get(name)!.values, values), name).toBeGreaterThan(0.999999);
    }
    expect(cosine(embedding, expected.embedding)).toBeGreaterThan(0.999999);
    expect(largestError(embedding, expected.embedding)).toBeLessThan(1e-4);
    using plain = await loadClip(files, { precision: 'f32', towers: ['image'] });
    expect(await plain.encodeImage({ data, width, height }, { normalize: false })).toEqual(embedding);
  });

  it('is near to that in int8', async () => {
    using clip = await loadClip(files, { towers: ['image'] });
    const embedding = await clip.encodeImage({ data, width, height });
    expect(cosine(embedding, expected.embedding)).toBeGreaterThan(0.995);
  });

  it('projects with weights of 16 bits in int8: the second map holds the quantization error of the first', async () => {
    let head = new Float32Array();
    const probe = (name: string, _shape: readonly number[], values: Float32Array) => {
      if (name === 'image.head') head = Float32Array.from(values);
    };
    using clip = await loadClip(files, { towers: ['image'], probe });
    const embedding = await clip.encodeImage({ data, width, height }, { normalize: false });

    const pooled = new Float64Array(lite0.head);
    const pixels = head.length / lite0.head;
    head.forEach((value, i) => {
      pooled[i % lite0.head]! += value / pixels;
    });
    const weight = checkpoint.tensors.get('visual.head.proj.weight')!.values;
    const bias = checkpoint.tensors.get('visual.head.proj.bias')!.values;
    /** Largest error of the embedding against a projection with these weights, relative to the largest value. */
    const error = (round: (value: number, step: number) => number) => {
      const exact = Array.from({ length: embedDim }, (_, n) => {
        const row = weight.subarray(n * lite0.head, (n + 1) * lite0.head);
        const step = Math.max(...row.map(Math.abs)) / 127;
        return row.reduce((sum, value, k) => sum + round(value, step) * pooled[k]!, bias[n]!);
      });
      const largest = Math.max(...exact.map(Math.abs));
      return Math.max(...exact.map((value, n) => Math.abs(value - embedding[n]!))) / largest;
    };
    expect(error((value) => value)).toBeLessThan(5e-4);
    // With the first map alone the embedding would be that of the rounded weights.
    expect(error((value, step) => Math.round(value / step) * step)).toBeGreaterThan(2e-3);
  });
});
