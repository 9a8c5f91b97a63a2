/** B09: the event loop turns while calls are computed, so that timers, sockets and aborts arrive. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Clip } from '../../src/clip.ts';
import { loadClip } from '../../src/load.ts';
import { macrotask, Scheduler, yieldIfDue } from '../../src/scheduler.ts';
import { nearest } from '../../src/similarity.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { goldenPath } from '../model/golden.ts';
import { rejection } from './checkpoint.ts';
import { golden, photo } from './pictures.ts';

const png = golden('preprocess/inputs/rgb_97x61.png');
const raw = { data: new Uint8Array(300 * 300 * 3).map((_, i) => i % 251), width: 300, height: 300 };

/** Counts the ticks of a timer while something runs. */
async function ticksDuring(work: () => Promise<unknown>, ms = 5): Promise<number> {
  let ticks = 0;
  const timer = setInterval(() => ticks++, ms);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return ticks;
}

/** What a call rejects with whose signal a timer aborts, and how far it came. */
async function stoppedByTimer(
  call: (options: { signal: AbortSignal; onProgress: (p: { done: number }) => void }) => Promise<unknown>,
) {
  let done = 0;
  const error = await rejection(
    call({
      signal: AbortSignal.timeout(50),
      onProgress: (progress) => {
        done = progress.done;
      },
    }),
  );
  const atOnce = done;
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(done, 'nothing goes on').toBe(atOnce);
  return { error, done };
}

const timeout = expect.objectContaining({ name: 'TimeoutError' });

describe.each([1, 2])('on %i threads', (threads) => {
  let clip: Clip;
  beforeAll(async () => {
    clip = await loadClip({ threads });
  });
  afterAll(() => clip.dispose());

  it.each([
    ['PNG', png],
    ['JPEG', photo],
    ['raw pixels', raw],
  ])('a signal stops 300 pictures (%s) from a timer, within a picture', async (_, picture) => {
    const images = Array(300).fill(picture);
    const { error, done } = await stoppedByTimer((options) => clip.encodeImage(images, options));
    expect(error).toEqual(timeout);
    expect(done).toBeLessThan(300);
    const settled = await stoppedByTimer((options) => clip.encodeImage(images, { ...options, settled: true }));
    expect(settled.error).toEqual(timeout);
  });

  it('a signal stops texts and classifiers from a timer', async () => {
    const texts = Array.from({ length: 3000 }, (_, i) => `${i * 7919} small things, of which ${i} are red`);
    const embedding = await stoppedByTimer((options) => clip.encodeText(texts, options));
    expect(embedding.error).toEqual(timeout);
    expect(embedding.done).toBeLessThan(3000);
    const labels = Array.from({ length: 400 }, (_, i) => `label of the number ${i * 7919}`);
    const prompts = await stoppedByTimer((options) => clip.classifier(labels, { ...options, templates: 'openai-7' }));
    expect(prompts.error).toEqual(timeout);
    expect(prompts.done).toBeLessThan(2800);
  });

  it('timers tick beside a batch, single calls one after the other, and single calls at once', async () => {
    const batch = () => clip.encodeImage(Array(12).fill(raw));
    const single = async () => {
      for (let i = 0; i < 15; i++) await clip.encodeImage(raw);
    };
    const atOnce = () => Promise.all(Array.from({ length: 12 }, () => clip.encodeImage(raw)));
    const texts = async () => {
      for (let i = 0; i < 80; i++) await clip.encodeText(`text ${i} and what belongs to it`);
    };
    for (const [name, work] of Object.entries({ batch, single, atOnce, texts })) {
      expect(await ticksDuring(work), name).toBeGreaterThan(3);
    }
  });
});

describe('on one thread', () => {
  let clip: Clip;
  beforeAll(async () => {
    clip = await loadClip();
  });
  afterAll(() => clip.dispose());

  it('timers tick while texts are tokenized', async () => {
    const texts = Array.from({ length: 4000 }, (_, i) => `a long text of the number ${i * 7919} with many words in it`);
    const controller = new AbortController();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    const encode = Tokenizer.prototype.encode;
    const spy = vi.spyOn(Tokenizer.prototype, 'encode').mockImplementation(function (this: Tokenizer, text) {
      if (text === texts.at(-1)) {
        controller.abort();
        expect(ticks).toBeGreaterThan(3);
      }
      return encode.call(this, text);
    });
    expect(await rejection(clip.encodeText(texts, { signal: controller.signal }))).toMatchObject({
      name: 'AbortError',
    });
    expect(spy).toHaveBeenCalledTimes(4000);
    spy.mockRestore();
    clearInterval(timer);
  });

  it('timers tick while embeddings are ranked', async () => {
    const classifier = await clip.classifier(['cat', 'dog']);
    const embedding = await clip.encodeImage(raw);
    expect(await ticksDuring(() => classifier.classify(Array(3000).fill(embedding)), 2)).toBeGreaterThan(2);
    const vectors = Array.from({ length: 20_000 }, (_, i) => embedding.map((value) => value + i * 1e-6));
    expect(await ticksDuring(() => nearest([embedding, vectors[5]!], vectors, 3), 2)).toBeGreaterThan(2);
    const call = nearest(embedding, vectors, 3, { signal: AbortSignal.timeout(5) });
    expect(await rejection(call)).toEqual(timeout);
  });

  it('a call that waits in the queue is let go as soon as its signal is aborted', async () => {
    const order: string[] = [];
    const controller = new AbortController();
    const queued = Array.from({ length: 12 }, () => clip.encodeImage(raw).then(() => order.push('single')));
    const waiting = rejection(clip.encodeImage(raw, { signal: controller.signal })).then(() => order.push('aborted'));
    await queued[0];
    controller.abort();
    await Promise.all([waiting, ...queued]);
    expect(order).toHaveLength(13);
    expect(order.indexOf('aborted')).toBeLessThan(4);
  });

  it('an abort in the middle of a call leaves the bits of later ones', async () => {
    const expected = await clip.encodeImage(raw);
    for (let i = 0; i < 3; i++) {
      await rejection(clip.encodeImage(Array(50).fill(photo), { signal: AbortSignal.timeout(20 + i) }));
      expect(await clip.encodeImage(raw)).toEqual(expected);
    }
  });
});

