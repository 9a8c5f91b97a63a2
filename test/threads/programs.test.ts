/** One picture on all threads, as a program of steps: the bits of one thread. */
import { describe, it } from 'vitest';
import { Mode } from '../../src/engine/calls.ts';
import { loadClip } from '../../src/load.ts';
import { pictures } from '../api/pictures.ts';
import { expectSameRows } from '../kernels/compare.ts';
import { goldenPath, syntheticPicture } from '../model/golden.ts';
import { syntheticFiles, TINY_RN, VIT_B_32 } from '../model/synthetic.ts';

/** Wide enough for Strassen's halves, and for products in many parts. */
const twoLayers = { ...VIT_B_32, vision_cfg: { ...VIT_B_32.vision_cfg, layers: 2 } };

const models = [
  { name: 'the tiny transformer', model: goldenPath('tiny-vit'), picture: syntheticPicture(80) },
  { name: 'the tiny ResNet', model: syntheticFiles('tiny-rn', TINY_RN), picture: syntheticPicture(96) },
  { name: 'two layers of ViT-B/32', model: syntheticFiles('vit-b-32', twoLayers), picture: syntheticPicture(224) },
  { name: 'the embedded model', model: undefined, picture: pictures[0]! },
];

// Eight threads on two busy processors take their time.
describe.each(models)('one picture through $name', ({ model, picture }) => {
  it.each(['int8', 'f32'] as const)(
    'has the bits of one thread in %s, in either variant of the tile',
    async (precision) => {
      const embed = async (threads: number, variant: typeof Mode.none | typeof Mode.splat) => {
        // Given a variant, pictures are programs from the first one on.
        using clip = await loadClip(model, { precision, threads, variant, towers: ['image'] });
        const first = await clip.encodeImage(picture);
        expectSameRows([await clip.encodeImage(picture)], [first], `${threads} threads, again`);
        return first;
      };
      const one = await embed(1, Mode.none);
      for (const threads of [2, 3, 8]) {
        for (const variant of [Mode.none, Mode.splat])
          expectSameRows([await embed(threads, variant)], [one], `${threads} threads, variant ${variant}`);
      }
    },
  );
});
