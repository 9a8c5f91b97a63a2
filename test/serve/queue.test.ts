/** The order of requests in the queue, with a model that takes two milliseconds for each item, by a clock of the test's own. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Clip } from '../../src/clip.ts';
import { LiveModel } from '../../src/serve/live-model.ts';
import { WorkQueue } from '../../src/serve/queue.ts';

const MS = 2;
const embedding = new Float32Array(1);

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** Lets time pass until the work is done. */
async function passing<T>(work: Promise<T>): Promise<T> {
  let done = false;
  const end = () => {
    done = true;
  };
  work.then(end, end);
  while (!done) await vi.advanceTimersToNextTimerAsync();
  return work;
}

/** What a queue needs of a model. */
const model = {
  info: () => ({ threads: { count: 1 }, towers: ['image', 'text'], text: { tokenizer: true } }),
  async encodeText(texts: readonly string[], { onTokens }: { onTokens(counts: number[]): void }) {
    await new Promise((resolve) => setTimeout(resolve, MS * texts.length));
    onTokens(texts.map(() => 1));
    return texts.map(() => embedding);
  },
  async encodeImage(pictures: readonly Uint8Array[]) {
    await new Promise((resolve) => setTimeout(resolve, MS * pictures.length));
    return pictures.map(() => ({ status: 'fulfilled', value: embedding }));
  },
} as unknown as Clip;

async function queue(maxWait: number) {
  const sizes: number[] = [];
  const events = { batch: (_: string, size: number) => sizes.push(size) };
  const options = { maxWait, gather: 1, maxPixels: undefined, indexed: undefined };
  const work = new WorkQueue(new LiveModel(async () => model), options, events);
  await passing(work.warmUp());
  sizes.length = 0;
  return { work, sizes };
}

const texts = (n: number) => Array.from({ length: n }, (_, i) => `text ${i}`);

it('a long request refuses short ones no place, and does not hold them up', async () => {
  const { work, sizes } = await queue(0.6);
  const order: string[] = [];
  const done = (name: string) => () => order.push(name);
  const long = work.texts(texts(1000)).then(done('long')); // 2 seconds
  work.admit(); // as a further request does before its body is read
  const text = work.texts(['a']).then(done('text'));
  const picture = work.pictures([new Uint8Array(1)]).then(done('picture'));
  await expect(work.texts(texts(1000))).rejects.toMatchObject({ status: 429, code: 'OVERLOADED' }); // it would wait for the first
  await passing(Promise.all([long, text, picture]));
  expect([order[2], [...order].sort()]).toEqual(['long', ['long', 'picture', 'text']]);
  // Others have their turn after a quarter of a second, however many texts there are.
  expect(Math.max(...sizes)).toBeLessThanOrEqual(0.25 / (MS / 1000));
});

it('many short requests are too many', async () => {
  const { work } = await queue(0.2);
  const outcomes = await passing(Promise.allSettled(Array.from({ length: 300 }, () => work.texts(['a']))));
  const refused = outcomes.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(300 - 101); // as many as take 0.2 seconds, and one more
  await expect(passing(work.texts(['a']))).resolves.toHaveLength(1);
});
