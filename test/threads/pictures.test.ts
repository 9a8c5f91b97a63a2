/** Threads that take pictures from file to embedding: the bits, order and errors of one thread, and no picture that keeps others. */
import { Worker } from 'node:worker_threads';
import { deflateSync } from 'node:zlib';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { EncodedImage } from '../../src/encoding.ts';
import { Mode } from '../../src/engine/calls.ts';
import * as crop from '../../src/image/crop.ts';
import { ownFormat } from '../../src/image/format.ts';
import { loadClip } from '../../src/load.ts';
import { badPictures, photo, pictures } from '../api/pictures.ts';
import { chunk, header, pngOf } from '../image/png-file.ts';
import { goldenPath, syntheticPicture } from '../model/golden.ts';

const model = goldenPath('tiny-vit');
const single = await loadClip(model, { towers: ['image'] });
// With a tile that is chosen, so that no picture is alone.
const two = await loadClip(model, { threads: 2, variant: Mode.none });
afterAll(() => {
  single.dispose();
  two.dispose();
});
afterEach(() => vi.restoreAllMocks());

async function collect(results: AsyncIterable<EncodedImage>): Promise<EncodedImage[]> {
  const all: EncodedImage[] = [];
  for await (const result of results) all.push(result);
  return all;
}

/** 80 megapixels in a few kB. */
const huge = pngOf(header(10_000, 8000, 0, 1), chunk('IDAT', deflateSync(new Uint8Array(8000 * 1251))));

/** Calls back with the worker that gets the nth picture, when it gets it. */
function atPicture(n: number, then: (worker: Worker) => void): void {
  const post = Worker.prototype.postMessage;
  let count = 0;
  vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker, message, transfer) {
    post.call(this, message, transfer);
    if ((message as { kind: string }).kind === 'picture' && ++count === n) then(this);
  });
}

describe('a batch on threads that decode', () => {
  it('has the results and errors of one thread, of every kind of input, and nothing is decoded by the caller', async () => {
    const list = () => [
      ...pictures,
      ...badPictures.map(([, bytes]) => bytes),
      new Blob([photo.slice()]),
      new Response(photo.slice()),
      new Response('no', { status: 404 }),
      new Blob([photo.slice()]).stream() as ReadableStream,
      new ReadableStream({
        start: (controller) => controller.error(new Error('the cable')),
      }),
      new URL('file:///no/such/picture.jpg'),
      syntheticPicture(80),
    ];
    const options = { orient: true, scaled: true, maxPixels: 1_500_000 };
    const expected = await collect(single.encodeImages(list(), options));
    const decode = vi.spyOn(crop, 'cropImage');
    const results = await collect(two.encodeImages(list(), options));
    expect(results.map(plain)).toEqual(expected.map(plain));
    expect(results.filter(({ error }) => error).length).toBeGreaterThan(3);
    // Only what is not a picture of a known format.
    expect(decode).toHaveBeenCalled();
    for (const [taken] of decode.mock.calls) expect(taken.bytes && ownFormat(taken.bytes)).toBeUndefined();
  });

  it('goes on while one picture takes long, and delivers in order', async () => {
    let opened = 0;
    const others = Array.from({ length: 12 }, (_, i) => () => {
      opened++;
      return pictures[i % pictures.length]!;
    });
    const results: EncodedImage[] = [];
    for await (const result of two.encodeImages([() => huge, ...others])) {
      expect(opened).toBe(12); // all others were asked for before the first was done
      results.push(result);
    }
    const expected = await single.encodeImage([huge, ...others.map((other) => other())]);
    expect(results).toEqual(expected.map((embedding, index) => ({ index, embedding })));
  });

  it('stops a picture at work when it is aborted, and serves other calls', async () => {
    const stop = new AbortController();
    const answer = new Promise<{ kind: string }>((resolve) =>
      atPicture(1, (worker) => {
        worker.once('message', resolve);
        stop.abort(new Error('enough'));
      }),
    );
    const batch = two.encodeImage([huge, photo, photo, photo], { signal: stop.signal });
    await expect(batch).rejects.toThrow('enough');
    expect(await answer).toMatchObject({ kind: 'failed', error: { name: 'AbortError' } });
    expect(await two.encodeImage(pictures)).toEqual(await single.encodeImage(pictures));
  });

  it('loses the picture whose worker dies, and no other', async () => {
    const list = Array.from({ length: 9 }, (_, i) => pictures[i % pictures.length]!);
    const expected = await single.encodeImage(list);
    atPicture(3, (worker) => void worker.terminate());
    const results = await two.encodeImage(list, { settled: true });
    const lost = results.filter(({ status }) => status === 'rejected');
    expect(lost).toEqual([
      {
        status: 'rejected',
        reason: expect.objectContaining({ code: 'WORKER', message: expect.stringMatching(/lost/) }),
      },
    ]);
    for (const [i, result] of results.entries())
      if (result.status === 'fulfilled') expect(result.value).toEqual(expected[i]);
    vi.restoreAllMocks();
    expect(await two.encodeImage(list)).toEqual(expected);
  });

  it('makes room for a call that waits', async () => {
    const order: string[] = [];
    const batch = two.encodeImage(Array(24).fill(photo), { onProgress: () => void order.push('picture') });
    const text = two.encodeTokens([[1, 2, two.config.text!.vocabSize - 1]]).then(() => order.push('text'));
    await Promise.all([batch, text]);
    expect(order.indexOf('text')).toBeLessThan(12);
  });

  it('rejects with DISPOSED when the model is disposed of under way', async () => {
    const clip = await loadClip(model, { threads: 2, towers: ['image'], variant: Mode.none });
    atPicture(3, () => clip.dispose());
    await expect(clip.encodeImage(Array(9).fill(photo))).rejects.toMatchObject({ code: 'DISPOSED' });
  });

  it('is decoded by the caller where workers cannot load what they need', async () => {
    const clip = await loadClip(model, { threads: 2, towers: ['image'], variant: Mode.none });
    const post = Worker.prototype.postMessage;
    vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker, message, transfer) {
      const { kind } = message as { kind: string };
      post.call(
        this,
        kind === 'script' ? { kind, script: { text: 'throw new Error("no scripts here")' } } : message,
        transfer,
      );
    });
    expect(await clip.encodeImage(pictures)).toEqual(await single.encodeImage(pictures));
    clip.dispose();
  });
});

