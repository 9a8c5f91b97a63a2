import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { cosine, goldenPath, largestError, readGolden, sketchError, syntheticPicture } from './golden.ts';

const expected = readGolden('tiny-vit/expected.json');
const picture = syntheticPicture(expected.config.image_resolution);

describe.each(['tiny-vit', 'tiny-vit-hf'])('%s against the published PyTorch code', (model) => {
  it('gives its embeddings in f32', async () => {
    using clip = await loadClip(goldenPath(model), { precision: 'f32' });
    const image = await clip.encodeImage(picture, { normalize: false });
    expect(cosine(image, expected.image_embedding)).toBeGreaterThanOrEqual(0.999999);
    expect(largestError(image, expected.image_embedding)).toBeLessThanOrEqual(2e-5);
    const texts = await clip.encodeTokens(expected.token_ids, { normalize: false });
    for (const [i, text] of texts.entries()) {
      expect(cosine(text, expected.text_embeddings[i]!)).toBeGreaterThanOrEqual(0.999999);
      expect(largestError(text, expected.text_embeddings[i]!)).toBeLessThanOrEqual(2e-5);
    }
  });

  it('gives its embeddings in int8, nearly', async () => {
    using clip = await loadClip(goldenPath(model));
    const image = await clip.encodeImage(picture);
    expect(cosine(image, expected.image_embedding)).toBeGreaterThanOrEqual(0.9995);
    const texts = await clip.encodeTokens(expected.token_ids);
    for (const [i, text] of texts.entries())
      expect(cosine(text, expected.text_embeddings[i]!)).toBeGreaterThanOrEqual(0.9995);
  });

  it('gives its activations layer by layer', async () => {
    const errors: Record<string, number> = {};
    const probe = (name: string, shape: readonly number[], values: Float32Array) => {
      const sketch = expected.activations[name]!;
      expect(shape, name).toEqual(sketch.shape);
      errors[name] = sketchError(sketch, values);
    };
    using clip = await loadClip(goldenPath(model), { precision: 'f32', probe });
    await clip.encodeImage(picture);
    const padded = [...expected.token_ids[0]!, ...Array(77 - expected.token_ids[0]!.length).fill(0)];
    await clip.encodeTokens([padded]);
    for (const name of Object.keys(expected.activations)) expect(errors[name], name).toBeLessThanOrEqual(1e-4);
  });
});
