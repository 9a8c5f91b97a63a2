/**
 * OpenAI's own weights against outputs that other projects recorded (test/golden/published.json), where they are at hand: with
 * `EDGECLIP_MODELS` naming a folder that has `openai/clip-vit-base-patch32` (or that folder's name alone), as a hub's download
 * lays it, or the hub's cache. Without them these tests are skipped, and say what is missing.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadClip } from '../src/load.ts';
import { directoryFiles } from '../src/platform/node.ts';
import { similarity } from '../src/similarity.ts';
import { readTensor } from '../src/weights/elements.ts';
import { readTensorFile } from '../src/weights/headers.ts';
import type { ModelFiles } from '../src/weights/source.ts';
import { goldenPath } from './model/golden.ts';

const recorded = JSON.parse(readFileSync(goldenPath('published.json'), 'utf8'));
const root = process.env.EDGECLIP_MODELS;

/** Each has one of these names. */
const PARTS = [
  ['config.json'],
  ['preprocessor_config.json', 'processor_config.json'],
  ['tokenizer.json', 'vocab.json'],
  ['model.safetensors', 'pytorch_model.bin'],
];

/** Folders that may be the model's, and those of them with any of its files. */
function candidates(folder: string): string[] {
  const snapshots = join(folder, 'models--openai--clip-vit-base-patch32', 'snapshots');
  const cached = existsSync(snapshots) ? readdirSync(snapshots).map((commit) => join(snapshots, commit)) : [];
  const named = ['openai/clip-vit-base-patch32', 'clip-vit-base-patch32', '.'].map((name) => join(folder, name));
  return [...named, ...cached].filter((path) => existsSync(join(path, 'config.json')) || existsSync(join(path, 'model.safetensors'))); // biome-ignore format: one line
}

const lacks = (path: string): string[] =>
  PARTS.filter((names) => !names.some((name) => existsSync(join(path, name)))).map((names) => names.join(' or '));
const found = root === undefined ? [] : candidates(root);
const model = found.find((path) => lacks(path).length === 0);

if (model === undefined) {
  const why =
    root === undefined
      ? 'EDGECLIP_MODELS is not set'
      : found[0] === undefined
        ? `EDGECLIP_MODELS, "${root}", has no openai/clip-vit-base-patch32`
        : `"${found[0]}" lacks ${lacks(found[0]).join(', ')}`;
  console.warn(`OpenAI's weights are not tried against published outputs: ${why}`);
  it.skip(`skipped: ${why}`, () => {});
}

