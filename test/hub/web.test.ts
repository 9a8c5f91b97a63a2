/** Models by name where there is no file system, as in browsers: fetched, and kept by the Cache API. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import type { LoadOptions } from '../../src/load-options.ts';
import { modelAt } from '../../src/platform/browser.ts';
import { readTensor } from '../../src/weights/elements.ts';
import { readTensorFile } from '../../src/weights/headers.ts';
import { rejection } from '../api/checkpoint.ts';
import { syntheticPicture } from '../model/golden.ts';
import { push, stateDict, torchFile } from '../weights/torch-writer.ts';
import { openaiFile } from './openai-file.ts';
import { golden, here, model, NAME, useFakeHub, WEIGHTS, weights } from './surroundings.ts';

useFakeHub();

/** What is used of the Cache API. */
class MemoryCache {
  readonly entries = new Map<string, { bytes: Uint8Array<ArrayBuffer>; headers: Headers }>();
  match = async (key: string) => {
    const entry = this.entries.get(key);
    return entry && new Response(entry.bytes, { headers: entry.headers });
  };
  put = async (key: string, response: Response) => {
    this.entries.set(key, { bytes: new Uint8Array(await response.arrayBuffer()), headers: response.headers });
  };
  delete = async (key: string) => this.entries.delete(key);
}

const caches = new Map<string, MemoryCache>();
beforeEach(() => {
  caches.clear();
  const open = async (name: string) => caches.get(name) ?? caches.set(name, new MemoryCache()).get(name);
  Object.assign(globalThis, { caches: { open } });
});
afterEach(() => void Reflect.deleteProperty(globalThis, 'caches'));

/** The hub's address is fixed where there are no environment variables. */
const toFakeHub: typeof fetch = (input, init) => fetch(String(input).replace('https://huggingface.co', here.hub.address), init); // biome-ignore format: one line

async function embedding(options: LoadOptions = {}): Promise<Float32Array> {
  using clip = await loadClip(await modelAt(NAME, { fetch: toFakeHub, ...options }), { towers: ['image'] });
  return await clip.encodeImage(syntheticPicture(80));
}

describe('a model by its name', () => {
  it('is fetched once and kept', async () => {
    here.hub.publish(NAME, model);
    const expected = await golden();
    expect(await embedding()).toEqual(expected);
    expect(here.hub.fetched()).toEqual(['open_clip_config.json', WEIGHTS]);
    expect(await embedding()).toEqual(expected);
    expect(here.hub.fetched()).toHaveLength(2);
    here.hub.asked.length = 0;
    expect(await embedding({ localFilesOnly: true })).toEqual(expected);
    expect(here.hub.asked).toEqual([]);
    await here.hub.stop();
    expect(await embedding(), 'no answer: what is kept').toEqual(expected);
  });

  it('keeps the token with the hub', async () => {
    here.hub.publish(NAME, model);
    here.hub.token = 'hf_secret';
    expect(await embedding({ accessToken: 'hf_secret' })).toEqual(await golden());
    expect(here.hub.asked.filter(({ at, authorization }) => at === 'files' && authorization !== undefined)).toEqual([]);
  });

  it('loads and is checked where there is neither a Cache API nor WebCrypto, as on pages without https', async () => {
    Reflect.deleteProperty(globalThis, 'caches');
    const { crypto } = globalThis;
    Object.defineProperty(globalThis, 'crypto', { value: {}, configurable: true });
    try {
      here.hub.publish(NAME, model);
      expect(await embedding()).toEqual(await golden());
      here.hub.flip = 5;
      expect((await rejection(embedding())).message).toContain(`${WEIGHTS} was damaged on its way: its checksum is`);
      here.hub.flip = undefined;
      const other = Buffer.from(model['open_clip_config.json']!);
      other[other.length - 1] = 32;
      here.hub.intercept = ({ path }, response) => path.includes('resolve-cache') && !!response.end(other);
      expect((await rejection(embedding())).message).toContain('open_clip_config.json was damaged on its way');
    } finally {
      Object.defineProperty(globalThis, 'crypto', { value: crypto, configurable: true });
    }
  });

  it('keeps nothing that is damaged: an entry of the cache is checked when it is read', async () => {
    here.hub.publish(NAME, model);
    const expected = await embedding();
    const { entries } = caches.get('edgeclip')!;
    expect(entries.size).toBe(3);
    for (const [key, { bytes }] of [...entries]) {
      bytes.fill(0, bytes.length / 2);
      const error = await rejection(embedding({ localFilesOnly: true }));
      expect(error).toMatchObject({ name: 'ClipError', code: 'IO' });
      expect(entries.has(key)).toBe(false);
      expect(await embedding()).toEqual(expected);
      expect(entries.has(key)).toBe(true);
    }
  });

  it('damaged on its way, or a web page: refused and not kept', async () => {
    here.hub.publish(NAME, model);
    const bodies = [weights.slice().fill(0, weights.length / 2), '<!doctype html><title>Login</title>'];
    for (const [i, says] of ['was damaged on its way', 'a web page came instead of'].entries()) {
      here.hub.intercept = ({ at }, response) => at === 'files' && !!response.end(bodies[i]);
      expect((await rejection(embedding())).message).toContain(says);
    }
    here.hub.intercept = undefined;
    expect(await embedding()).toEqual(await golden());
  });

  it('that is not kept, with localFilesOnly: the error says so', async () => {
    const { message } = await rejection(embedding({ localFilesOnly: true }));
    expect(message).toBe(`"${NAME}" is not in the cache "edgeclip", and nothing may be fetched (localFilesOnly)`);
  });
});

