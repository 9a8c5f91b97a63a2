import { describe, expect, it } from 'vitest';
import type { Clip } from '../../src/clip.ts';
import { loadClip } from '../../src/load.ts';
import { goldenPath } from '../model/golden.ts';
import { badPictures, photo, pictures } from './pictures.ts';
import { tokenRows } from './token-ids.ts';

type Result = Float32Array | Float32Array[];
type Call = (clip: Clip) => Promise<Result>;

const reason = new Error('never mind');
const aborted = AbortSignal.abort(reason);
const half = badPictures.find(([name]) => name.includes('half a JPEG'))!;

/** Sixteen calls: texts of 1 to 70 tokens, pictures of several sizes and forms, batches. */
const rows = tokenRows(70, 5);
const ofTexts: Call[] = [
  ...[0, 9, 35, 69].map((i) => (clip: Clip) => clip.encodeTokens([rows[i]])),
  (clip) => clip.encodeTokens(rows),
  (clip) => clip.encodeTokens(rows.slice(20, 24), { normalize: false }),
];
const ofPictures: Call[] = [
  ...pictures.map((picture) => (clip: Clip) => clip.encodeImage(picture)),
  (clip) => clip.encodeImage([pictures[1], pictures[3]]),
  (clip) => clip.encodeImage(new Blob([photo.slice()]), { normalize: false }),
];
const calls = [...ofTexts, ...ofPictures];
const failing: { call: Call; error: unknown }[] = [
  { call: (clip) => clip.encodeImage(photo, { signal: aborted }), error: reason },
  { call: (clip) => clip.encodeImage(half[1]), error: expect.objectContaining({ code: 'IMAGE_TRUNCATED' }) },
];

/** The calls in another order, with the failing ones among them. */
function shuffled(round: number) {
  const all = [...calls.map((call) => ({ call, error: undefined as unknown })), ...failing];
  return all.map((_, i) => all[(i * 5 + round * 3) % all.length]);
}

describe.each(['tiny-vit', 'tiny-vit-hf'])('R30: sixteen calls at once on %s', (model) => {
  it.each(['int8', 'f32'] as const)(
    'have the bits of their lone runs in %s, and the bad ones fail alone',
    async (precision) => {
      using clip = await loadClip(goldenPath(model), { precision });
      // Each by a model that holds nothing else: neither tower may leave a trace in the other's memory.
      const lone = new Map<Call, Result>();
      for (const call of calls) {
        const towers = [ofTexts.includes(call) ? 'text' : 'image'] as const;
        using fresh = await loadClip(goldenPath(model), { precision, towers });
        lone.set(call, await call(fresh));
      }
      for (let round = 0; round < 3; round++) {
        const batch = shuffled(round);
        expect(batch).toHaveLength(16);
        expect(new Set(batch).size).toBe(16);
        const outcomes = await Promise.allSettled(batch.map(({ call }) => call(clip)));
        for (const [i, outcome] of outcomes.entries()) {
          const { call, error } = batch[i];
          if (error === undefined) expect(outcome).toEqual({ status: 'fulfilled', value: lone.get(call) });
          else expect(outcome).toEqual({ status: 'rejected', reason: error });
        }
      }
      for (const call of calls) expect(await call(clip)).toEqual(lone.get(call));
    },
  );
});

it('calls on two models at once do not meet', async () => {
  using one = await loadClip(goldenPath('tiny-vit'), { precision: 'f32' });
  using other = await loadClip(undefined, { towers: ['image'] });
  const alone = [await one.encodeImage(pictures), await other.encodeImage(pictures)];
  const together = await Promise.all([one.encodeImage(pictures), other.encodeImage(pictures)]);
  expect(together).toEqual(alone);
});

it('models load at once as one after the other', async () => {
  const loads = await Promise.all(['tiny-vit', 'tiny-vit-hf', 'tiny-vit'].map((name) => loadClip(goldenPath(name))));
  const [a, b, c] = await Promise.all(loads.map((clip) => clip.encodeImage(photo)));
  expect(b).toEqual(a);
  expect(c).toEqual(a);
  for (const clip of loads) clip.dispose();
});

it('texts, pictures and classifiers of the embedded model at once equal their lone runs', async () => {
  using clip = await loadClip();
  const labels = ['cat', 'dog', 'a cup of coffee'];
  const texts = Array.from({ length: 12 }, (_, i) => 'a photo of many small things '.repeat(i).trim());
  const classifier = await clip.classifier(labels);
  const run = [
    ...texts.map((text) => () => clip.encodeText(text)),
    () => clip.encodeImage(pictures),
    () => classifier.classify(photo),
    async () => (await clip.classifier(labels, { templates: 'openai-7' })).classify(photo),
    () => classifier.classify(pictures[3], { topK: 1 }),
  ];
  expect(run).toHaveLength(16);
  const alone: unknown[] = [];
  for (const call of run) alone.push(await call());
  expect(await Promise.all(run.map((call) => call()))).toEqual(alone);
});

it('calls run in the order in which they came', async () => {
  using clip = await loadClip(goldenPath('tiny-vit'));
  const order: string[] = [];
  const note = (name: string) => () => void order.push(name);
  await Promise.all([
    clip.encodeImage(photo).then(note('a picture')),
    clip.encodeImage(pictures.slice(1, 2)).then(note('a list')),
    clip.encodeImage(pictures[2]).then(note('another picture')),
  ]);
  expect(order).toEqual(['a picture', 'a list', 'another picture']);
});

it('a picture whose bytes are slow to come, or never come, holds up no other call', async () => {
  using clip = await loadClip(goldenPath('tiny-vit'));
  const controller = new AbortController();
  const stalled = new ReadableStream<Uint8Array>({ start: (stream) => stream.enqueue(photo.slice(0, 100)) });
  let finish = () => {};
  const slow = new ReadableStream<Uint8Array>({
    start(stream) {
      finish = () => {
        stream.enqueue(photo.slice());
        stream.close();
      };
    },
  });
  const waiting = clip.encodeImage(slow);
  const never = clip.encodeImage([photo, stalled], { signal: controller.signal });
  const expected = await clip.encodeImage(photo);
  expect(await clip.encodeImages([photo]).next()).toEqual({ done: false, value: { index: 0, embedding: expected } });
  finish();
  expect(await waiting).toEqual(expected);
  controller.abort(reason);
  await expect(never).rejects.toBe(reason);
  expect(await clip.encodeImage(photo)).toEqual(expected);
});

it('a call that is aborted while it waits rejects with the reason, and those behind it go on', async () => {
  using clip = await loadClip(goldenPath('tiny-vit'));
  const [expected] = await clip.encodeTokens([rows[3]]);
  const controller = new AbortController();
  const outcomes = Promise.allSettled([
    clip.encodeImage(new Blob([photo.slice()])),
    clip.encodeImage(photo, { signal: controller.signal }),
    clip.encodeTokens([rows[3]], { signal: controller.signal }),
    clip.encodeTokens([rows[3]]),
  ]);
  controller.abort(reason);
  const [first, ...others] = await outcomes;
  expect(first.status).toBe('fulfilled');
  expect(others).toEqual([
    { status: 'rejected', reason },
    { status: 'rejected', reason },
    { status: 'fulfilled', value: [expected] },
  ]);
});
