/** Options of OpenCLIP beyond the other golden models, against open_clip in float64 (test/oracle/openclip_variants.py). */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { pack, storeOf } from '../api/checkpoint.ts';
import { cosine, goldenPath, largestError, readGolden, syntheticPicture } from './golden.ts';
import { syntheticFolder } from './synthetic.ts';

const MODELS = readdirSync(goldenPath('openclip-variants'));

interface Variant {
  readonly config: Parameters<typeof syntheticFolder>[1] & {
    readonly vision_cfg: { readonly image_size: number };
    readonly text_cfg: { readonly eos_id?: number };
  };
  readonly token_ids: number[][];
  readonly image_embedding: number[];
  readonly text_embeddings: number[][];
  readonly resized?: Record<string, number[]>;
}

describe.each(MODELS)('%s', (name) => {
  const expected = readGolden<Variant>(`openclip-variants/${name}/expected.json`);
  const files = () => syntheticFolder(`openclip-variants/${name}`, expected.config);
  const picture = syntheticPicture(expected.config.vision_cfg.image_size);
  // Ids up to the end token: the padding is the tower's.
  const end = expected.config.text_cfg.eos_id ?? 39;
  const ids = expected.token_ids.map((row) => row.slice(0, row.indexOf(end) + 1));

  it.each([1, 2])('gives the published embeddings in f32, %i threads', async (threads) => {
    using clip = await loadClip(storeOf(await files()), { precision: 'f32', threads });
    const image = await clip.encodeImage(picture, { normalize: false });
    const texts = await clip.encodeTokens(ids, { normalize: false });
    expect(largestError(image, expected.image_embedding)).toBeLessThan(2e-5);
    expect(cosine(image, expected.image_embedding)).toBeGreaterThan(0.999999);
    for (const [i, text] of texts.entries())
      expect(largestError(text, expected.text_embeddings[i]!)).toBeLessThan(2e-5);
  });

  it('gives them nearly in int8, and the same bits when packed', async () => {
    const folder = await files();
    using clip = await loadClip(storeOf(folder));
    const image = await clip.encodeImage(picture);
    const texts = await clip.encodeTokens(ids);
    expect(cosine(image, expected.image_embedding)).toBeGreaterThan(0.9995);
    for (const [i, text] of texts.entries()) expect(cosine(text, expected.text_embeddings[i]!)).toBeGreaterThan(0.9995);
    using packed = await loadClip(storeOf(await pack(folder)));
    expect([await packed.encodeImage(picture), ...(await packed.encodeTokens(ids))]).toEqual([image, ...texts]);
  });

  it.each(Object.entries(expected.resized ?? {}))(
    'gives those of the resized positions at %s pixels',
    async (size, golden) => {
      const store = storeOf(await files());
      const imageSize = Number(size);
      using f32 = await loadClip(store, { precision: 'f32', imageSize, towers: ['image'] });
      const image = await f32.encodeImage(syntheticPicture(imageSize), { normalize: false });
      expect(largestError(image, golden)).toBeLessThan(2e-5);
      expect(cosine(image, golden)).toBeGreaterThan(0.999999);
      using int8 = await loadClip(store, { imageSize, towers: ['image'] });
      expect(cosine(await int8.encodeImage(syntheticPicture(imageSize)), golden)).toBeGreaterThan(0.9995);
    },
  );
});