describe('a large file', () => {
  const bytes = Uint8Array.from({ length: 17 << 20 }, (_, i) => (i >> 5) ^ (i >> 20));
  const source = async () => (await (await modelAt(NAME, { fetch: toFakeHub })).source('model.safetensors'))!;

  it('comes in the blocks that are needed, and they are kept', async () => {
    here.hub.publish(NAME, { 'model.safetensors': bytes });
    const target = new Uint8Array(1000);
    const at = (8 << 20) - 500;
    for (let times = 0; times < 2; times++) {
      await (await source()).readInto(at, target);
      expect(Buffer.compare(target, bytes.subarray(at, at + 1000))).toBe(0);
    }
    const ranges = here.hub.asked.filter((one) => one.at === 'files').map(({ range }) => range);
    expect(ranges).toEqual([`bytes=0-${(8 << 20) - 1}`, `bytes=${8 << 20}-${(16 << 20) - 1}`]);
    await (await source()).readInto((17 << 20) - 1000, target);
    expect(Buffer.compare(target, bytes.subarray(-1000))).toBe(0);
  });

  it("of PyTorch's, with an optimizer: the blocks with the list and with what is read", async () => {
    const tensor = (name: string, length: number, value: number) => ({ name, dtype: 'F32', shape: [length], data: new Uint8Array(new Float32Array(length).fill(value).buffer) }); // biome-ignore format: one line
    const [first, moment, last] = [tensor('visual.a', 1000, 1), tensor('moment', 6 << 20, 2), tensor('b', 1000, 3)];
    const model = push.dict([first!, last!].map((one, i) => [one.name, push.tensor(push.storage('FloatStorage', String(2 * i), 1000), 0, [1000], [1])])); // biome-ignore format: one line
    const file = torchFile(push.dict([['optimizer', stateDict([moment!], '', 1)], ['state_dict', model]]), [first!.data, moment!.data, last!.data]); // biome-ignore format: one line
    here.hub.publish(NAME, { 'open_clip_pytorch_model.bin': file });
    const found = (await (await modelAt(NAME, { fetch: toFakeHub })).source('open_clip_pytorch_model.bin'))!;
    const { tensors } = await readTensorFile(found);
    for (const [name, value] of [
      ['visual.a', 1],
      ['b', 3],
    ] as const)
      expect(new Set(await readTensor(found, tensors.get(name)!))).toEqual(new Set([value]));
    const ranges = here.hub.asked.filter((one) => one.at === 'files').map(({ range }) => range);
    expect(ranges).toEqual([`bytes=0-${(8 << 20) - 1}`, `bytes=${24 << 20}-${file.length - 1}`]);
  });

  it.each(['ignored', 'refused'] as const)('comes whole from servers with ranges %s', async (ranges) => {
    here.hub.publish(NAME, { 'model.safetensors': bytes });
    here.hub.ranges = ranges;
    const target = new Uint8Array(1000);
    for (let times = 0; times < 2; times++) {
      await (await source()).readInto(16 << 20, target);
      expect(Buffer.compare(target, bytes.subarray(16 << 20, (16 << 20) + 1000))).toBe(0);
    }
    expect(here.hub.asked.filter((one) => one.at === 'files').at(-1)!.range, 'the second comes from the cache').toBe(
      ranges === 'ignored' ? `bytes=${16 << 20}-${(17 << 20) - 1}` : undefined,
    );
    expect(here.hub.asked.filter((one) => one.at === 'files')).toHaveLength(ranges === 'ignored' ? 1 : 2);
  });

  it.each(['bodies', 'file'] as const)('comes whole where ranges are compressed (%s), and is checked', async (gzip) => {
    here.hub.publish(NAME, { 'model.safetensors': bytes });
    here.hub.gzip = gzip;
    const target = new Uint8Array(1000);
    await (await source()).readInto(16 << 20, target);
    expect(Buffer.compare(target, bytes.subarray(16 << 20, (16 << 20) + 1000))).toBe(0);
    expect(here.hub.asked.filter((one) => one.at === 'files').map(({ range }) => range)).toEqual([`bytes=${16 << 20}-${(17 << 20) - 1}`, undefined]); // biome-ignore format: one line
  });

  it('goes on after a cut', async () => {
    here.hub.publish(NAME, { 'model.safetensors': bytes });
    here.hub.cuts = [100, 0, 1 << 20];
    const target = new Uint8Array(1000);
    await (await source()).readInto(5, target);
    expect(Buffer.compare(target, bytes.subarray(5, 1005))).toBe(0);
    here.hub.cuts = [100, 0, 0, 0, 0];
    const { message } = await rejection((await source()).readInto(9 << 20, target));
    expect(message).toBe(`"${NAME}": model.safetensors broke off, 4 times: terminated`);
  });

  it('is checked when its last block has come, in whatever order, and goes away if it is damaged', async () => {
    here.hub.publish(NAME, { 'model.safetensors': bytes });
    const at = [16 << 20, 1 << 20, 9 << 20];
    const target = new Uint8Array(1000);
    here.hub.flip = 3;
    for (const offset of at.slice(0, 2)) await (await source()).readInto(offset, target);
    const error = await rejection((await source()).readInto(at[2]!, target));
    expect(error).toMatchObject({ name: 'ClipError', code: 'IO' });
    expect(error.message).toMatch(/model\.safetensors, of 17825792 bytes on the hub, was damaged on its way: its checksum is [0-9a-f]{64}, expected [0-9a-f]{64}; it was not kept/); // biome-ignore format: one line
    expect([...caches.get('edgeclip')!.entries.keys()].filter((key) => key.includes('model.safetensors'))).toEqual([]); // biome-ignore format: one line
    here.hub.flip = undefined;
    for (const offset of at) await (await source()).readInto(offset, target);
    expect(Buffer.compare(target, bytes.subarray(at[2]!, at[2]! + 1000))).toBe(0);
  });
});

