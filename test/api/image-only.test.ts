/** `edgeclip/image`: one tower, whatever is asked for. What its bundles hold is tested in test/examples. */
import { expect, it } from 'vitest';
import { loadClip } from '../../src/image-only.ts';
import * as everything from '../../src/index.ts';
import { rejection } from './checkpoint.ts';
import { photo } from './pictures.ts';

it('loads the image tower, with the bits of the full model', async () => {
  using clip = await everything.loadClip();
  using image = await loadClip();
  expect(image.info().towers).toEqual(['image']);
  expect(await image.encodeImage(photo)).toEqual(await clip.encodeImage(photo));
  const classifier = everything.Classifier.fromBytes((await clip.classifier(['cat', 'rocket'])).toBytes(), image);
  expect((await classifier.classify(photo))[0]!.label).toBe('rocket');
  expect(await rejection(image.encodeText('a cat'))).toMatchObject({
    code: 'TOWER_NOT_LOADED',
    message: "the text tower is not part of edgeclip/image: import { loadClip } from 'edgeclip' for texts",
  });
});

it('takes the options of loadClip, and no other tower', async () => {
  (await loadClip({ precision: 'f32', towers: ['image'] })).dispose();
  for (const towers of [['text'], ['image', 'text'], []] as const) {
    expect(await rejection(loadClip({ towers }))).toMatchObject({ name: 'RangeError', message: expect.stringMatching(/edgeclip\/image has the image tower only/) }); // biome-ignore format: one line
  }
  expect(await rejection(loadClip({ nothing: true } as never))).toMatchObject({ name: 'TypeError' });
});
