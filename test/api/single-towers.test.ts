/** Models of one tower, made of the tensors of the golden model of both: the same bits as with both. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { readGolden, syntheticPicture } from '../model/golden.ts';
import { editTensors, type Folder, readFolder, rejection, storeOf, utf8 } from './checkpoint.ts';

const WEIGHTS = 'model.safetensors';
const picture = syntheticPicture(80);
const { token_ids: ids } = readGolden('tiny-vit/expected.json');
const folder = readFolder('tiny-vit-hf');
const config = JSON.parse(new TextDecoder().decode(folder['config.json']));
const { 'preprocessor_config.json': preprocessor, ...bare } = folder;
const temporary = mkdtempSync(join(tmpdir(), 'edgeclip single towers '));
afterAll(() => rmSync(temporary, { recursive: true }));

/** The folder with other contents of config.json, and only the tensors whose names match. */
function only(tensors: RegExp, json: object, base: Folder = folder): Folder {
  const edited = editTensors(base, WEIGHTS, (c) => ({
    ...c,
    tensors: c.tensors.filter(({ name }) => tensors.test(name)),
  }));
  return { ...edited, 'config.json': utf8(JSON.stringify(json)) };
}

const visionConfig = { ...config.vision_config, model_type: 'clip_vision_model' };
const textConfig = { ...config.text_config, model_type: 'clip_text_model' };
const IMAGE = /^(vision_model|visual_projection)\b/;
const TEXT = /^(text_model|text_projection)\b/;

/** The folder as files on disk. */
function onDisk(name: string, files: Folder): string {
  const directory = join(temporary, name);
  mkdirSync(directory);
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(directory, file), bytes);
  return directory;
}

describe.each(['int8', 'f32'] as const)('in %s', (precision) => {
  it.each<[string, () => Folder]>([
    [
      'CLIPVisionModelWithProjection',
      () => only(IMAGE, { ...visionConfig, architectures: ['CLIPVisionModelWithProjection'] }),
    ],
    ['clip_vision_model of no class', () => only(IMAGE, visionConfig)],
    [
      'the class of a tower, the configuration of both',
      () => only(IMAGE, { ...config, architectures: ['CLIPVisionModelWithProjection'] }),
    ],
  ])('an image tower alone: %s', async (name, make) => {
    using both = await loadClip(storeOf(folder), { precision });
    using image = await loadClip(onDisk(`${name} ${precision}`, make()), { precision });
    expect(await image.encodeImage(picture)).toEqual(await both.encodeImage(picture));
    expect(image.info()).toMatchObject({ towers: ['image'], embedDim: 96, image: { size: 80 } });
    expect(image.info()).not.toHaveProperty('text');
    expect(await rejection(image.encodeTokens(ids))).toMatchObject({ code: 'TOWER_NOT_LOADED' });
  });

  it('a text tower alone, which needs no preprocessing', async () => {
    const architectures = ['CLIPTextModelWithProjection'];
    using both = await loadClip(storeOf(folder), { precision });
    const files = only(/^(text_model|text_projection|logit_scale)\b/, { ...textConfig, architectures }, bare);
    using text = await loadClip(storeOf(files), { precision });
    expect(await text.encodeTokens(ids)).toEqual(await both.encodeTokens(ids));
    expect(text.info()).toMatchObject({ towers: ['text'], embedDim: 96, text: { vocabSize: 600 } });
    expect(text.info()).not.toHaveProperty('image');
    expect(await rejection(text.encodeImage(picture))).toMatchObject({ code: 'TOWER_NOT_LOADED' });
  });

  it('a text tower without projection: embeddings of its width, and no logit scale for a classifier', async () => {
    const files = only(/^text_model\b/, { ...textConfig, architectures: ['CLIPTextModel'] }, bare);
    using text = await loadClip(storeOf(files, 'it'), { precision });
    const together = await text.encodeTokens(ids);
    for (const [i, row] of ids.entries()) expect(await text.encodeTokens([row])).toEqual([together[i]]);
    expect(new Set(together.map(String)).size).toBe(ids.length);
    expect(together[0]).toHaveLength(config.text_config.hidden_size);
    expect(() => text.logitScale).toThrow(expect.objectContaining({ code: 'WEIGHTS_MISSING' }));
    expect(() => text.logitScale).toThrow('"it" has no logit_scale');
  });

  it('the configuration of both, the weights of one: loads for that tower', async () => {
    using both = await loadClip(storeOf(folder), { precision });
    const files = storeOf(only(IMAGE, config));
    using image = await loadClip(files, { precision, towers: ['image'] });
    expect(await image.encodeImage(picture)).toEqual(await both.encodeImage(picture));
    expect(await rejection(loadClip(files, { precision }))).toMatchObject({ code: 'WEIGHTS_MISSING' });
  });
});

it('a tower that the model does not have is refused by name', async () => {
  const image = storeOf(only(IMAGE, visionConfig), 'it');
  const error = await rejection(loadClip(image, { towers: ['text'] }));
  expect(error).toMatchObject({ code: 'WEIGHTS_MISSING' });
  expect(error.message).toBe('"it": the model has no text tower, only the image tower');
  const text = storeOf(only(TEXT, textConfig), 'it');
  expect((await rejection(loadClip(text, { towers: ['image', 'text'] }))).message).toContain('no image tower');
});

it('B01: image_mean and image_std give the same bits from either file, and others than the defaults', async () => {
  const settings = {
    ...JSON.parse(new TextDecoder().decode(preprocessor)),
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
  };
  const embed = async (files: Folder) => {
    using clip = await loadClip(storeOf(files), { towers: ['image'] });
    return await clip.encodeImage(picture);
  };
  const json = (value: unknown) => utf8(JSON.stringify(value));
  const old = await embed({ ...bare, 'preprocessor_config.json': json(settings) });
  expect(await embed({ ...bare, 'processor_config.json': json({ image_processor: settings }) })).toEqual(old);
  const defaults = await embed(bare);
  expect(defaults).not.toEqual(old);
  expect(defaults).toEqual(await embed(folder));
});

it('info() tells what was assumed', async () => {
  using assumed = await loadClip(storeOf(bare, 'it'), { towers: ['image'] });
  expect(assumed.info().warnings).toEqual([
    expect.stringMatching(/^"it": .*preprocessor_config\.json.*CLIP's defaults/),
  ]);
  using known = await loadClip(storeOf(folder), { towers: ['image'] });
  expect(known.info().warnings).toEqual([]);
});
