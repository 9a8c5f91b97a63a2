/** Files that come as streams: each byte at its place, whoever fills the buffers, and an error where a stream fails. */
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { type Fetch, fetchedFiles } from '../../src/weights/fetched-files.ts';
import { streamSource } from '../../src/weights/stream-source.ts';
import { pack, readFolder, rejection, storeOf } from '../api/checkpoint.ts';
import { syntheticPicture } from '../model/golden.ts';

const bytes = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >> 9)) & 255);
const picture = syntheticPicture(80);
const folder = await pack(readFolder('tiny-vit'), 'int8', { shardBytes: 100_000 });

/** A stream of `bytes` in chunks of one size. `type: 'bytes'` has readers that fill a buffer of the caller's. */
function stream(
  content: Uint8Array,
  chunk: number,
  type?: 'bytes',
  breakAt = Number.POSITIVE_INFINITY,
): ReadableStream {
  let at = 0;
  return new ReadableStream({
    ...(type && { type }),
    pull(controller) {
      if (at >= breakAt) throw new Error('the line is down');
      if (at >= content.length) {
        controller.close();
        (controller as ReadableByteStreamController).byobRequest?.respond(0);
        return;
      }
      controller.enqueue(content.slice(at, at + chunk));
      at += chunk;
    },
  });
}

describe.each([
  ['chunks', undefined],
  ["buffers of the caller's", 'bytes'],
] as const)('a source over a stream of %s', (_, type) => {
  it.each([1000, 65_536, 5_000_000])(
    'in chunks of %i gives the bytes of each range, and is opened once',
    async (chunk) => {
      const opened: number[] = [];
      const source = streamSource(async (offset) => {
        opened.push(offset);
        return stream(bytes.subarray(offset), chunk, type);
      }, bytes.length);
      // As a model is read: its head more than once, then all in order, with a small gap.
      for (const [from, to] of [
        [0, 8],
        [0, 600],
        [8, 90_000],
        [90_000, 1_200_000],
        [1_200_100, 3_000_000],
        [5, 5],
      ] as const) {
        // biome-ignore format: one line
        const target = new Uint8Array(to - from);
        await source.readInto(from, target);
        expect(Buffer.compare(target, bytes.subarray(from, to)), `${from} to ${to}`).toBe(0);
      }
      expect(opened).toEqual([0]);
      const target = new Uint8Array(10);
      await source.readInto(100_000, target); // backwards
      expect(target).toEqual(bytes.subarray(100_000, 100_010));
      expect(opened).toEqual([0, 100_000]);
      await source.close?.();
    },
  );

  it('that breaks off or ends early is an error, and opened anew by the next read', async () => {
    let breakAt = 200_000;
    const source = streamSource(async (offset) => stream(bytes.subarray(offset), 1000, type, breakAt), bytes.length, 'a.bin'); // biome-ignore format: one line
    const target = new Uint8Array(500_000);
    expect(await rejection(source.readInto(0, target))).toMatchObject({ code: 'IO', message: 'cannot read "a.bin": it broke off: the line is down' }); // biome-ignore format: one line
    breakAt = Number.POSITIVE_INFINITY;
    await source.readInto(0, target);
    expect(Buffer.compare(target, bytes.subarray(0, 500_000))).toBe(0);
    const short = streamSource(async () => stream(bytes.subarray(0, 70_000), 1000, type), bytes.length, 'b.bin');
    expect(await rejection(short.readInto(0, target))).toMatchObject({ message: 'cannot read "b.bin": it ended after 70000 of 3000000 bytes' }); // biome-ignore format: one line
  });

  it('is canceled when it is closed, aborted, or asked for too much', async () => {
    let canceled = 0;
    // It gives one chunk, and then nothing more.
    const stalled = () => {
      let chunks = 0;
      return new ReadableStream({
        ...(type && { type }),
        pull: (controller) => (chunks++ === 0 ? controller.enqueue(new Uint8Array(80_000)) : new Promise(() => {})),
        cancel: () => void canceled++,
      });
    };
    const source = streamSource(async () => stalled(), 1e9);
    await source.readInto(0, new Uint8Array(100));
    await source.close?.();
    expect(canceled).toBe(1);
    const controller = new AbortController();
    const reading = source.readInto(0, new Uint8Array(1e8), controller.signal);
    setTimeout(() => controller.abort(new Error('enough')), 5);
    expect((await rejection(reading)).message).toBe('enough');
    expect(canceled).toBe(2);
    expect(await rejection(source.readInto(1e9 - 1, new Uint8Array(2)))).toMatchObject({ code: 'IO' });
  });
});

