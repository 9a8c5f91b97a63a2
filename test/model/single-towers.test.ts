/** Towers of models that have only one, with and without a projection. */
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { imageTower, textTower, towerSlots } from '../../src/model/registry.ts';
import {
  type Checkpoint,
  editTensors,
  type Folder,
  pack,
  readCheckpoint,
  readFolder,
  storeOf,
  utf8,
} from '../api/checkpoint.ts';
import { largestError, readGolden, syntheticPicture } from './golden.ts';
import { parseConfig } from './parse-config.ts';

const WEIGHTS = 'model.safetensors';
const folder = readFolder('tiny-vit-hf');
const config = JSON.parse(new TextDecoder().decode(folder['config.json']));
const checkpoint = readCheckpoint(folder[WEIGHTS]!);
const { token_ids: ids } = readGolden('tiny-vit/expected.json');
const picture = syntheticPicture(80);

/** The model of one tower of a Hugging Face class: the tensors whose names match. */
function single(architecture: string, names: RegExp): Folder {
  const section = architecture.includes('Vision') ? 'vision' : 'text';
  const json = { ...config[`${section}_config`], model_type: `clip_${section}_model`, architectures: [architecture] };
  const keep = (c: Checkpoint) => ({ ...c, tensors: c.tensors.filter(({ name }) => names.test(name)) });
  return { ...editTensors(folder, WEIGHTS, keep), 'config.json': utf8(JSON.stringify(json)) };
}

const image = single('CLIPVisionModel', /^vision_model\./);
const text = single('CLIPTextModel', /^text_model\./);

/** W x, in float64. */
function project(name: string, x: Float32Array): number[] {
  const { data, shape } = checkpoint.tensors.find((tensor) => tensor.name === name)!;
  const weights = new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4);
  const [rows, columns] = shape as [number, number];
  return Array.from({ length: rows }, (_, r) => x.reduce((sum, v, i) => sum + v * weights[r * columns + i]!, 0));
}

describe('without a projection', () => {
  it('the image embedding is the pooled token after the last LayerNorm', async () => {
    using both = await loadClip(storeOf(folder), { precision: 'f32' });
    using alone = await loadClip(storeOf(image), { precision: 'f32' });
    expect(alone.info()).toMatchObject({ towers: ['image'], embedDim: 128 });
    const pooled = await alone.encodeImage(picture, { normalize: false });
    expect(pooled).toHaveLength(128);
    expect(largestError(project('visual_projection.weight', pooled), await both.encodeImage(picture))).toBeLessThan(
      1e-6,
    );
  });

  it('the text embeddings likewise, each text its own', async () => {
    using both = await loadClip(storeOf(folder), { precision: 'f32' });
    using alone = await loadClip(storeOf(text), { precision: 'f32' });
    expect(alone.info()).toMatchObject({ towers: ['text'], embedDim: 128 });
    const texts = await alone.encodeTokens(ids, { normalize: false });
    const expected = await both.encodeTokens(ids);
    expect(texts.length).toBeGreaterThan(1);
    for (const [i, pooled] of texts.entries()) {
      expect(largestError(project('text_projection.weight', pooled), expected[i]!)).toBeLessThan(1e-6);
    }
  });

  it.each(['int8', 'f32'] as const)('threads and packing in %s change no bit', async (precision) => {
    for (const [model, embed] of [
      [image, async (clip: Awaited<ReturnType<typeof loadClip>>) => clip.encodeImage([picture, picture])],
      [text, async (clip: Awaited<ReturnType<typeof loadClip>>) => clip.encodeTokens(ids)],
    ] as const) {
      using one = await loadClip(storeOf(model), { precision });
      const expected = await embed(one);
      using two = await loadClip(storeOf(model), { precision, threads: 2 });
      expect(await embed(two)).toEqual(expected);
      const tower = model === image ? 'image' : 'text';
      using packed = await loadClip(storeOf(await pack(model, precision, {}, [tower])), { precision });
      expect(await embed(packed)).toEqual(expected);
    }
  });
});

describe('a model of one tower', () => {
  it('has no logit scale, one of both towers has it with the text tower', async () => {
    const names = async (json: object) => (await towerSlots(parseConfig(json), 'text')).map(({ name }) => name);
    expect(await names(config)).toContain('logit_scale');
    expect(await names(JSON.parse(new TextDecoder().decode(text['config.json'])))).not.toContain('logit_scale');
  });

  it('has no other tower, which is said', async () => {
    const only = (model: Folder) => parseConfig(JSON.parse(new TextDecoder().decode(model['config.json'])));
    const missing = (tower: string) =>
      expect.objectContaining({ code: 'WEIGHTS_MISSING', message: `the model has no ${tower} tower` });
    await expect(imageTower(only(text))).rejects.toThrow(missing('image'));
    await expect(textTower(only(image))).rejects.toThrow(missing('text'));
  });
});
