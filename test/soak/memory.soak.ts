/** A server's day in minutes: pictures, broken pictures, texts and classifiers, with and without threads; memory must not grow. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { residentBytes } from '../memory/resident-memory.ts';
import { goldenPath } from '../model/golden.ts';
import { untilOver } from './duration.ts';

/** Growth that is taken for noise, whatever the number of rounds. */
const NOISE = 24 << 20;
/** Rounds before the first look: engines optimize, caches fill. */
const WARM_UP = 20;

it.each([1, 2])('resident memory does not grow, %i threads', async (threads) => {
  using clip = await loadClip(undefined, { threads });
  const folder = goldenPath('photos');
  const files = readdirSync(folder)
    .filter((name) => /\.(jpg|png|webp)$/.test(name))
    .map((name) => new Uint8Array(readFileSync(`${folder}/${name}`)));
  const { total } = clip.info().memory;
  const work = async (round: number) => {
    const embeddings = await clip.encodeImage(files);
    expect(embeddings).toHaveLength(files.length);
    const broken = files[round % files.length]!.slice(0, 100 + (round % 400));
    await expect(clip.encodeImage(broken)).rejects.toMatchObject({ name: 'ClipError' });
    const classifier = await clip.classifier([`thing ${round}`, 'cat', 'dog'], { templates: 'openai-7' });
    expect(await classifier.classify(embeddings[0]!)).toHaveLength(3);
    await Promise.all(files.slice(0, 3).map((file) => clip.encodeImage(file)));
  };
  for (let round = 0; round < WARM_UP; round++) await work(round);
  const before = await residentBytes();
  await untilOver((round) => work(WARM_UP + round));
  expect((await residentBytes()) - before).toBeLessThan(NOISE);
  expect(clip.info().memory.total).toBe(total);
});
