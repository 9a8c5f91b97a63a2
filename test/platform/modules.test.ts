import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { WasmSources } from '../../src/platform/wasm-sources.ts';

const wasm = (name: string) => new URL(`../../dist/${name}.wasm`, import.meta.url);
const bytesOf = async (name: string) => new Uint8Array(await readFile(wasm(name)));
const photo = new Uint8Array(await readFile(new URL('../golden/photos/cat.png', import.meta.url)));
/** A module without exports: whoever gets it cannot compute. */
const EMPTY = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);

/** A copy of the library to which nothing was given yet. */
async function fresh() {
  vi.resetModules();
  return import('../../src/index.ts');
}

async function embedding(sources: WasmSources | undefined) {
  const { loadClip } = await fresh();
  using clip = await loadClip({ towers: ['image'], kernels: 'simd', wasm: sources });
  return await clip.encodeImage(photo);
}

let expected: Float32Array;
beforeEach(async () => {
  expected ??= await embedding(undefined);
});
afterEach(() => vi.resetModules());

describe('WebAssembly that the caller gives', () => {
  it.each<[string, (name: string) => Promise<object | string>]>([
    ['modules', async (name) => WebAssembly.compile(await bytesOf(name))],
    ['modules of another realm', async (name) => runInNewContext('WebAssembly.compile(bytes)', { bytes: await bytesOf(name) })], // biome-ignore format: one line
    ['bytes', bytesOf],
    ['a part of a buffer', async (name) => {
      const bytes = await bytesOf(name);
      const larger = new Uint8Array(bytes.length + 13);
      larger.set(bytes, 5);
      return larger.subarray(5, 5 + bytes.length);
    }], // biome-ignore format: one line
    ['an ArrayBuffer', async (name) => (await bytesOf(name)).buffer],
    ['a URL', async (name) => wasm(name)],
    ['an address', async (name) => wasm(name).href],
    ['a path', async (name) => fileURLToPath(wasm(name))],
  ])('may be %s', async (_, source) => {
    const given = { simd: await source('kernels-simd'), pictures: await source('pictures') };
    expect(await embedding(given)).toEqual(expected);
  });

  it('that cannot be read when it is needed is forgotten, and the next load works', async () => {
    const { loadClip } = await fresh();
    const missing = { pictures: new URL('file:///none.wasm') };
    using first = await loadClip({ towers: ['image'], kernels: 'simd', wasm: missing });
    await expect(first.encodeImage(photo)).rejects.toMatchObject({ code: 'IO' });
    using second = await loadClip({ towers: ['image'], kernels: 'simd' });
    expect(await second.encodeImage(photo)).toEqual(expected);
  });

  it('may be fetched', async () => {
    const server = createServer(async (request, response) => response.end(await bytesOf(request.url!.slice(1))));
    await new Promise<void>((resolve) => server.listen(0, resolve));
    const address = `http://localhost:${(server.address() as AddressInfo).port}/`;
    try {
      expect(await embedding({ simd: `${address}kernels-simd`, pictures: new URL('pictures', address) })).toEqual(
        expected,
      );
    } finally {
      server.close();
    }
  });

  it('serves preprocess, too, until other files are given', async () => {
    const { loadClip, preprocess, preprocessConfigFromOpenClip } = await fresh();
    const config = preprocessConfigFromOpenClip(undefined, 224);
    const missing = fileURLToPath(wasm('no-such'));
    (await loadClip({ towers: ['image'], wasm: { pictures: missing } })).dispose();
    await expect(preprocess(photo, config)).rejects.toMatchObject({ code: 'IO' });
    (await loadClip({ towers: ['image'], wasm: { pictures: await bytesOf('pictures') } })).dispose();
    expect((await preprocess(photo, config)).data.length).toBe(224 * 224 * 3);
  });

  it.each(['simd', 'relaxed', 'pictures', 'webp'])(
    'that is another module is refused by its name: %s',
    async (name) => {
      const { loadClip } = await fresh();
      const load = (source: object) => loadClip({ towers: ['image'], wasm: { [name]: source } });
      const file = name === 'simd' || name === 'relaxed' ? `kernels-${name}` : name;
      const message = `wasm.${name} must be the module of edgeclip/${file}.wasm, got one that exports`;
      const other = await bytesOf(name === 'pictures' ? 'kernels-simd' : 'pictures');
      for (const [bytes, what] of [
        [EMPTY, 'nothing'],
        [other, /\w+, \w+, \w+, \.\.\.$/],
      ] as const) {
        // biome-ignore format: one line
        const refused = { message: expect.stringMatching(what) };
        await expect(load(await WebAssembly.compile(bytes))).rejects.toThrow(TypeError);
        await expect(load(await WebAssembly.compile(bytes))).rejects.toMatchObject(refused);
        await expect(load(await WebAssembly.compile(bytes))).rejects.toThrow(message);
        await expect(load(bytes)).rejects.toMatchObject({ code: 'UNSUPPORTED', ...refused });
        await expect(load(bytes)).rejects.toThrow(message);
      }
      await expect(load(EMPTY.subarray(0, 4))).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining(`wasm.${name} does not compile here`) }); // biome-ignore format: one line
      using clip = await loadClip({ towers: ['image'], kernels: 'simd' });
      expect(await clip.encodeImage(photo)).toEqual(expected);
    },
  );

  it('that is another module is refused by its name where it is read from', async () => {
    const { loadClip } = await fresh();
    const load = loadClip({ towers: ['image'], kernels: 'simd', wasm: { simd: wasm('pictures') } });
    await expect(load).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('wasm.simd must be') }); // biome-ignore format: one line
  });

  it('does not outlive a load that fails, whatever it fails for', async () => {
    const { loadClip } = await fresh();
    const missing = fileURLToPath(wasm('no-such'));
    const options = { towers: ['image'], kernels: 'simd' } as const;
    await expect(loadClip({ ...options, wasm: { simd: missing } })).rejects.toMatchObject({ code: 'IO' });
    const pictures = missing;
    await expect(loadClip({ ...options, wasm: { pictures }, imageSize: 33 })).rejects.toThrow('imageSize');
    using clip = await loadClip(options);
    expect(await clip.encodeImage(photo)).toEqual(expected);
  });

  it('gives way to what was there before, also when loads overlap', async () => {
    const { loadClip } = await fresh();
    const bytes = await bytesOf('kernels-simd');
    const load = (simd: object, threads: number, imageSize = 224) =>
      loadClip({ towers: ['image'], kernels: 'simd', threads, imageSize, wasm: { simd } });
    const module = await WebAssembly.compile(bytes);
    // Only a compiled module has no threads: by that it is seen which of them a load without options has.
    const threads = async () => {
      using clip = await loadClip({ towers: ['image'], kernels: 'simd', threads: 2 });
      return clip.info().threads.count;
    };
    (await load(bytes, 1)).dispose();
    await expect(load(module, 1, 33)).rejects.toThrow('imageSize');
    expect(await threads()).toBe(2);
    // The same module twice: it stays, as one of the two succeeds.
    const [failed, loaded] = await Promise.allSettled([load(module, 1, 33), load(module, 1)]);
    expect([failed.status, loaded.status]).toEqual(['rejected', 'fulfilled']);
    expect(await threads()).toBe(1);
    // Two that both fail.
    (await load(bytes, 1)).dispose();
    const second = await WebAssembly.compile(bytes);
    await Promise.allSettled([load(module, 1, 33), load(second, 1, 33)]);
    expect(await threads()).toBe(2);
  });

  it('that cannot be read is named, and asked for again by the next call', async () => {
    const { loadClip } = await fresh();
    const missing = fileURLToPath(wasm('no-such'));
    const load = (simd: string) => loadClip({ towers: ['image'], kernels: 'simd', wasm: { simd } });
    await expect(load(missing)).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining('no-such.wasm') });
    await expect(load(missing)).rejects.toMatchObject({ code: 'IO' });
    using clip = await load(fileURLToPath(wasm('kernels-simd')));
    expect(await clip.encodeImage(photo)).toEqual(expected);
  });

  it('has threads as bytes, and one as a module, with the reason', async () => {
    const { loadClip } = await fresh();
    const bytes = await bytesOf('kernels-simd');
    const load = (simd: object) => loadClip({ towers: ['image'], kernels: 'simd', threads: 2, wasm: { simd } });
    using two = await load(bytes);
    expect(two.info().threads).toEqual({ count: 2 });
    expect(await two.encodeImage(photo)).toEqual(expected);
    using one = await load(await WebAssembly.compile(bytes));
    expect(one.info().threads).toEqual({ count: 1, reason: expect.stringMatching(/simd kernels were given compiled/) });
    expect(await one.encodeImage(photo)).toEqual(expected);
  });

  it.each<[string, unknown, RegExp]>([
    ['a name', { gif: EMPTY }, /"gif" is not one of simd, relaxed, pictures, webp/],
    ['a number', { simd: 42 }, /wasm\.simd must be a WebAssembly\.Module, its bytes, or an address/],
    ['a promise', { pictures: Promise.resolve(EMPTY) }, /wasm\.pictures must be .*Promise/],
    ['null', { pictures: null }, /wasm\.pictures must be/],
    ['a module itself', 'kernels.wasm', /wasm must be an object/],
  ])('that is none of these is a TypeError: %s', async (_, sources, message) => {
    const { loadClip } = await fresh();
    const error = await loadClip({ wasm: sources as WasmSources }).catch((error) => error);
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(message);
  });
});
