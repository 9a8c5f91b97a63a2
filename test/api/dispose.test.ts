import { describe, expect, it } from 'vitest';
import { Classifier } from '../../src/classifier.ts';
import { Clip } from '../../src/clip.ts';
import { loadClip } from '../../src/load.ts';
import { goldenPath } from '../model/golden.ts';
import { rejection } from './checkpoint.ts';
import { photo, pictures } from './pictures.ts';
import { BOS, EOT } from './token-ids.ts';

const disposed = expect.objectContaining({ name: 'ClipError', code: 'DISPOSED' });

const asynchronous: [string, (clip: Clip) => Promise<unknown>][] = [
  ['encodeImage', (clip) => clip.encodeImage(photo)],
  ['encodeImage of a batch', (clip) => clip.encodeImage([photo])],
  ['encodeImage of nothing', (clip) => clip.encodeImage([])],
  ['encodeImage of no picture', (clip) => clip.encodeImage(new Uint8Array(3))],
  ['encodeImage of a bad one, settled', (clip) => clip.encodeImage([new Uint8Array(3)], { settled: true })],
  ['encodeText', (clip) => clip.encodeText('a cat')],
  ['encodeText of nothing', (clip) => clip.encodeText([])],
  ['encodeTokens', (clip) => clip.encodeTokens([[0, 1]])],
  ['encodeTokens of nothing', (clip) => clip.encodeTokens([])],
  ['countTokens', (clip) => clip.countTokens(['a cat'])],
  ['classifier', (clip) => clip.classifier(['cat', 'dog'])],
];
const synchronous: [string, (clip: Clip) => unknown][] = [
  ['encodeImages', (clip) => clip.encodeImages([photo])],
  ['tokenize', (clip) => clip.tokenize(['a cat'])],
  ['info', (clip) => clip.info()],
  ['logitScale', (clip) => clip.logitScale],
];

describe('after dispose', () => {
  it('every method throws or rejects with DISPOSED, and disposing again is fine', async () => {
    const clip = await loadClip();
    await clip.encodeText('a cat');
    clip.dispose();
    clip.dispose();
    clip[Symbol.dispose]();
    for (const [name, call] of asynchronous) expect(await rejection(call(clip)), name).toEqual(disposed);
    for (const [name, call] of synchronous) expect(() => call(clip), name).toThrow(disposed);
    // A new method has to be added here.
    const methods = Object.getOwnPropertyNames(Clip.prototype).filter((name) => name !== 'constructor');
    const tried = [...asynchronous, ...synchronous].map(([name]) => name.split(' ')[0]);
    expect(new Set([...tried, 'dispose'])).toEqual(new Set(methods));
  });

  it('a classifier ranks embeddings, and rejects pictures with DISPOSED', async () => {
    const clip = await loadClip();
    const classifier = await clip.classifier(['cat', 'dog']);
    const embedding = await clip.encodeImage(photo);
    const ranked = await classifier.classify(photo);
    clip.dispose();
    expect(await rejection(classifier.classify(photo))).toEqual(disposed);
    expect(await classifier.classify(embedding)).toEqual(ranked);
    expect(await Classifier.fromBytes(classifier.toBytes()).classify(embedding)).toEqual(ranked);
  });

  it('another model goes on', async () => {
    using kept = await loadClip(goldenPath('tiny-vit'));
    const before = await kept.encodeImage(pictures);
    const gone = await loadClip(goldenPath('tiny-vit'));
    await gone.encodeImage(photo);
    gone.dispose();
    expect(await kept.encodeImage(pictures)).toEqual(before);
  });
});

it('using disposes at the end of the block', async () => {
  let kept: Clip;
  {
    using clip = await loadClip(goldenPath('tiny-vit'));
    await clip.encodeImage(photo);
    kept = clip;
  }
  expect(() => kept.info()).toThrow(disposed);
});

it('calls that run or wait in the queue reject with DISPOSED, every one', async () => {
  const clip = await loadClip(goldenPath('tiny-vit'));
  const waiting = [
    clip.encodeImage(photo),
    clip.encodeImage(pictures),
    clip.encodeTokens([[BOS, 5, EOT]]),
    clip.encodeImage(new Blob([photo.slice()])),
    clip.encodeTokens([[BOS, 6, EOT]]),
  ];
  clip.dispose();
  for (const outcome of await Promise.allSettled(waiting)) {
    expect(outcome).toEqual({ status: 'rejected', reason: disposed });
  }
});

it('a batch that is under way stops at the next picture', async () => {
  const clip = await loadClip(goldenPath('tiny-vit'));
  let done = 0;
  const batch = clip.encodeImage(pictures, {
    onProgress: (progress) => {
      done = progress.done;
      if (done === 2) clip.dispose();
    },
  });
  expect(await rejection(batch)).toEqual(disposed);
  expect(done).toBe(2);
});
