/** OpenAI's ResNet against the published PyTorch code, at a small size; RN50 is in test/slow. */
import { describe, expect, it } from 'vitest';
import { product } from '../../src/engine/layout.ts';
import type { PreprocessConfig } from '../../src/image/preprocess-config.ts';
import { loadClip } from '../../src/load.ts';
import type { ClipConfig, ResNetConfig } from '../../src/model/config.ts';
import { towerSlots } from '../../src/model/registry.ts';
import { publishedTensors } from '../../src/model/slots.ts';
import { readDescription, towerSource } from '../../src/weights/model-files.ts';
import { openTower } from '../../src/weights/open-tower.ts';
import { unpackPanelsInt8 } from '../../src/weights/panels.ts';
import { bytesSource } from '../../src/weights/source.ts';
import { pack, refusal, storeOf } from '../api/checkpoint.ts';
import { expectSameRows } from '../kernels/compare.ts';
import { channelsFirst, cosine, largestError, readGolden, sketchError, syntheticPicture } from './golden.ts';
import { parseConfig } from './parse-config.ts';
import { Checkpoint } from './references/efficientnet.ts';
import { referenceResNet } from './references/resnet.ts';
import { syntheticFolder, syntheticSource, TINY_RN } from './synthetic.ts';
import { towersOf } from './towers.ts';

const expected = readGolden('tiny-rn/expected.json');
const picture = syntheticPicture(96);
const folder = await syntheticFolder('tiny-rn', TINY_RN);
const files = storeOf(folder);
const precisions = ['f32', 'int8'] as const;

describe('tiny-rn against the published PyTorch code', () => {
  it('gives its embeddings in f32: the border of the picture as well, whose padding is between two integers', async () => {
    using clip = await loadClip(files, { precision: 'f32' });
    const image = await clip.encodeImage(picture, { normalize: false });
    expect(cosine(image, expected.image_embedding)).toBeGreaterThanOrEqual(0.9999999);
    expect(largestError(image, expected.image_embedding)).toBeLessThanOrEqual(1e-6);
    const texts = await clip.encodeTokens(expected.token_ids);
    for (const [i, text] of texts.entries()) {
      expect(largestError(text, expected.text_embeddings[i]!)).toBeLessThanOrEqual(2e-5);
    }
  });

  it('gives its embeddings in int8, nearly', async () => {
    using clip = await loadClip(files);
    expect(cosine(await clip.encodeImage(picture), expected.image_embedding)).toBeGreaterThanOrEqual(0.9995);
  });

  it('gives its activations stage by stage, and a probe changes nothing', async () => {
    const errors: Record<string, number> = {};
    const seen: string[] = [];
    const probe = (name: string, shape: readonly number[], values: Float32Array) => {
      seen.push(name);
      const sketch = expected.activations[name];
      if (!sketch) return;
      expect([shape[2], shape[0], shape[1]], name).toEqual(sketch.shape);
      errors[name] = sketchError(sketch, channelsFirst(values, shape));
    };
    using watched = await loadClip(files, { precision: 'f32', probe, towers: ['image'] });
    using plain = await loadClip(files, { precision: 'f32', towers: ['image'] });
    expect(await watched.encodeImage(picture)).toEqual(await plain.encodeImage(picture));
    expect(seen).toEqual(['vision.stem', 'vision.layer1', 'vision.layer2', 'vision.layer3', 'vision.layer4']);
    for (const name of seen.slice(1)) expect(errors[name], name).toBeLessThanOrEqual(1e-5);
  });
});