it('one signal for many calls has one listener at a time, and none afterwards', async () => {
  using clip = await loadClip(goldenPath('tiny-vit'), { towers: ['image'] });
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  let most = 0;
  const add = vi.spyOn(signal, 'addEventListener').mockImplementation(function (
    this: AbortSignal,
    type,
    listener,
    options,
  ) {
    listeners.add(listener);
    most = Math.max(most, listeners.size);
    EventTarget.prototype.addEventListener.call(this, type, listener, options);
  });
  vi.spyOn(signal, 'removeEventListener').mockImplementation(function (this: AbortSignal, type, listener) {
    listeners.delete(listener);
    EventTarget.prototype.removeEventListener.call(this, type, listener);
  });
  const calls = () => Array.from({ length: 30 }, () => clip.encodeImage(raw, { signal }));
  await Promise.all(calls());
  expect(add).toHaveBeenCalled();
  expect(most).toBe(1);
  expect(listeners.size).toBe(0);
  const reason = new Error('all of you');
  const stopped = Promise.allSettled(calls());
  controller.abort(reason);
  for (const outcome of await stopped) expect(outcome).toEqual({ status: 'rejected', reason });
});

describe('a turn of the event loop', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it('lets a timer that is due run first', async () => {
    let fired = false;
    setTimeout(() => {
      fired = true;
    }, 1);
    const end = performance.now() + 5;
    while (performance.now() < end);
    await macrotask();
    await macrotask(); // Node looks at its timers once a turn
    expect(fired).toBe(true);
  });

  it('uses what the runtime has', async () => {
    const used: string[] = [];
    const ports: { close(): void }[] = [];
    class Channel extends MessageChannel {
      constructor() {
        super();
        used.push('MessageChannel');
        const { port1 } = this;
        const close = port1.close.bind(port1);
        port1.close = () => {
          ports.push(port1);
          close();
        };
      }
    }
    vi.stubGlobal('setImmediate', undefined);
    vi.stubGlobal('MessageChannel', Channel);
    await macrotask();
    expect(used).toEqual(['MessageChannel']);
    expect(ports, 'closed, as an open port keeps Node alive').toHaveLength(1);
    vi.stubGlobal('MessageChannel', undefined);
    const { setTimeout } = globalThis;
    vi.stubGlobal('setTimeout', (...args: Parameters<typeof setTimeout>) => {
      used.push('setTimeout');
      return setTimeout(...args);
    });
    await macrotask();
    expect(used).toEqual(['MessageChannel', 'setTimeout']);
  });

  it('passes over functions that throw, which Next.js puts in place of missing ones', async () => {
    const refuse = vi.fn(() => {
      throw new Error('A Node.js API is used (setImmediate) which is not supported in the Edge Runtime.');
    });
    vi.stubGlobal('setImmediate', refuse);
    await macrotask();
    vi.stubGlobal('MessageChannel', refuse);
    await macrotask();
    expect(refuse).toHaveBeenCalledTimes(3);
  });

  it('does not wait for the fake timers of a test runner', async () => {
    vi.useFakeTimers();
    expect('clock' in setImmediate).toBe(true);
    await macrotask();
    await new Scheduler().run(async () => {});
  });

  it('comes after 8 ms of work, not before', async () => {
    let now = 1000;
    let turns = 0;
    vi.stubGlobal('performance', { now: () => now });
    const { setImmediate } = globalThis;
    vi.stubGlobal('setImmediate', (task: () => void) => {
      turns++;
      return setImmediate(task);
    });
    now += 100;
    await yieldIfDue();
    expect(turns).toBe(1);
    for (let i = 0; i < 7; i++) {
      now += 1;
      await yieldIfDue();
    }
    expect(turns).toBe(1);
    now += 1;
    await Promise.all([yieldIfDue(), yieldIfDue()]);
    expect(turns, 'calls at once share it').toBe(2);
    await yieldIfDue();
    expect(turns, 'a clock that stands still while code runs').toBe(3);
  });

  it('is where a signal is looked at, before and after', async () => {
    const reason = new Error('enough');
    await expect(yieldIfDue(AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    vi.stubGlobal('performance', { now: () => 1 });
    await yieldIfDue();
    setImmediate(() => controller.abort(reason));
    await expect(yieldIfDue(controller.signal)).rejects.toBe(reason);
  });
});