describe('a model behind a fetch', () => {
  const name = (address: string) => decodeURIComponent(new URL(address).pathname.split('/').at(-1)!);
  const requests: { address: string; range: string | undefined }[] = [];
  /** A server; `change` makes its answers other ones. */
  const server =
    (change: (file: Uint8Array, offset: number) => Response): Fetch =>
    async (address, { headers }) => {
      requests.push({ address, range: headers.range });
      const file = folder[name(address)];
      if (!file) return new Response('not here', { status: 404 });
      return change(file, Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0));
    };
  const embedding = async (fetch: Fetch) => {
    using clip = await loadClip(fetchedFiles('https://assets.local/model', fetch), { towers: ['image'] });
    return await clip.encodeImage(picture);
  };
  const length = (file: Uint8Array) => ({ 'content-length': String(file.length) });

  it.each<[string, (file: Uint8Array, offset: number) => Response]>([
    ['that says the length', (file) => new Response(file.slice(), { headers: length(file) })],
    ['that does not', (file) => new Response(stream(file, 5000), {})],
    ['that says the length of what was compressed', (file) => new Response(file.slice(), { headers: { 'content-length': '99', 'content-encoding': 'gzip' } })], // biome-ignore format: one line
  ])('%s gives the bits of the same files in memory', async (_, answer) => {
    using expected = await loadClip(storeOf(folder), { towers: ['image'] });
    expect(await embedding(server(answer))).toEqual(await expected.encodeImage(picture));
  });

  it('fetches each shard once, and no file of the other tower', async () => {
    requests.length = 0;
    await embedding(server((file) => new Response(file.slice(), { headers: length(file) })));
    const names = requests.map(({ address }) => name(address));
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((one) => /^image-\d+-of-/.test(one)).length).toBeGreaterThan(1);
    expect(names.filter((one) => /^text|tokenizer/.test(one))).toEqual([]);
  });

  it('reads earlier bytes again by a range, or from the beginning where the server has none', async () => {
    for (const ranges of [true, false]) {
      const fetch = server((file, offset) =>
        offset > 0 && ranges
          ? new Response(file.slice(offset), { status: 206 })
          : new Response(file.slice(), { headers: length(file) }),
      );
      const file = Object.keys(folder).find((one) => one.startsWith('image-00001'))!;
      const source = (await fetchedFiles(new URL('https://assets.local/model/'), fetch).source(file))!;
      const end = new Uint8Array(100);
      await source.readInto(source.byteLength - 100, end);
      requests.length = 0;
      const before = new Uint8Array(100);
      await source.readInto(source.byteLength - 200, before);
      expect(requests.map(({ range }) => range)).toEqual([`bytes=${source.byteLength - 200}-`]);
      expect(before).toEqual(folder[file]!.subarray(source.byteLength - 200, source.byteLength - 100));
      expect(end).toEqual(folder[file]!.subarray(source.byteLength - 100));
    }
  });

  it.each<[string, Fetch, RegExp]>([
    ['that fails', async () => Promise.reject(new Error('no route')), /^cannot fetch "https:.*config.json": no route$/],
    ['that answers 500', async () => new Response('', { status: 500 }), /status 500$/],
    ['that breaks off', server((file) => new Response(stream(file, 5000, undefined, 5000), { headers: length(file) })), /broke off: the line is down/], // biome-ignore format: one line
    ['that breaks off before its length is known', server((file) => new Response(stream(file, 5000, undefined, 5000), { headers: {} })), /broke off: the line is down/], // biome-ignore format: one line
    ['with a text that is too large', async () => new Response('{', { headers: { 'content-length': '999999999' } }), /has 999999999 bytes/], // biome-ignore format: one line
  ])('%s is an error with the address', async (_, fetch, message) => {
    const error = await rejection(embedding(fetch));
    expect(error).toMatchObject({ name: 'ClipError', code: 'IO' });
    expect(error.message).toMatch(message);
  });

  it('needs an address', () => {
    expect(() => fetchedFiles('model')).toThrow(TypeError);
  });
});

describe('where streams fill buffers of the caller', () => {
  /** A stream that notes the buffers it is given, and whether it was let go. */
  function counted(content: Uint8Array) {
    const views: number[] = [];
    let canceled = 0;
    let at = 0;
    const reader = {
      async read(view: Uint8Array) {
        views.push(view.byteLength);
        const count = Math.min(view.byteLength, content.length - at);
        const buffer = structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] }); // as a stream does
        const value = new Uint8Array(buffer, 0, count);
        value.set(content.subarray(at, at + value.length));
        at += value.length;
        return { done: value.length === 0, value };
      },
      async cancel() {
        canceled++;
      },
    };
    const body = {
      getReader(options?: object) {
        expect(options).toEqual({ mode: 'byob' });
        return reader;
      },
    };
    return { body, views, canceled: () => canceled };
  }

  it('a file is read by its head, then by 1 MiB, and the stream is let go at its end', async () => {
    const stream = counted(bytes);
    const source = streamSource(async () => stream.body, bytes.length);
    await source.readInto(0, new Uint8Array(8));
    expect(stream.views).toEqual([1 << 16]); // many files are opened before the first is read on
    const target = new Uint8Array(bytes.length);
    await source.readInto(0, target);
    expect(Buffer.compare(target, bytes)).toBe(0);
    expect(stream.views.slice(1)).toEqual([1 << 20, 1 << 20, bytes.length - (1 << 16) - (1 << 21)]);
    expect(stream.canceled()).toBe(1);
  });

  it('the bytes of a file without a stated length are counted so, too', async () => {
    const streams = [counted(bytes), counted(bytes)];
    let fetched = 0;
    const files = fetchedFiles('https://assets.local/', async () => ({
      status: 200,
      headers: new Headers(),
      body: streams[fetched++]!.body,
      text: async () => '',
    }));
    const source = (await files.source('image.bin'))!;
    expect(source.byteLength).toBe(bytes.length);
    expect(streams[0]!.views).toEqual([1 << 20, 1 << 20, 1 << 20, 1 << 20]);
    const target = new Uint8Array(100);
    await source.readInto(0, target);
    expect(Buffer.compare(target, bytes.subarray(0, 100))).toBe(0);
    await source.close?.();
  });
});