describe.each(precisions)('a ResNet in %s', (precision) => {
  it('has the bits of one thread on any number, one picture or several', async () => {
    const batch = [picture, syntheticPicture(100), syntheticPicture(64)];
    const embed = async (threads: number) => {
      using clip = await loadClip(files, { precision, threads });
      const one = await clip.encodeImage(picture);
      const several = await clip.encodeImage(batch);
      await clip.encodeTokens(expected.token_ids); // uses the same memory
      expectSameRows(await clip.encodeImage(batch), several, `${threads} threads, after texts`);
      return [one, ...several];
    };
    const one = await embed(1);
    expect(one[1]).toEqual(one[0]);
    for (const threads of [2, 4]) expectSameRows(await embed(threads), one, `${threads} threads`);
  }, 60_000);

  it('is packed and read again with the same bits, as one file or as shards', async () => {
    using published = await loadClip(files, { precision, towers: ['image'] });
    const embedding = await published.encodeImage(picture);
    for (const options of [{}, { shardBytes: 200_000 }]) {
      using packed = await loadClip(storeOf(await pack(folder, precision, options, ['image'])), {
        precision,
        towers: ['image'],
      });
      expect(packed.info().image).toMatchObject({ kind: 'ResNet, layers 2 1 2 1, width 16', size: 96 });
      expect(await packed.encodeImage(picture)).toEqual(embedding);
    }
  });

  it('leaves the pixels that are pooled, the same embedding either way', async () => {
    const { config, preprocess } = await readDescription(files);
    const source = await towerSource(files, 'image');
    const { engine, image } = await towersOf(source, config, preprocess, { precision, towers: ['image'] });
    engine.bytes.set(picture.data, image!.pixels);
    const embed = (output: 'pooled' | 'tokens') => engine.view(image!.encode(output), config.embedDim).slice();
    expect(embed('tokens')).toEqual(embed('pooled'));
    expect(image!.tokens).toMatchObject({ rows: 9, width: 512 });
    const pixels = engine.view(image!.tokens.at, 9 * 512).slice();
    const sketch = expected.activations['vision.layer4']!;
    expect(sketchError(sketch, channelsFirst(pixels, [3, 3, 512]))).toBeLessThan(precision === 'f32' ? 1e-5 : 0.02);
  });
});

describe.each([
  // A line of the stem has more rows than a product takes at once; the width is not a power of two, and 510 mean no integer.
  { imageSize: 320, width: 16, layers: [1, 2, 1, 1], headWidth: 32 },
  { imageSize: 64, width: 48, layers: [1, 1, 2, 2], headWidth: 96 },
] as const)('a ResNet of width $width on $imageSize pixels', ({ imageSize, width, layers, headWidth }) => {
  const heads = (width * 32) / headWidth;
  const vision: ResNetConfig = { kind: 'resnet', imageSize, width, layers, heads };
  const config: ClipConfig = { embedDim: 20, vision, source: 'openclip' };
  const normalization = { mean: [0.4813, 0.2337, 0.6102], std: [0.27, 0.31, 0.23] };
  const preprocess = { size: imageSize, crop: 'openclip', ...normalization } as unknown as PreprocessConfig;
  const { data } = syntheticPicture(imageSize);
  const checkpoint = new Checkpoint(width);
  const golden = referenceResNet(checkpoint, vision, config.embedDim, normalization, data);
  const source = bytesSource(checkpoint.bytes(), 'small');

  it.each(precisions)('gives what the graph with its batch norms gives in float64, in %s', async (precision) => {
    const { engine, image } = await towersOf(source, config, preprocess, { precision, towers: ['image'] });
    engine.bytes.set(data, image!.pixels);
    const embedding = engine.view(image!.encode(), config.embedDim).slice();
    expect(cosine(embedding, golden)).toBeGreaterThanOrEqual(precision === 'f32' ? 1 - 1e-9 : 0.9995);
    expect(largestError(embedding, golden)).toBeLessThanOrEqual(precision === 'f32' ? 1e-6 : 0.02);
  });
});

