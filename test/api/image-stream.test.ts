/** One bad picture costs no other: settled results, and pictures that come one by one. */
import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { EncodedImage } from '../../src/encoding.ts';
import { ClipError } from '../../src/errors.ts';
import type { ImageInput } from '../../src/image/input.ts';
import { ImageBatch } from '../../src/image-batch.ts';
import { loadClip } from '../../src/load.ts';
import { PictureThreads } from '../../src/picture-threads/picture-threads.ts';
import { goldenPath } from '../model/golden.ts';
import { rejection } from './checkpoint.ts';
import { badPictures, photo, pictures } from './pictures.ts';

const single = await loadClip(goldenPath('tiny-vit'), { towers: ['image'] });
const threaded = await loadClip(goldenPath('tiny-vit'), { towers: ['image'], threads: 3 });
afterAll(() => {
  single.dispose();
  threaded.dispose();
});
afterEach(() => vi.restoreAllMocks());

const lone = await single.encodeImage(pictures);
const [, bad] = badPictures.find(([name]) => name.includes('half a JPEG'))!;
const truncated = expect.objectContaining({ code: 'IMAGE_TRUNCATED' });

async function collect(results: AsyncIterable<EncodedImage>): Promise<EncodedImage[]> {
  const all: EncodedImage[] = [];
  for await (const result of results) all.push(result);
  return all;
}

describe.each([
  ['one thread', single],
  ['three threads', threaded],
])('settled results on %s', (_, clip) => {
  it('are a result or an error for each picture, in order, with the bits of lone runs', async () => {
    const list = [pictures[0]!, bad, pictures[1]!, 'cat.jpg' as unknown as Uint8Array, bad, pictures[2]!, pictures[3]!];
    const seen: number[] = [];
    const results = await clip.encodeImage(list, { settled: true, onProgress: ({ done }) => void seen.push(done) });
    expect(results).toEqual([
      { status: 'fulfilled', value: lone[0] },
      { status: 'rejected', reason: truncated },
      { status: 'fulfilled', value: lone[1] },
      { status: 'rejected', reason: expect.any(TypeError) },
      { status: 'rejected', reason: truncated },
      { status: 'fulfilled', value: lone[2] },
      { status: 'fulfilled', value: lone[3] },
    ]);
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
    // The place in the list says which picture it was.
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason.message).not.toMatch(/^image \d/);
    expect(await clip.encodeImage([bad, bad, bad, bad], { settled: true })).toEqual(
      Array(4).fill({ status: 'rejected', reason: truncated }),
    );
    expect(await clip.encodeImage([], { settled: true })).toEqual([]);
    expect(await clip.encodeImage(photo, { settled: true })).toMatchObject({ status: 'fulfilled' });
    expect(await clip.encodeImage(bad, { settled: true })).toEqual({ status: 'rejected', reason: truncated });
  });

  it('a call that is stopped rejects all the same', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const call = clip.encodeImage(pictures, {
      settled: true,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    expect(await rejection(call)).toBe(reason);
    expect(await rejection(clip.encodeImage([bad], { settled: true, signal: AbortSignal.abort(reason) }))).toBe(reason);
  });

  it('what onProgress throws, at once or later, rejects that call only', async () => {
    const reason = new Error('cannot paint');
    for (const onProgress of [
      () => {
        throw reason;
      },
      async () => {
        throw reason;
      },
    ]) {
      const [failed, other] = await Promise.allSettled([
        clip.encodeImage(pictures, { onProgress, settled: true }),
        clip.encodeImage(pictures),
      ]);
      expect(failed).toEqual({ status: 'rejected', reason });
      expect(other).toEqual({ status: 'fulfilled', value: lone });
    }
  });

  it('keep what was done when a worker dies, and say what was lost', async () => {
    // Where threads cannot decode. Those that do are in test/threads/pictures.test.ts.
    vi.spyOn(PictureThreads.prototype, 'usable', 'get').mockReturnValue(false);
    const encode = ImageBatch.prototype.encode;
    let calls = 0;
    vi.spyOn(ImageBatch.prototype, 'encode').mockImplementation(function (this: ImageBatch, n) {
      if (++calls === 2) throw new ClipError('WORKER', 'a worker thread died');
      return encode.call(this, n);
    });
    const results = await clip.encodeImage(pictures, { settled: true });
    const lost = results.flatMap((result, i) => (result.status === 'rejected' ? [i] : []));
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.length).toBeLessThanOrEqual(clip === single ? 1 : 3);
    for (const [i, result] of results.entries()) {
      if (result.status === 'fulfilled') expect(result.value).toEqual(lone[i]);
      else expect(result.reason).toMatchObject({ code: 'WORKER', message: expect.stringMatching(/lost \(a worker/) });
    }
    // A pool tells which of the pictures that were computed together are lost.
    vi.mocked(ImageBatch.prototype.encode).mockImplementation(function (this: ImageBatch, n) {
      return encode.call(this, n).map((embedding, slot) => (n > 1 && slot === 0 ? undefined : embedding));
    });
    for (const [i, result] of (await clip.encodeImage(pictures, { settled: true })).entries()) {
      if (result.status === 'fulfilled') expect(result.value).toEqual(lone[i]);
      else expect(result.reason.message).toMatch(/^the embedding was lost with a worker/);
    }
    vi.mocked(ImageBatch.prototype.encode).mockImplementation(function (this: ImageBatch, n) {
      if (++calls === 2) throw new ClipError('WORKER', 'a worker thread died');
      return encode.call(this, n);
    });
    calls = 0;
    const error = await rejection(clip.encodeImage(pictures));
    expect(error).toMatchObject({ code: 'WORKER', message: expect.stringMatching(/^image \d+: .*lost/) });
    expect(await clip.encodeImage(pictures)).toEqual(lone);
  });
});

