/** What else can be given as a model: a name of OpenCLIP, an address, a file, parts of a file; and what is missing beside it. */
import { existsSync, openAsBlob, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { publishedModel, publishedModels } from '../../src/hub/published.ts';
import { loadClip } from '../../src/load.ts';
import type { LoadOptions } from '../../src/load-options.ts';
import { type Model, openModel } from '../../src/open-model.ts';
import { modelAt as inBrowser } from '../../src/platform/browser.ts';
import { modelAt } from '../../src/platform/node.ts';
import { readTensorFile } from '../../src/weights/headers.ts';
import { readFolder, rejection } from '../api/checkpoint.ts';
import { Random } from '../kernels/random.ts';
import { goldenPath, readGolden, syntheticPicture } from '../model/golden.ts';
import { stateDict, torchFile } from '../weights/torch-writer.ts';
import { sha256 } from './fake-hub.ts';
import { openaiFile } from './openai-file.ts';
import { cache, embedding, golden, here, model, NAME, useFakeHub, WEIGHTS, weights } from './surroundings.ts';

useFakeHub();

describe("OpenCLIP's names", () => {
  it('lead to the repository, in any case of the tag', async () => {
    here.hub.publish('laion/CLIP-ViT-B-32-laion2B-s34B-b79K', model);
    using clip = await loadClip('ViT-B-32/LAION2B-s34b_b79k', { towers: ['image'] });
    expect(await clip.encodeImage(syntheticPicture(80))).toEqual(await golden());
    expect(clip.info().model).toBe('ViT-B-32/LAION2B-s34b_b79k');
    expect(publishedModel('RN50/openai')!.repository).toBe('timm/resnet50_clip.openai');
    expect(publishedModel('ViT-B-32-quickgelu/openai')!.repository).toBe('timm/vit_base_patch32_clip_224.openai');
    expect(publishedModel('ViT-L/14@336px')!.repository).toBe('timm/vit_large_patch14_clip_336.openai');
    expect(publishedModel('openai/clip-vit-base-patch32')).toBeUndefined();
  });

  it('with a tag that is not published: the tags that are', async () => {
    const { message } = await rejection(loadClip('RN101/laion2b'));
    expect(message).toBe('OpenCLIP publishes no "laion2b" of RN101, only openai, yfcc15m');
    expect(() => publishedModel('ViT-B-32-quickgelu/laion2b_s34b_b79k')).toThrow(/only openai, laion400m_e31/);
    expect(here.hub.asked).toEqual([]);
  });

  it('are all those of open_clip, each with a repository', () => {
    const all = publishedModels();
    expect(all).toHaveLength(173);
    for (const { name, repository } of all) {
      expect(repository).toMatch(/^[\w-]+\/[\w.-]+$/);
      expect(publishedModel(name)!.repository).toBe(repository);
    }
    const sizeless = all.filter(({ parameters, unsupported }) => parameters === undefined && unsupported === undefined);
    expect(sizeless.map(({ name }) => name)).toEqual([]);
    for (const { file } of all) if (file) expect(file).toMatch(/\/models\/[0-9a-f]{64}\/[\w-]+\.pt$/);
  });
});

describe('a name', () => {
  it.each([
    ['a/b@', 'nothing'],
    ['a/b@x y', '"x y"'],
    ['a/b@..', '".."'],
  ])('%s has no revision after its @: refused with an example, in browsers too', async (name, what) => {
    for (const error of [await rejection(loadClip(name)), await rejection(inBrowser(name, {}))]) {
      expect(error).toMatchObject({ name: 'ClipError', code: 'CONFIG' });
      expect(error.message).toContain(`it has ${what} after the @: expected a branch, tag or commit, as in a/b@main`);
    }
    expect(here.hub.asked).toEqual([]);
  });
});

describe("OpenAI's own files", () => {
  const load = async (name: string, options: LoadOptions) => {
    using clip = await loadClip(name, { towers: ['image'], ...options });
    return await clip.encodeImage(syntheticPicture(48));
  };

  it('serve where the hub has none, from the folder that clip.load uses; the token does not go there', async () => {
    const { file, expected, asked, toOpenai } = await openaiFile();
    const options = { fetch: toOpenai, accessToken: 'hf_secret' };
    const { HOME } = process.env;
    process.env.HOME = here.top;
    try {
      await file.published(async () => {
        expect(await load('RN50/openai', options)).toEqual(expected);
        expect(asked).toEqual([{ method: 'GET', range: undefined, authorization: undefined }]);
        const path = join(here.top, '.cache', 'clip', 'RN50.pt');
        expect(sha256(readFileSync(path))).toBe(file.id);
        expect(readdirSync(join(here.top, '.cache', 'clip'))).toEqual(['RN50.pt']);
        const offline = { ...options, localFilesOnly: true };
        expect(await load('RN50/openai', offline)).toEqual(expected);
        expect(await load('openai:RN50', offline)).toEqual(expected);
        expect(asked).toHaveLength(1);
        writeFileSync(path, 'damaged');
        expect((await rejection(load('openai:RN50', offline))).message).toBe(`"${path}" is not there or damaged, and nothing may be fetched (localFilesOnly, HF_HUB_OFFLINE)`); // biome-ignore format: one line
        expect(await load('openai:RN50', options)).toEqual(expected);
        writeFileSync(`${path}.edgeclip.incomplete`, file.bytes.subarray(0, 1000));
        writeFileSync(path, 'damaged');
        expect(await load('RN50/openai', options)).toEqual(expected);
        expect(asked.at(-1)).toMatchObject({ range: 'bytes=1000-' });
      });
    } finally {
      process.env.HOME = HOME;
    }
  });

  it('are not asked for what the hub has, nor at a revision', async () => {
    const { file, asked, toOpenai } = await openaiFile();
    here.hub.publish('timm/resnet50_clip.openai', model);
    await file.published(async () => {
      expect(await load('RN50/openai', { fetch: toOpenai })).toHaveLength(96);
      await rejection(load('RN50/openai', { fetch: toOpenai, revision: 'v2' }));
      await rejection(load('RN50/yfcc15m', { fetch: toOpenai }));
    });
    expect(asked).toEqual([]);
  });

  it('with other bytes than their address says are refused; if neither serves, the error says both', async () => {
    const { file, toOpenai } = await openaiFile();
    const options = { fetch: toOpenai, cacheDir: here.top };
    await file.published(async () => {
      file.bytes[1000]! ^= 1;
      const { message } = await rejection(load('openai:RN50', options));
      expect(message).toContain(`was damaged on its way: its SHA-256 is ${sha256(file.bytes)}, expected ${file.id}`);
      expect(existsSync(join(here.top, 'RN50.pt'))).toBe(false);
    });
    const { message } = await rejection(load('ViT-B/32', options));
    expect(message).toMatch(/^the hub shows no model "timm\/vit_base_patch32_clip_224.openai": .*\. OpenAI's own file at openaipublic.azureedge.net does not serve either: openaipublic.azureedge.net has no model "ViT-B\/32"/); // biome-ignore format: one line
    expect((await rejection(load('openai:RN51', options))).message).toMatch(/^OpenAI publishes no "RN51", only RN50, RN101, .*ViT-L-14-336$/); // biome-ignore format: one line
    await expect(load('openai:RN50', { ...options, revision: 'v1' })).rejects.toThrow(TypeError);
  });
});

describe('a file', () => {
  const openai = goldenPath('torch/openai.pt');
  const picture = syntheticPicture(48);
  const expected = async () => {
    using clip = await loadClip(openai, { towers: ['image'] });
    return await clip.encodeImage(picture);
  };

  it.each<[string, () => Promise<Model>]>([
    ['as a blob', () => openAsBlob(openai)],
    ['as a File', async () => new File([readFileSync(openai)], 'ViT.pt')],
    ['as bytes', async () => new Uint8Array(readFileSync(openai))],
    [
      'as a store with parts',
      async () => {
        const bytes = readFileSync(openai);
        return {
          size: bytes.length,
          slice: async (start: number, end: number) => new Uint8Array(bytes.subarray(start, end)),
        };
      },
    ],
  ])('%s loads', async (_, open) => {
    using clip = await loadClip(await open(), { towers: ['image'] });
    expect(await clip.encodeImage(picture)).toEqual(await expected());
  });

  it('needs a configuration if it is not of OpenAI', async () => {
    const file = new File([weights as Uint8Array<ArrayBuffer>], WEIGHTS);
    const { message } = await rejection(loadClip(file));
    expect(message).toContain('give its configuration as loadClip(file, { config })');
    const config = JSON.parse(readFileSync(goldenPath('tiny-vit/open_clip_config.json'), 'utf8'));
    using clip = await loadClip(file, { config, towers: ['image'] });
    expect(await clip.encodeImage(syntheticPicture(80))).toEqual(await golden());
    await expect(loadClip(file, { config: '{}' as never })).rejects.toThrow(
      /config must be an object, the parsed JSON/,
    );
  });

  it('that has slice and no length: a TypeError says what is missing', async () => {
    const slice = () => new Uint8Array(3);
    for (const [store, got] of [
      [{ slice }, 'size nothing'],
      [{ slice, size: '5' }, 'size "5"'],
      [{ slice, name: 'model.pt' }, 'size nothing'],
      [{ slice: 5, size: 5 }, 'slice 5'],
    ] as const) {
      for (const options of [undefined, { towers: ['image'] }] as const) {
        const error = await rejection(loadClip(store as never, options));
        expect(error).toBeInstanceOf(TypeError);
        expect(error.message).toBe(`loadClip: a file to be read in parts must have slice(start, end), and its length in bytes as size or byteLength, got ${got}`); // biome-ignore format: one line
      }
    }
  });

  it('whose parts are shorter than they should be: an error with the place', async () => {
    const short = { size: 1e6, slice: async () => new Uint8Array(3) };
    const error = await rejection(loadClip(short));
    expect(error).toMatchObject({ name: 'ClipError', code: 'IO' });
    expect(error.message).toMatch(/slice\(\d+, \d+\) gave 3 bytes, expected \d+/);
  });
});

describe('an address', () => {
  it('is a folder or a file of weights in Node, too; with ranges if the server has them', async () => {
    const ranges: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      const file = model[decodeURIComponent(request.url!.replace(/^.*\//, ''))];
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      if (!file) return response.writeHead(404).end();
      ranges.push(request.headers.range);
      if (from === undefined) return response.end(file);
      const part = file.subarray(Number(from), Number(to) + 1);
      response.writeHead(206, { 'content-range': `bytes ${from}-${Number(from) + part.length - 1}/${file.length}` });
      return response.end(part);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a%20model`;
      expect(await embedding(address)).toEqual(await golden());
      expect(await embedding(`${address}/${WEIGHTS}`)).toEqual(await golden());
      expect(ranges.filter(Boolean)).toHaveLength(2);
    } finally {
      server.close();
    }
  });
});

describe('a look at the headers (edgeclip info)', () => {
  const bytes = new Random(5).bytes(20 << 20);
  const at = 9 << 20;
  const read = async () => {
    const files = await openModel(NAME, { inParts: true });
    const source = (await files.source('model.safetensors'))!;
    const target = new Uint8Array(100);
    await source.readInto(at, target);
    await source.close?.();
    expect([...target]).toEqual([...bytes.subarray(at, at + 100)]);
  };
  const ranges = () => here.hub.asked.filter((one) => one.at === 'files').map(({ range }) => range);

  it('fetches a small part of the file and keeps nothing', async () => {
    here.hub.publish(NAME, { 'model.safetensors': bytes });
    await read();
    expect(ranges()).toEqual([`bytes=${at}-${at + (256 << 10) - 1}`]);
    expect(existsSync(cache('blobs'))).toBe(false);
  });

  it("reads the directory and the pickle of OpenAI's file, not the headers before each of its tensors", async () => {
    const tensors = Array.from({ length: 12 }, (_, i) => ({ name: `t${i}`, dtype: 'F32', shape: [1 << 18], data: bytes.subarray(0, 1 << 20) })); // biome-ignore format: one line
    const torch = Buffer.from(torchFile(stateDict(tensors), tensors.map(({ data }) => data))); // biome-ignore format: one line
    const { file, asked, toOpenai } = await openaiFile(torch);
    await file.published(async () => {
      const options = { inParts: true, fetch: toOpenai, cacheDir: here.top };
      const list = async () => {
        const source = (await (await openModel('openai:RN50', options)).source('RN50.pt'))!;
        const { tensors } = await readTensorFile(source);
        expect([...tensors.keys()]).toHaveLength(12);
      };
      await list();
      const block = 256 << 10;
      const last = torch.length - 1 - ((torch.length - 1) % block);
      expect(new Set(asked.map(({ range }) => range))).toEqual(new Set([`bytes=0-${block - 1}`, `bytes=${last}-${torch.length - 1}`])); // biome-ignore format: one line
      expect(readdirSync(here.top)).toEqual([]);
      // What is there is looked at as it is: to check it takes reading it all.
      writeFileSync(join(here.top, 'RN50.pt'), torch);
      asked.length = 0;
      const found = (await (await openModel('openai:RN50', options)).source('RN50.pt'))!;
      expect((await readTensorFile(found)).tensors.size).toBe(12);
      await found.close!();
      expect(asked).toEqual([]);
    });
  });

  it('takes the whole file from a server without ranges, and what the cache has', async () => {
    here.hub.publish(NAME, { 'model.safetensors': bytes });
    here.hub.ranges = 'ignored';
    await read();
    expect(readdirSync(cache('blobs'))).toEqual([sha256(bytes)]);
    here.hub.asked.length = 0;
    await read();
    expect(ranges()).toEqual([]);
  });
});

describe('a folder of sentence-transformers', () => {
  it('has the model in 0_CLIPModel', async () => {
    const inside = Object.entries(readFolder('tiny-vit-hf')).map(([name, bytes]) => [`0_CLIPModel/${name}`, bytes]);
    here.hub.publish(NAME, { 'modules.json': '[]', ...Object.fromEntries(inside) });
    expect(await embedding()).toEqual(await embedding(goldenPath('tiny-vit-hf')));
    const { token_ids: ids } = readGolden('tiny-vit/expected.json');
    using clip = await loadClip(NAME, { towers: ['text'] });
    using other = await loadClip(goldenPath('tiny-vit-hf'), { towers: ['text'] });
    expect(await clip.encodeTokens(ids)).toEqual(await other.encodeTokens(ids));
  });
});

describe("OpenAI's tokenizer", () => {
  it('is fetched from the hub, once, for what has none; without the hub the error says what to give', async () => {
    const tokenizer = readFileSync(goldenPath('clip-tokenizer/tokenizer.json'), 'utf8');
    here.hub.publish('openai/clip-vit-base-patch32', { 'tokenizer.json': tokenizer, 'config.json': '{}' });
    const files = await modelAt(goldenPath('torch/openai.pt'), {});
    expect(await files.openaiTokenizer!()).toBe(tokenizer);
    expect(here.hub.fetched()).toEqual(['tokenizer.json']);
    await files.openaiTokenizer!();
    expect(here.hub.fetched()).toHaveLength(1);
    const offline = await modelAt(goldenPath('torch/openai.pt'), { localFilesOnly: true, cacheDir: here.top });
    expect((await rejection(offline.openaiTokenizer!())).message).toContain(
      '"openai/clip-vit-base-patch32" is not in the cache',
    );
  });
});
