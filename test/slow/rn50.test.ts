import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { expectSameRows } from '../kernels/compare.ts';
import { channelsFirst, cosine, largestError, readGolden, sketchError, syntheticPicture } from '../model/golden.ts';
import { RN50, syntheticFiles } from '../model/synthetic.ts';

const expected = readGolden('rn50/expected.json');
const picture = syntheticPicture(224);
const files = syntheticFiles('rn50', RN50);

describe('RN50 at full size against the published PyTorch code', () => {
  it('gives its embedding and activations in f32', async () => {
    const errors: Record<string, number> = {};
    const probe = (name: string, shape: readonly number[], values: Float32Array) => {
      const sketch = expected.activations[name];
      if (sketch) errors[name] = sketchError(sketch, channelsFirst(values, shape));
    };
    using clip = await loadClip(files, { precision: 'f32', probe, towers: ['image'] });
    const image = await clip.encodeImage(picture);
    expect(Object.keys(errors)).toEqual(['vision.layer1', 'vision.layer2', 'vision.layer3', 'vision.layer4']);
    for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThanOrEqual(1e-4);
    expect(cosine(image, expected.image_embedding)).toBeGreaterThanOrEqual(0.999999);
    expect(largestError(image, expected.image_embedding)).toBeLessThanOrEqual(2e-5);
  });

  it('gives its embedding in int8, nearly, with the same bits on two threads', async () => {
    using one = await loadClip(files, { towers: ['image'] });
    const image = await one.encodeImage(picture);
    expect(cosine(image, expected.image_embedding)).toBeGreaterThanOrEqual(0.9995);
    using two = await loadClip(files, { towers: ['image'], threads: 2 });
    expectSameRows([await two.encodeImage(picture)], [image], 'two threads');
  });
});
