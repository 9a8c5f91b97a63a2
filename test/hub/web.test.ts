/** Models by name where there is no file system, as in browsers: fetched, and kept by the Cache API. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import type { LoadOptions } from '../../src/load-options.ts';
import { modelAt } from '../../src/platform/browser.ts';
import { rejection } from '../api/checkpoint.ts';
import { Random } from '../kernels/random.ts';
import { syntheticPicture } from '../model/golden.ts';
import { golden, here, model, NAME, useFakeHub, WEIGHTS, weights } from './surroundings.ts';

useFakeHub();

/** What is used of the Cache API. */
class MemoryCache {
  readonly entries = new Map<string, Uint8Array<ArrayBuffer>>();
  match = async (key: string) => (this.entries.has(key) ? new Response(this.entries.get(key)!) : undefined);
  put = async (key: string, response: Response) =>
    void this.entries.set(key, new Uint8Array(await response.arrayBuffer()));
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

  it('loads where there is no Cache API', async () => {
    Reflect.deleteProperty(globalThis, 'caches');
    here.hub.publish(NAME, model);
    expect(await embedding()).toEqual(await golden());
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
  const bytes = new Random(3).bytes(20 << 20);
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
    await (await source()).readInto((20 << 20) - 1000, target);
    expect(Buffer.compare(target, bytes.subarray(-1000))).toBe(0);
  });

  it('comes whole from servers without ranges; another range is refused', async () => {
    here.hub.publish(NAME, { 'model.safetensors': bytes });
    here.hub.ranges = 'ignored';
    const target = new Uint8Array(1000);
    await (await source()).readInto(19 << 20, target);
    expect(Buffer.compare(target, bytes.subarray(19 << 20, (19 << 20) + 1000))).toBe(0);
    here.hub.ranges = 'other';
    const error = await rejection((await source()).readInto(19 << 20, target));
    expect(error).toMatchObject({ name: 'ClipError', code: 'IO' });
  });
});

describe('addresses', () => {
  it.each(['./models/clip', '/models/clip', 'http://host/a/b/', 'clip', 'a/b/c', 'org/name.safetensors'])(
    '%s is no name',
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