describe("OpenAI's own file", () => {
  it('serves where the hub has none, checked, and is kept', async () => {
    const { file, pixels, expected, toOpenai } = await openaiFile();
    const load = async (name: string, options: LoadOptions = {}) => {
      using clip = await loadClip(await modelAt(name, { fetch: toOpenai, ...options }), { towers: ['image'] });
      return await clip.encodeImage(pixels);
    };
    await file.published(async () => {
      expect(await load('RN50/openai')).toEqual(expected);
      expect(await load('openai:RN50', { localFilesOnly: true })).toEqual(expected);
      file.bytes[1000]! ^= 1;
      expect(await load('openai:RN50')).toEqual(expected);
      expect((await rejection(load('openai:RN50', { cacheDir: 'other' }))).message).toContain('RN50.pt was damaged on its way'); // biome-ignore format: one line
    });
  });
});

describe('addresses', () => {
  it.each(['./models/clip', '/models/clip', 'http://host/a/b/', 'clip', 'a/b/c', 'org/name.safetensors'])(
    '%s is not a name',
    async (address) => {
      Object.assign(globalThis, { location: { href: 'http://page/' } });
      try {
        await modelAt(address, { fetch: async (url) => Promise.reject(new Error(`fetched ${url}`)) })
        .then((files) => files.text('config.json'))
        .then(() => expect.unreachable(), ({ message }) => expect(message).toMatch(/^cannot fetch "http:\/\/(page|host)\//)); // biome-ignore format: one line
      } finally {
        Reflect.deleteProperty(globalThis, 'location');
      }
    },
  );
});
