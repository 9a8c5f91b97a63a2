import { expect, it } from 'vitest';
import { calibrate, type RankedWords } from '../../src/eval/tagging.ts';
import { Random } from '../kernels/random.ts';

const picture = (similarities: number[], right: number[], group = 0): RankedWords => ({
  similarities: Float32Array.from(similarities),
  right: new Set(right),
  group,
});

it('finds the least threshold that reaches the precision', () => {
  // By cosine: right 0.9, right 0.8, wrong 0.7, right 0.6, wrong 0.5, wrong 0.4.
  const pictures = [picture([0.9005, 0.7005, 0.6005], [0, 2]), picture([0.5005, 0.8005, 0.4005], [1])];
  expect(calibrate(pictures, 1, 0).all).toEqual({ threshold: 0.8, precision: 1, recall: 2 / 3, words: 1 });
  expect(calibrate(pictures, 0.75, 0).all).toEqual({ threshold: 0.6, precision: 0.75, recall: 1, words: 2 });
  expect(calibrate(pictures, 0.5, 0).all).toEqual({ threshold: 0.4, precision: 0.5, recall: 1, words: 3 });
});

it('says when none reaches it, or no word is right', () => {
  expect(calibrate([picture([0.9, 0.1], [1])], 0.9, 0)).toMatchObject({ all: null, heldOut: null });
  expect(calibrate([picture([0.9, 0.1], []), picture([0.9, 0.1], [])], 0.1, 0)).toMatchObject({ all: null });
});

it('measures a threshold on pictures that did not choose it', () => {
  const random = new Random(3);
  const pictures = Array.from({ length: 400 }, (_, i) => {
    const similarities = Array.from({ length: 20 }, () => random.next() * 0.2);
    similarities[i % 20] = 0.1 + random.next() * 0.2;
    return picture(similarities, [i % 20], i % 20);
  });
  const { all, heldOut, curve } = calibrate(pictures, 0.9, 7);
  for (const found of [all!, heldOut!]) {
    expect(found.precision).toBeGreaterThan(0.85);
    expect(found.recall).toBeGreaterThan(0.4);
  }
  expect(heldOut!.threshold).not.toBe(all!.threshold);
  expect(calibrate(pictures, 0.9, 7).heldOut).toEqual(heldOut);
  // A higher threshold gives fewer words, of which more are right.
  for (const [i, { words, recall }] of curve.slice(1).entries()) {
    expect(words).toBeLessThan(curve[i]!.words);
    expect(recall).toBeLessThanOrEqual(curve[i]!.recall);
  }
  expect(curve[0]!.recall).toBe(1);
});
