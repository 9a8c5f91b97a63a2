import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { cosine, largestError, readGolden, sketchError, syntheticPicture } from '../model/golden.ts';
import { syntheticFiles, VIT_B_32 } from '../model/synthetic.ts';

const expected = readGolden('vit-b-32/expected.json');
const picture = syntheticPicture(224);
const files = syntheticFiles('vit-b-32', VIT_B_32);

describe('ViT-B/32 at full size against the published PyTorch code', () => {
  it('gives its embeddings and activations in f32', async () => {
    const errors: Record<string, number> = {};
    const probe = (name: string, shape: readonly number[], values: Float32Array) => {
      expect(shape, name).toEqual(expected.activations[name]!.shape);
      errors[name] = sketchError(expected.activations[name]!, values);
    };
    const embeddings = async (watched: boolean) => {
      using clip = await loadClip(files, { precision: 'f32', ...(watched && { probe }) });
      const [first] = expected.token_ids;
      const rows = watched ? [[...first!, ...Array(77 - first!.length).fill(0)]] : expected.token_ids;
      const image = await clip.encodeImage(picture);
      return { image, texts: await clip.encodeTokens(rows) };
    };
    await embeddings(true);
    for (const name of Object.keys(expected.activations)) expect(errors[name], name).toBeLessThanOrEqual(1e-4);
    const { image, texts } = await embeddings(false);
    const pairs = [
      [image, expected.image_embedding] as const,
      ...texts.map((t, i) => [t, expected.text_embeddings[i]!] as const),
    ];
    for (const [ours, golden] of pairs) {
      expect(cosine(ours, golden)).toBeGreaterThanOrEqual(0.999999);
      expect(largestError(ours, golden)).toBeLessThanOrEqual(2e-5);
    }
  });

  it('gives its embeddings in int8, nearly', async () => {
    using clip = await loadClip(files);
    expect(cosine(await clip.encodeImage(picture), expected.image_embedding)).toBeGreaterThanOrEqual(0.9995);
    const texts = await clip.encodeTokens(expected.token_ids);
    for (const [i, text] of texts.entries()) {
      expect(cosine(text, expected.text_embeddings[i]!)).toBeGreaterThanOrEqual(0.9995);
    }
  });
});
