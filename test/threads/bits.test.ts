import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { partsFor } from '../../src/engine/threads/control.ts';
import { ranges } from '../../src/engine/threads/split.ts';
import { loadClip } from '../../src/load.ts';
import { expectSameRows } from '../kernels/compare.ts';
import { goldenPath, readGolden, syntheticPicture } from '../model/golden.ts';

const tiny = readGolden('tiny-vit/expected.json');
const photo = new Uint8Array(readFileSync(goldenPath('photos/rocket.jpg')));

// Eight threads on two busy processors take their time.
describe('threads change no bit', () => {
  it.each(['int8', 'f32'] as const)('of the tiny transformer in %s', async (precision) => {
    const embed = async (threads: number) => {
      using clip = await loadClip(goldenPath('tiny-vit'), { precision, threads });
      expect(clip.info().threads).toEqual({ count: threads });
      return [await clip.encodeImage(syntheticPicture(80)), ...(await clip.encodeTokens(tiny.token_ids))];
    };
    const one = await embed(1);
    for (const threads of [2, 3, 4, 8]) expectSameRows(await embed(threads), one, `${threads} threads`);
  });

  it.each(['int8', 'f32'] as const)('of the embedded convolutional tower in %s', async (precision) => {
    const embed = async (threads: number) => {
      using clip = await loadClip(undefined, { precision, threads });
      return [await clip.encodeImage(photo), ...(await clip.encodeText(['a cat', 'a photo of a dog', 'a cat']))];
    };
    const one = await embed(1);
    for (const threads of [2, 3, 4, 8]) expectSameRows(await embed(threads), one, `${threads} threads`);
  });
});

describe('ranges', () => {
  it.each([1, 2, 3, 8, 64])('cover everything once, on whole steps, for %i threads', (threads) => {
    for (const n of [1, 3, 4, 5, 49, 50, 257, 2304, 49_408]) {
      for (const step of [1, 4, 8, 64]) {
        const cut = ranges(n, threads, step);
        expect(cut.length).toBeLessThanOrEqual(partsFor(threads));
        let next = 0;
        for (const [from, length] of cut) {
          expect(from).toBe(next);
          expect(from % step).toBe(0);
          expect(length).toBeGreaterThan(0);
          next = from + length;
        }
        expect(next).toBe(n);
      }
    }
  });

  it('get shorter, so that the last one is short', () => {
    const lengths = ranges(3072, 2, 32).map(([, length]) => length);
    expect(lengths).toEqual([...lengths].sort((a, b) => b - a));
    expect(lengths[0]).toBe(768); // a quarter: half of a thread's share
    expect(lengths.at(-1)).toBe(32);
  });
});

describe('thread counts', () => {
  it('are checked', async () => {
    for (const threads of [0, -1, 1.5, 65, Number.NaN, '2' as never]) {
      await expect(loadClip(goldenPath('tiny-vit'), { threads })).rejects.toThrow(RangeError);
    }
  });

  it('"auto" has one a processor, at most eight', async () => {
    using clip = await loadClip(goldenPath('tiny-vit'), { threads: 'auto' });
    const { count } = clip.info().threads;
    expect(count).toBeGreaterThanOrEqual(1);
    expect(count).toBeLessThanOrEqual(8);
  });
});
