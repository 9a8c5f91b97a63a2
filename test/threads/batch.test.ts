/** Whole pictures on threads: the bits, order and manners of one picture after the other. */
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { pictures } from '../api/pictures.ts';
import { expectSameRows } from '../kernels/compare.ts';
import { goldenPath, readGolden, syntheticPicture } from '../model/golden.ts';

const tiny = readGolden('tiny-vit/expected.json');
const photos = pictures.slice(0, 5);
const models = [
  { model: goldenPath('tiny-vit'), batch: [80, 90, 100, 64, 120].map(syntheticPicture) },
  { model: undefined, batch: photos },
] as const;

// Eight threads on two busy processors take their time.
describe.each(models)('a batch of five, model $model', ({ model, batch }) => {
  it.each(['int8', 'f32'] as const)('has the bits of one by one on any number of threads, in %s', async (precision) => {
    const embed = async (threads: number) => {
      using clip = await loadClip(model, { precision, threads });
      const embeddings = await clip.encodeImage(batch);
      await clip.encodeTokens([[1, 2, clip.config.text!.vocabSize - 1]]); // uses the same memory
      expectSameRows(await clip.encodeImage(batch), embeddings, `${threads} threads, after a text`);
      return embeddings;
    };
    const one = await embed(1);
    expect(new Set(one.map(String)).size).toBe(one.length);
    for (const threads of [2, 3, 4, 8]) expectSameRows(await embed(threads), one, `${threads} threads`);
  });

  it('is the same while the variants of the tile are measured, and afterwards', async () => {
    using clip = await loadClip(model, { threads: 2, towers: ['image'] });
    const first = await clip.encodeImage(batch);
    for (let i = 0; i < 6; i++) expectSameRows(await clip.encodeImage(batch), first, `batch ${i}`);
  });
});

describe('a batch on two threads', () => {
  it('names the position of a bad picture, and serves the next batch', async () => {
    using clip = await loadClip(undefined, { threads: 2, towers: ['image'] });
    const before = await clip.encodeImage(photos);
    const bad = new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3]);
    await expect(clip.encodeImage([photos[0]!, photos[1]!, photos[2]!, bad])).rejects.toThrow(/^image 3: /);
    expectSameRows(await clip.encodeImage(photos), before, 'after a bad picture');
  });

  it('tells of each picture, and of none once it is stopped', async () => {
    using clip = await loadClip(undefined, { threads: 2, towers: ['image'] });
    const done: number[] = [];
    await clip.encodeImage(photos, { onProgress: ({ done: n, total }) => void done.push(n, total) });
    expect(done).toEqual([1, 5, 2, 5, 3, 5, 4, 5, 5, 5]);
    const stop = new AbortController();
    let told = 0;
    const onProgress = () => {
      told++;
      if (told === 2) stop.abort();
    };
    await expect(clip.encodeImage(photos, { signal: stop.signal, onProgress })).rejects.toThrow(
      expect.objectContaining({ name: 'AbortError' }),
    );
    expect(told).toBe(2);
    expect(await clip.encodeImage(photos)).toHaveLength(5);
  });

  it('overlaps with other calls without disturbing them', async () => {
    using clip = await loadClip(goldenPath('tiny-vit'), { threads: 2 });
    const { batch } = models[0];
    const alone = await clip.encodeImage(batch);
    const [together, texts, single] = await Promise.all([
      clip.encodeImage(batch),
      clip.encodeTokens(tiny.token_ids),
      clip.encodeImage(batch[3]!),
    ]);
    expectSameRows(together, alone, 'the batch');
    expectSameRows([single], [alone[3]!], 'the single picture');
    expectSameRows(texts, await clip.encodeTokens(tiny.token_ids), 'the texts');
  });
});