describe.runIf(model !== undefined)("OpenAI's ViT-B/32", () => {
  it("gives OpenAI's token ids", async () => {
    using clip = await loadClip(model!, { towers: ['text'] });
    for (const { text, ids } of recorded.tokenizer) expect(clip.tokenize([text])).toEqual([ids]);
  });

  /** The recorded inputs are constants after normalization: with this mean and deviation a byte p becomes p / 256. */
  const plain = (): ModelFiles => {
    const files = directoryFiles(model!);
    const third = (value: number) => [value, value, value];
    const processor = JSON.stringify({ image_mean: third(0), image_std: third(256 / 255), size: 224, crop_size: 224 });
    return {
      name: files.name,
      source: (name) => files.source(name),
      text: async (name) =>
        name === 'preprocessor_config.json'
          ? processor
          : name === 'processor_config.json'
            ? undefined
            : files.text(name),
    };
  };
  const constant = (value: number) => ({
    data: new Uint8Array(224 * 224 * 3).fill(value * 256),
    width: 224,
    height: 224,
  });

  /** The model's LayerNorm of a row, in double precision: a tower's last one is computed for the pooled token alone. */
  const normalized = async (name: string, row: Float32Array): Promise<number[]> => {
    const files = directoryFiles(model!);
    const source = (await files.source('model.safetensors')) ?? (await files.source('pytorch_model.bin'))!;
    const { tensors } = await readTensorFile(source);
    const [gamma, beta] = await Promise.all(
      ['weight', 'bias'].map((part) => readTensor(source, tensors.get(`${name}.${part}`)!)),
    );
    await source.close?.();
    const mean = row.reduce((sum, x) => sum + x, 0) / row.length;
    const variance = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / row.length;
    return Array.from(row, (x, i) => ((x - mean) / Math.sqrt(variance + 1e-5)) * gamma![i]! + beta![i]!);
  };

  it('gives the recorded logits of constant pictures in f32', async () => {
    const [{ input_ids, logits_per_text: logits }] = recorded.constant_input;
    using clip = await loadClip(plain(), { precision: 'f32' });
    const images = await clip.encodeImage([constant(0.25), constant(0.75)]);
    const texts = await clip.encodeTokens(input_ids);
    for (const [t, text] of texts.entries()) {
      for (const [i, image] of images.entries()) {
        expect(Math.abs(clip.logitScale * similarity(text, image) - logits[t][i])).toBeLessThan(2e-3);
      }
    }
  });

  it('gives the recorded activations of the last layer in f32', async () => {
    const { 'last_hidden_state[0,1:4,1:4]': expected } = recorded.constant_input[1];
    const layers = new Map<string, { shape: readonly number[]; values: Float32Array }>();
    const probe = (name: string, shape: readonly number[], values: Float32Array) => {
      layers.set(name, { shape, values: values.slice() });
    };
    using clip = await loadClip(plain(), { precision: 'f32', towers: ['image'], probe });
    await clip.encodeImage(constant(0.5));
    const { shape, values } = layers.get('vision.block.11')!;
    expect(shape).toEqual([50, 768]);
    for (const [token, row] of expected.entries()) {
      for (const [i, value] of row.entries()) {
        expect(Math.abs(values[(token + 1) * 768 + i + 1]! - value)).toBeLessThan(5e-4);
      }
    }
    const pooled = await normalized('vision_model.post_layernorm', values.subarray(0, 768));
    for (const [i, value] of recorded.constant_input[1]['pooler_output[0,1:4] (after post_layernorm)'].entries()) {
      expect(Math.abs(pooled[i + 1]! - value)).toBeLessThan(1e-3);
    }
  });

  it('gives the recorded activations of a text in f32', async () => {
    const { input_ids: ids, ...texts } = recorded.constant_input[2];
    const layers = new Map<string, Float32Array>();
    const probe = (name: string, _: readonly number[], values: Float32Array) => {
      layers.set(name, values.slice());
    };
    using clip = await loadClip(model!, { precision: 'f32', towers: ['text'], probe });
    await clip.encodeTokens([ids[0]]);
    const rows = layers.get('text.block.11')!;
    const row = (token: number) => normalized('text_model.final_layer_norm', rows.subarray(token * 512, (token + 1) * 512)); // biome-ignore format: one line
    const expected = [...texts['text last_hidden_state[:,1:4,1:4] (after final_layer_norm)'][0].entries()];
    for (const [token, values] of [...expected, [ids[0].length - 2, texts['pooler_output[:,1:4]'][0]]]) {
      const found = await row(token + 1);
      for (const [i, value] of values.entries()) expect(Math.abs(found[i + 1]! - value)).toBeLessThan(1e-3);
    }
  });

  it('gives the recorded beginning of a text embedding, which was computed in half precision', async () => {
    using clip = await loadClip(model!, { precision: 'f32', towers: ['text'] });
    for (const { text, first20 } of recorded.text_first20 as { text: string; first20: number[] }[]) {
      const embedding = await clip.encodeText(text, { normalize: false });
      for (const [i, value] of first20.entries()) expect(Math.abs(embedding[i]! - value)).toBeLessThan(5e-3);
    }
  });

  it.each(['f32', 'int8'] as const)('gives the cosines of five photos and captions in %s', async (precision) => {
    const { photos, texts, prompt_prefix: prefix, rows_are_texts: rows, tolerance } = recorded.cosine_matrix_2dp;
    using clip = await loadClip(model!, { precision });
    const images = await clip.encodeImage(
      (photos as string[]).map((name) => readFileSync(goldenPath(`photos/${name}`))),
    );
    const vectors = await clip.encodeText((texts as string[]).map((text) => prefix + text));
    for (const [t, row] of rows.entries()) {
      for (const [i, value] of row.entries()) {
        expect(Math.abs(similarity(vectors[t]!, images[i]!) - value), `${texts[t]} x ${photos[i]}`).toBeLessThan(
          tolerance,
        );
      }
    }
  });

  it('agrees in int8 and f32 on the photos', async () => {
    using int8 = await loadClip(model!, { towers: ['image'] });
    using f32 = await loadClip(model!, { precision: 'f32', towers: ['image'] });
    for (const name of recorded.cosine_matrix_2dp.photos) {
      const photo = readFileSync(goldenPath(`photos/${name}`));
      expect(similarity(await int8.encodeImage(photo), await f32.encodeImage(photo)), name).toBeGreaterThan(0.9995);
    }
  });
});