it('while the variants of the tile are measured, a small first picture is alone, and a large one is not', async () => {
  using clip = await loadClip(model, { threads: 2, towers: ['image'] });
  const large = new Uint8Array(photo.length + (1 << 20));
  large.set(photo);
  const expected = await single.encodeImage([photo, photo]);
  const decode = vi.spyOn(crop, 'cropImage');
  expect(await clip.encodeImage([large, large])).toEqual(expected);
  expect(decode).not.toHaveBeenCalled();
  expect(await clip.encodeImage([photo, photo])).toEqual(expected);
  expect(decode).toHaveBeenCalled();
});

it('a lone WebP is decoded by a thread', async () => {
  const webp = pictures.find((bytes) => String.fromCharCode(...bytes.subarray(8, 12)) === 'WEBP')!;
  const expected = await single.encodeImage(webp);
  const decode = vi.spyOn(crop, 'cropImage');
  expect(await two.encodeImage(webp)).toEqual(expected);
  expect(decode).not.toHaveBeenCalled();
});

/** A result whose errors can be compared. */
const plain = ({ index, embedding, error }: EncodedImage) => {
  const { name, message, code } = (error ?? {}) as Error & { code?: string };
  return { index, embedding, name, message, code };
};

it('info() counts the memory of all decoders, and a huge picture leaves none behind', async () => {
  const webp = pictures.find((bytes) => ownFormat(bytes) === 'webp')!;
  const clip = await loadClip(model, { threads: 2, towers: ['image'], variant: Mode.none });
  const { decoders: before } = clip.info().memory;
  await clip.encodeImage([photo, photo, photo, photo]);
  const { total, decoders } = clip.info().memory;
  expect(total).toBe(clip.info().memory.total);
  expect(decoders - before).toBeGreaterThan(65_536);
  expect(decoders - before).toBeLessThanOrEqual(2 * 4_194_304);
  await clip.encodeImage([webp, webp]);
  const withWebp = clip.info().memory.decoders;
  expect(withWebp - decoders).toBeGreaterThan(8 << 20);
  // Interlaced: all of its pixels are kept while it is decoded.
  const interlaced = pngOf(header(4000, 2000, 0, 8, 1), chunk('IDAT', deflateSync(new Uint8Array(8_006_000 + 4000))));
  await clip.encodeImage([interlaced, interlaced], { settled: true });
  expect(clip.info().memory.decoders).toBeLessThanOrEqual(withWebp);
  clip.dispose();
});
