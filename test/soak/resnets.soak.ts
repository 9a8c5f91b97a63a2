/** OpenCLIP's and TinyCLIP's ResNets at full size against open_clip in float64 (test/oracle/openclip_resnets.py). */
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import {
  channelsFirst,
  cosine,
  largestError,
  readGolden,
  type Sketch,
  sketchError,
  syntheticPicture,
} from '../model/golden.ts';
import { syntheticFiles } from '../model/synthetic.ts';
import { minutes } from './duration.ts';

interface Golden {
  readonly config: Parameters<typeof syntheticFiles>[1] & { readonly vision_cfg: { readonly image_size: number } };
  readonly image_embedding: number[];
  readonly activations: Record<string, Sketch>;
}

/** The two largest take most of the time: the short form leaves them out. */
const NAMES = ['TinyCLIP-ResNet-19M-Text-19M', 'TinyCLIP-ResNet-30M-Text-29M', 'RN101', 'RN50x4', 'RN50x16', 'RN50x64'];

describe.each(minutes >= 5 ? NAMES : NAMES.slice(0, 4))('%s', (name) => {
  const { config, image_embedding, activations } = readGolden<Golden>(`openclip-resnets/${name}/expected.json`);
  const picture = syntheticPicture(config.vision_cfg.image_size);
  const files = syntheticFiles(`openclip-resnets/${name}`, config);

  it('gives its embedding and activations in f32', async () => {
    const errors: Record<string, number> = {};
    const probe = (stage: string, shape: readonly number[], values: Float32Array) => {
      const sketch = activations[stage];
      if (!sketch) return;
      expect([shape[2], shape[0], shape[1]], stage).toEqual(sketch.shape);
      errors[stage] = sketchError(sketch, channelsFirst(values, shape));
    };
    using clip = await loadClip(files, { precision: 'f32', probe, towers: ['image'] });
    const image = await clip.encodeImage(picture);
    console.log(
      `${name}, f32: cosine ${cosine(image, image_embedding)}, error ${largestError(image, image_embedding)}`,
    );
    expect(Object.keys(errors)).toEqual(['vision.layer1', 'vision.layer2', 'vision.layer3', 'vision.layer4']);
    for (const [stage, error] of Object.entries(errors)) expect(error, stage).toBeLessThanOrEqual(1e-4);
    expect(cosine(image, image_embedding)).toBeGreaterThanOrEqual(0.999999);
    expect(largestError(image, image_embedding)).toBeLessThanOrEqual(2e-5);
  });

  it('gives its embedding in int8, nearly', async () => {
    using clip = await loadClip(files, { towers: ['image'], threads: 2 });
    const image = await clip.encodeImage(picture);
    console.log(`${name}, int8: cosine ${cosine(image, image_embedding)}`);
    expect(cosine(image, image_embedding)).toBeGreaterThanOrEqual(0.9995);
  });
});
