/**
 * `edgeclip/transformers` beside transformers.js itself: its own pipelines, whose model is ours behind the interface of its
 * models, so that its way from logits and vectors to results is what is compared. Needs `npm ci --prefix test/adapters`.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pipeline } from '../../src/adapters/transformers.ts';
import type { Clip } from '../../src/clip.ts';
import type { RawPixels } from '../../src/image/raw-image.ts';
import { loadClip } from '../../src/load.ts';

const path = (name: string) => new URL(`../golden/photos/${name}`, import.meta.url).pathname;
const photos = [path('cat.png'), path('coffee.png'), path('astronaut.png')];
const labels = ['dog', 'cat', 'cup of coffee'];
// biome-ignore lint/suspicious/noExplicitAny: the package is installed beside this test, where its types are not looked for
let theirs: any;
let clip: Clip;
beforeAll(async () => {
  const name = '@huggingface/transformers';
  theirs = await import(name);
  clip = await loadClip();
});
afterAll(() => clip.dispose());

/** Our model where theirs is asked: pictures and texts go in as they are, logits and vectors come out as its tensors. */
const parts = () => {
  const tensor = (rows: readonly Float32Array[]) =>
    new theirs.Tensor('float32', Float32Array.from(rows.flatMap((row) => [...row])), [rows.length, rows[0]!.length]);
  const model = async ({ texts, pixel_values: images }: { texts?: string[]; pixel_values?: RawPixels[] }) => {
    const options = { normalize: false };
    if (images && !texts) return { image_embeds: tensor(await clip.encodeImage(images, options)) };
    if (texts && !images) return { logits: tensor(await clip.encodeText(texts, options)) };
    const [a, b] = [await clip.encodeImage(images!), await clip.encodeText(texts!)];
    const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
    return { logits_per_image: tensor(a.map((x) => Float32Array.from(b, (y) => clip.logitScale * dot(x, y)))) };
  };
  return {
    model: Object.assign(model, { config: { model_type: 'clip' } }),
    tokenizer: (texts: string | string[]) => ({ texts: [texts].flat() }),
    processor: async (images: RawPixels[]) => ({
      pixel_values: images.map(({ data, width, height }) => ({ data, width, height })),
    }),
  };
};

describe("edgeclip/transformers and transformers.js's own pipelines", () => {
  it('rank the same labels with the same scores under the same keys, for one picture and for several', async () => {
    const there = new theirs.ZeroShotImageClassificationPipeline({
      task: 'zero-shot-image-classification',
      ...parts(),
    });
    const here = await pipeline('zero-shot-image-classification');
    for (const hypothesis_template of [undefined, 'a picture of a {}']) {
      const options = hypothesis_template === undefined ? {} : { hypothesis_template };
      const [ours, other] = [await here(photos, labels, options), await there(photos, labels, options)];
      expect(ours.map((one) => one.map(({ label }) => label))).toEqual(
        other.map((one: { label: string }[]) => one.map(({ label }) => label)),
      );
      for (const [i, one] of ours.entries()) {
        for (const [k, { score, ...rest }] of one.entries()) {
          expect(Object.keys({ score, ...rest }).sort()).toEqual(Object.keys(other[i][k]).sort());
          expect(score).toBeCloseTo(other[i][k].score, 5);
        }
      }
      expect((await here(photos[0]!, labels, options))[0]!.label).toBe(
        (await there(photos[0], labels, options))[0].label,
      );
    }
    await here.dispose();
  });

  it('give features of the same type, dimensions and numbers', async () => {
    const theirImages = new theirs.ImageFeatureExtractionPipeline({ task: 'image-feature-extraction', ...parts() });
    const theirTexts = new theirs.FeatureExtractionPipeline({ task: 'feature-extraction', ...parts() });
    const [images, texts] = [await pipeline('image-feature-extraction'), await pipeline('feature-extraction')];
    for (const [ours, other] of [
      [await images(photos), await theirImages(photos)],
      [await images(photos[0]!), await theirImages(photos[0])],
      [await texts(['a cat', 'two']), await theirTexts(['a cat', 'two'])],
      [await texts('a cat', { normalize: true }), await theirTexts('a cat', { normalize: true })],
    ] as const) {
      expect([ours.type, ours.dims, ours.size]).toEqual([other.type, other.dims, other.size]);
      const [a, b] = [ours.tolist().flat() as number[], other.tolist().flat() as number[]];
      expect(a.length).toBe(b.length);
      for (const [i, value] of a.entries()) expect(value).toBeCloseTo(b[i]!, 5);
      expect([...ours].map((row) => (row as { dims: unknown }).dims)).toEqual(
        [...other].map((row) => (row as { dims: unknown }).dims),
      );
    }
    await Promise.all([images.dispose(), texts.dispose()]);
  });

  it('take its RawImage', async () => {
    const image = await theirs.RawImage.read(photos[0]);
    const here = await pipeline('zero-shot-image-classification');
    expect(await here(image, labels)).toEqual(await here(photos[0]!, labels));
    expect(await here([image], labels)).toEqual([await here(photos[0]!, labels)]);
    await here.dispose();
  });
});