describe.each([
  ['one thread', single],
  ['three threads', threaded],
])('encodeImages on %s', (_, clip) => {
  it('gives each result in order, from lists, generators, streams, promises and functions', async () => {
    const expected = lone.map((embedding, index) => ({ index, embedding }));
    const blobs = pictures.map((picture) => new Blob([picture.slice()]));
    const sources: Record<string, Iterable<ImageInput | (() => Promise<Uint8Array>)> | AsyncIterable<ImageInput>> = {
      list: pictures,
      set: new Set(pictures),
      generator: (function* () {
        yield* pictures;
      })(),
      asyncGenerator: (async function* () {
        for (const picture of pictures) {
          await new Promise((resolve) => setTimeout(resolve, 1));
          yield picture;
        }
      })(),
      blobs,
      functions: pictures.map((picture) => async () => picture),
      synchronous: pictures.map((picture) => () => picture) as never,
      promises: pictures.map((picture) => Promise.resolve(picture)) as never,
      stream: new ReadableStream<Uint8Array>({
        start(stream) {
          for (const picture of pictures) stream.enqueue(picture);
          stream.close();
        },
      }) as never,
    };
    for (const [name, source] of Object.entries(sources)) {
      expect(await collect(clip.encodeImages(source)), name).toEqual(expected);
    }
    expect(await collect(clip.encodeImages([]))).toEqual([]);
    const raw = await collect(clip.encodeImages(pictures.slice(0, 1), { normalize: false }));
    expect(raw[0]!.embedding).toEqual(await clip.encodeImage(pictures[0]!, { normalize: false }));
  });

  it('gives the error of a bad picture, of a file that is not there, and goes on', async () => {
    const read = (path: string) => () => readFile(path);
    const missing = goldenPath('no-such-file.png');
    const inputs = [read(goldenPath('preprocess/inputs/photo_0.jpg')), read(missing), bad, 7 as never, photo];
    const expected = await clip.encodeImage(photo);
    expect(await collect(clip.encodeImages(inputs))).toEqual([
      { index: 0, embedding: expected },
      { index: 1, error: expect.objectContaining({ code: 'ENOENT' }) },
      { index: 2, error: truncated },
      { index: 3, error: expect.any(TypeError) },
      { index: 4, embedding: expected },
    ]);
  });

  it('holds a few pictures at once, however many there are', async () => {
    const slots = clip.info().threads.count;
    let opened = 0;
    let given = 0;
    const source = (function* () {
      for (let i = 0; i < 100; i++) {
        yield () => {
          opened++;
          if (clip === single) expect(opened - given).toBeLessThanOrEqual(3 * slots);
          return photo;
        };
      }
    })();
    for await (const { embedding } of clip.encodeImages(source)) {
      expect(embedding).toBeDefined();
      given++;
      if (given !== 10) continue;
      // A consumer that takes its time: read ahead, at work, done.
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(opened - given).toBeLessThanOrEqual(4 * slots);
    }
    expect(given).toBe(100);
  });

  it('gives a result while the source waits for the next', async () => {
    let more = () => {};
    const source = (async function* () {
      yield photo;
      await new Promise<void>((resolve) => {
        more = resolve;
      });
      yield photo;
    })();
    const results = clip.encodeImages(source);
    expect((await results.next()).value).toMatchObject({ index: 0 });
    more();
    expect((await results.next()).value).toMatchObject({ index: 1 });
    expect(await results.next()).toEqual({ done: true, value: undefined });
  });

  it('ends with the error of the source, after what came before it', async () => {
    const reason = new Error('the folder is gone');
    const source = (function* () {
      yield photo;
      yield bad;
      throw reason;
    })();
    const seen: EncodedImage[] = [];
    const all = (async () => {
      for await (const result of clip.encodeImages(source)) seen.push(result);
    })();
    expect(await rejection(all)).toBe(reason);
    expect(seen).toEqual([expect.objectContaining({ index: 0 }), { index: 1, error: truncated }]);
  });

  it('ends the source when the loop is left, and asks for nothing if it never began', async () => {
    let state = 'not asked';
    const source = async function* () {
      try {
        state = 'open';
        for (;;) yield photo;
      } finally {
        state = 'closed';
      }
    };
    for await (const { index } of clip.encodeImages(source())) if (index === 4) break;
    expect(state).toBe('closed');
    state = 'not asked';
    await clip.encodeImages(source()).return();
    expect(state).toBe('not asked');
    const thrown = (async () => {
      for await (const _ of clip.encodeImages(source())) throw new Error('mine');
    })();
    expect((await rejection(thrown)).message).toBe('mine');
    expect(state).toBe('closed');
  });

  it('stops by a signal, also while the source or a picture lets it wait', async () => {
    const reason = new Error('enough');
    const stalled = [
      (async function* () {
        yield photo;
        await new Promise(() => {});
      })(),
      [photo, () => new Promise<Uint8Array>(() => {})],
      [photo, new Promise<Uint8Array>(() => {})],
    ];
    for (const source of stalled) {
      const controller = new AbortController();
      const results = clip.encodeImages(source, { signal: controller.signal });
      expect((await results.next()).value).toMatchObject({ index: 0 });
      const next = results.next();
      setTimeout(() => controller.abort(reason), 5);
      expect(await rejection(next)).toBe(reason);
      expect(await results.next()).toEqual({ done: true, value: undefined });
    }
    expect(await rejection(collect(clip.encodeImages([photo], { signal: AbortSignal.abort(reason) })))).toBe(reason);
    expect(await clip.encodeImage(pictures)).toEqual(lone);
  });

  it.each([
    ['a string', 'cat.jpg'],
    ['the bytes of one picture', photo],
    ['pixels', { data: photo, width: 1, height: 1 }],
    ['null', null],
    ['nothing', undefined],
  ])('refuses %s at the call', (_, images) => {
    expect(() => clip.encodeImages(images as never)).toThrow(TypeError);
    expect(() => clip.encodeImages(images as never)).toThrow(/encodeImages: expected an iterable/);
  });
});

it('encodeImages rejects once the model is disposed of', async () => {
  const clip = await loadClip(goldenPath('tiny-vit'), { towers: ['image'] });
  const results = clip.encodeImages(pictures);
  await results.next();
  clip.dispose();
  expect(await rejection(results.next())).toMatchObject({ code: 'DISPOSED' });
});

it('two streams and single calls at once have the bits of lone runs', async () => {
  const all = await Promise.all([
    collect(threaded.encodeImages(pictures)),
    collect(threaded.encodeImages(pictures.toReversed())),
    threaded.encodeImage(pictures),
  ]);
  expect(all[0].map(({ embedding }) => embedding)).toEqual(lone);
  expect(all[1].map(({ embedding }) => embedding).reverse()).toEqual(lone);
  expect(all[2]).toEqual(lone);
});
