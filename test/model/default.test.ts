import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { preprocess } from '../../src/image/preprocess.ts';
import { loadClip } from '../../src/load.ts';
import { cosine, type Expected, goldenPath, readGolden, sketchError, syntheticPicture } from './golden.ts';

interface ExpectedDefault extends Expected {
  texts: string[];
  logit_scale: number;
  photos: Record<string, { crop_sha256: string; embedding: number[] }>;
}

// The f32 source of this model is too large for the repository: scripts/make-weights.ts holds f32 to its bar when it packs
// the weights. Here f32 runs on what the integers stand for, which is lossless for the convolutions.
const expected = readGolden<ExpectedDefault>('default/expected.json');
const picture = syntheticPicture(224);
const photos = Object.entries(expected.photos);
const photo = (name: string) => new Uint8Array(readFileSync(goldenPath(`photos/${name}`)));

describe('the embedded model against the published PyTorch code', () => {
  it('has golden photos to be tried on', () => {
    expect(photos.length).toBe(10);
    expect(readdirSync(goldenPath('photos'))).toEqual(expect.arrayContaining(photos.map(([name]) => name)));
  });

  it('gives its image embedding in int8', async () => {
    using clip = await loadClip(undefined, { towers: ['image'] });
    expect(cosine(await clip.encodeImage(picture), expected.image_embedding)).toBeGreaterThanOrEqual(0.99999);
  });

  it('tokenizes and embeds its texts in int8', async () => {
    using clip = await loadClip(undefined, { towers: ['text'] });
    expect(clip.tokenize(expected.texts)).toEqual(expected.token_ids);
    expect(clip.logitScale).toBeCloseTo(expected.logit_scale, 4);
    const texts = await clip.encodeText(expected.texts);
    for (const [i, text] of texts.entries()) {
      expect(cosine(text, expected.text_embeddings[i]!), expected.texts[i]).toBeGreaterThanOrEqual(0.9995);
    }
  });

  it.each(photos)('crops and embeds %s', async (name, { crop_sha256, embedding }) => {
    using clip = await loadClip(undefined, { towers: ['image'] });
    const crop = await preprocess(photo(name), clip.preprocess);
    expect(createHash('sha256').update(crop.data).digest('hex')).toBe(crop_sha256);
    expect(cosine(await clip.encodeImage(photo(name)), embedding)).toBeGreaterThanOrEqual(0.9995);
  });

  it('gives the activations of the image tower stage by stage in f32: its int8 weights lose nothing', async () => {
    const errors: Record<string, number> = {};
    const probe = (name: string, shape: readonly number[], values: Float32Array) => {
      expect(shape, name).toEqual(expected.activations[name]!.shape);
      errors[name] = sketchError(expected.activations[name]!, values);
    };
    using clip = await loadClip(undefined, { precision: 'f32', towers: ['image'], probe });
    await clip.encodeImage(picture);
    const stages = Object.keys(expected.activations).filter((name) => /^image\.(stem|stage|head)/.test(name));
    expect(stages.length).toBe(9);
    for (const name of stages) expect(errors[name], name).toBeLessThanOrEqual(1e-4);
  });

  it('gives its image embedding in f32 from the int8 weights and the residual of the projection', async () => {
    using clip = await loadClip(undefined, { precision: 'f32', towers: ['image'] });
    const embedding = await clip.encodeImage(picture, { normalize: false });
    const error = Math.max(...embedding.map((value, i) => Math.abs(value - expected.image_embedding[i]!)));
    expect(error).toBeLessThan(1e-3); // without the residual 0.02
  });

  it('ranks the example labels for every photo as the golden embeddings do', async () => {
    using clip = await loadClip();
    const labels = readFileSync(new URL('../../examples/labels.txt', import.meta.url), 'utf8')
      .trim()
      .split('\n');
    const classifier = await clip.classifier(labels);
    const texts = await clip.encodeText(labels.map((label) => `a photo of a ${label}.`));
    for (const [name, { embedding }] of photos) {
      const golden = labels
        .map((label, i) => ({ label, cosine: cosine(texts[i]!, embedding) }))
        .sort((a, b) => b.cosine - a.cosine);
      const ranked = await classifier.classify(photo(name));
      expect(
        ranked.map(({ label }) => label),
        name,
      ).toEqual(golden.map(({ label }) => label));
    }
  });
});