describe('channels that come in no eights', () => {
  const { config: json } = readGolden<{ config: typeof TINY_RN }>('openclip-variants/resnet-9/expected.json');
  const config = parseConfig(json);
  const normalization = { mean: [0.48, 0.45, 0.4], std: [0.26, 0.26, 0.27] };

  it.each(precisions)('are filled up with zeros, in %s', async (precision) => {
    const source = syntheticSource('openclip-variants/resnet-9', json);
    const { layout, fill } = await openTower(source, config, 'image', precision, normalization);
    const bytes = new Uint8Array(layout.byteLength);
    await fill(bytes);
    const floats = (name: string) => {
      const { offset, byteLength } = layout.tensors.get(name)!;
      return new Float32Array(bytes.buffer, offset, byteLength / 4);
    };
    let filled = 0;
    const wrong: string[] = [];
    for (const slot of layout.slots) {
      const { shape } = slot.from.weight;
      if (slot.kind !== 'linear' || shape.length !== 4) continue;
      const { name, n, k } = slot;
      const scale = layout.tensors.has(`${name}.scale`) ? floats(`${name}.scale`) : undefined;
      const { offset, byteLength } = layout.tensors.get(`${name}.panels`)!;
      const panels = bytes.slice(offset, offset + byteLength);
      const values = scale
        ? unpackPanelsInt8(new Int8Array(panels.buffer), scale, n, k, 1)
        : Float32Array.from({ length: n * k }, (_, i) => {
            const [row, column] = [Math.floor(i / k), i % k];
            return new Float32Array(panels.buffer)[Math.floor(row / 8) * k * 8 + column * 8 + (row % 8)]!;
          });
      const channels = k / (shape[2]! * shape[3]!);
      const inputs = slot.from.pixels ?? shape[1]!;
      for (const [i, value] of values.entries()) {
        const inFile = Math.floor(i / k) < shape[0]! && i % channels < inputs;
        if (!inFile) filled++;
        if (inFile === (value === 0) && (!inFile || !scale)) wrong.push(`${name} ${i}`);
      }
      for (let row = shape[0]!; row < n; row++) {
        if (floats(`${name}.bias`)[row] !== 0 || (scale && scale[row] !== 0)) wrong.push(`${name} ${row}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(filled).toBeGreaterThan(1000);
  });
});

it('packed in int8, it is unpacked to the values of its integers', async () => {
  using int8 = await loadClip(files, { towers: ['image'] });
  using f32 = await loadClip(storeOf(await pack(folder, 'int8', {}, ['image'])), {
    precision: 'f32',
    towers: ['image'],
  });
  expect(cosine(await f32.encodeImage(picture), await int8.encodeImage(picture))).toBeGreaterThan(0.999999);
});

describe('a configuration and a file that differ', () => {
  const withVision = (vision: object) => ({
    ...folder,
    'open_clip_config.json': new TextEncoder().encode(
      JSON.stringify({ ...TINY_RN, vision_cfg: { ...TINY_RN.vision_cfg, ...vision } }),
    ),
  });

  it('are refused: fewer blocks, more blocks, another size of picture', async () => {
    const options = { towers: ['image'] };
    expect((await refusal(withVision({ layers: [1, 1, 2, 1] }), options)).message).toMatch(
      /has the tensor visual\.layer1\.1\.\S+ and \d+ more, which the configuration does not describe: the image tower is a ResNet with 1, 1, 2, 1 blocks/,
    );
    expect((await refusal(withVision({ layers: [2, 1, 2, 2] }), options)).message).toContain(
      'lacks the tensor visual.layer4.1.conv1.weight',
    );
    expect((await refusal(withVision({ image_size: 128 }), options)).message).toContain(
      'visual.attnpool.positional_embedding has the shape [10, 512], expected [17, 512]',
    );
    expect((await refusal(withVision({ width: 24 }), options)).message).toContain(
      'visual.conv1.weight has the shape [8, 3, 3, 3], expected [12, 3, 3, 3]',
    );
  });
});

describe("OpenCLIP's model_profile.csv counts as many parameters", () => {
  it.each([
    // model_configs/*.json; millions of the image tower
    { name: 'RN50', layers: [3, 4, 6, 3], width: 64, image_size: 224, embed_dim: 1024, millions: 38.32 },
    { name: 'RN101', layers: [3, 4, 23, 3], width: 64, image_size: 224, embed_dim: 512, millions: 56.26 },
    { name: 'RN50x4', layers: [4, 6, 10, 6], width: 80, image_size: 288, embed_dim: 640, millions: 87.14 },
    { name: 'RN50x16', layers: [6, 8, 18, 8], width: 96, image_size: 384, embed_dim: 768, millions: 167.33 },
    { name: 'RN50x64', layers: [3, 15, 36, 10], width: 128, image_size: 448, embed_dim: 1024, millions: 420.38 },
  ])('of $name', async ({ layers, width, image_size, embed_dim, millions }) => {
    const config = parseConfig({ ...TINY_RN, embed_dim, vision_cfg: { layers, width, image_size, patch_size: null } });
    const tensors = (await towerSlots(config, 'image')).flatMap(publishedTensors);
    const names = tensors.map(({ openclip }) => openclip[0]!);
    expect(new Set(names).size).toBe(names.length);
    const parameters = tensors.filter(({ openclip }) => !openclip[0]!.includes('.running_'));
    const count = parameters.reduce((sum, { shape }) => sum + product(shape), 0);
    expect(Number((count / 1e6).toFixed(2))).toBe(millions);
  });
});
