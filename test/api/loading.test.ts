import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ClipError } from '../../src/errors.ts';
import { loadClip } from '../../src/load.ts';
import type { LoadOptions } from '../../src/load-options.ts';
import type { LoadProgress } from '../../src/weights/load-progress.ts';
import { blobSource, type Source } from '../../src/weights/source.ts';
import { goldenPath, readGolden, syntheticPicture } from '../model/golden.ts';
import { pack, readFolder, rejection, storeOf } from './checkpoint.ts';

const picture = syntheticPicture(80);
const { token_ids: ids } = readGolden('tiny-vit/expected.json');
const folder = readFolder('tiny-vit-hf');
const temporary = mkdtempSync(join(tmpdir(), 'edgeclip loading #1 100% '));
afterAll(() => rmSync(temporary, { recursive: true }));

describe('loadClip', () => {
  it('loads a tower alone, in less memory, with the same bits', async () => {
    using both = await loadClip(goldenPath('tiny-vit'));
    using image = await loadClip(goldenPath('tiny-vit'), { towers: ['image'] });
    using text = await loadClip(goldenPath('tiny-vit'), { towers: ['text'] });
    expect(both.info().towers).toEqual(['image', 'text']);
    expect(image.info().towers).toEqual(['image']);
    expect(text.info().towers).toEqual(['text']);
    const total = both.info().memory.total;
    for (const [alone, other] of [
      [image, 'text weights'],
      [text, 'image weights'],
    ] as const) {
      const left = total - alone.info().memory.total;
      expect(left).toBeGreaterThanOrEqual(both.info().memory.use[other] - 65_536);
      expect(alone.info().memory.use).not.toHaveProperty(other);
    }
    expect(await image.encodeImage(picture)).toEqual(await both.encodeImage(picture));
    expect(await text.encodeTokens(ids)).toEqual(await both.encodeTokens(ids));
    expect(await rejection(image.encodeTokens(ids))).toMatchObject({ code: 'TOWER_NOT_LOADED' });
    expect(await rejection(text.encodeImage(picture))).toMatchObject({ code: 'TOWER_NOT_LOADED' });
    expect(await rejection(text.encodeImage([]))).toMatchObject({ code: 'TOWER_NOT_LOADED' });
    expect(() => image.tokenize(['a cat'])).toThrow(expect.objectContaining({ code: 'TOWER_NOT_LOADED' }));
    expect(() => image.logitScale).toThrow(expect.objectContaining({ code: 'TOWER_NOT_LOADED' }));
  });

  it('keeps int8 weights in about a quarter of the memory of f32', async () => {
    using small = await loadClip(goldenPath('tiny-vit'));
    using large = await loadClip(goldenPath('tiny-vit'), { precision: 'f32' });
    expect(small.info().precision).toBe('int8');
    expect(large.info().precision).toBe('f32');
    for (const name of ['image weights', 'text weights']) {
      const ratio = large.info().memory.use[name] / small.info().memory.use[name];
      expect(ratio).toBeGreaterThan(3);
      expect(ratio).toBeLessThanOrEqual(4);
    }
    expect(await small.encodeImage(picture)).not.toEqual(await large.encodeImage(picture));
  });

  it.each<[string, object, string]>([
    ['an unknown precision', { precision: 'int4' }, '"int4"'],
    ['an unknown tower', { towers: ['image', 'audio'] }, '"audio"'],
    ['no tower', { towers: [] }, '[]'],
    ['a tower twice', { towers: ['text', 'text'] }, '["text","text"]'],
    ['towers that are not a list', { towers: 'image' }, '"image"'],
    ['unknown kernels', { kernels: 'avx' }, '"avx"'],
    ['no pixels', { maxPixels: 0 }, 'got 0'],
    ['a number of pixels that is NaN', { maxPixels: Number.NaN }, 'got NaN'],
  ])('refuses %s', async (_, options, message) => {
    const error = await rejection(loadClip(goldenPath('tiny-vit'), options as LoadOptions));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.message).toContain(message);
  });

  describe('from a folder', () => {
    const nowhere = join(temporary, 'nowhere');
    const file = join(temporary, 'a file');
    writeFileSync(file, 'x');
    mkdirSync(join(temporary, 'empty'));

    it.each([
      ['that does not exist', nowhere, 'IO', `the model folder "${nowhere}" does not exist`],
      // R22: a blank at either end is shown by the quotes.
      ['with a blank before its name', ` ${nowhere}`, 'IO', `the model folder " ${nowhere}" does not exist`],
      ['with a blank after its name', `${nowhere} `, 'IO', `the model folder "${nowhere} " does not exist`],
      [
        'that is a file',
        file,
        'IO',
        `the model "${file}" is a file: pass the folder that holds the model's files, or a file of weights (`,
      ],
      ['inside a file', join(file, 'x'), 'IO', `cannot read "${join(file, 'x')}": a part of the path is a file`],
      ['that is empty', join(temporary, 'empty'), 'CONFIG', 'there is no open_clip_config.json and no config.json'],
      [
        "that is OpenCLIP's name without a tag",
        'RN50',
        'CONFIG',
        'there is no folder "RN50", and OpenCLIP publishes it as RN50/openai, RN50/yfcc15m',
      ],
      [
        "that is OpenCLIP's name in lower case, without a tag",
        'convnext_base',
        'CONFIG',
        'there is no folder "convnext_base", and OpenCLIP publishes it as convnext_base/laion400m_s13b_b51k',
      ],
      [
        "that is OpenCLIP's name with -quickgelu, without a tag",
        'ViT-B-32-quickgelu',
        'CONFIG',
        'OpenCLIP publishes it as ViT-B-32-quickgelu/openai, ViT-B-32-quickgelu/laion400m_e31',
      ],
      ['without a name', '', 'IO', 'the path of the model folder is empty'],
      ['with a NUL in its name', 'a\0b', 'IO', 'cannot read "a'],
      ['whose name is too long', 'x'.repeat(300), 'IO', 'name too long'],
    ])('%s: a typed error', async (_, path, code, message) => {
      const error = await rejection(loadClip(path));
      expect(error).toMatchObject({ name: 'ClipError', code });
      expect(error.message).toContain(message);
      expect(error.message).not.toContain('download');
    });

    it.each(['a b#c', 'my model 100%', ' blanks ', '猫 ü', '%41'])('R22: named "%s"', async (name) => {
      const directory = join(temporary, name);
      mkdirSync(directory);
      for (const [name, bytes] of Object.entries(folder)) writeFileSync(join(directory, name), bytes);
      using there = await loadClip(directory);
      using golden = await loadClip(goldenPath('tiny-vit-hf'));
      expect(await there.encodeImage(picture)).toEqual(await golden.encodeImage(picture));
      expect(there.info().model).toBe(directory);
    });

    it('R22: with blanks around its path that are not part of it: loads', async () => {
      using clip = await loadClip(` ${goldenPath('tiny-vit-hf')}\n`);
      expect(clip.info().model).toBe(goldenPath('tiny-vit-hf'));
    });

    it.skipIf(process.platform === 'win32')('with a named pipe as a file: an error, not a wait', async () => {
      const directory = join(temporary, 'pipe');
      mkdirSync(directory);
      execFileSync('mkfifo', [join(directory, 'config.json')]);
      const error = await rejection(loadClip(directory));
      expect(error).toMatchObject({ code: 'IO', message: expect.stringContaining('not a regular file') });
    });

    it('with a text file that is far too large: an error before it is read', async () => {
      const directory = join(temporary, 'large');
      mkdirSync(directory);
      const path = join(directory, 'config.json');
      writeFileSync(path, '{');
      truncateSync(path, 2 ** 33);
      const error = await rejection(loadClip(directory));
      expect(error).toMatchObject({ code: 'IO', message: expect.stringContaining(`it has ${2 ** 33} bytes`) });
    });
  });

  it("loads a caller's own files, from bytes and from blobs, and closes what it opened", async () => {
    const open = new Set<string>();
    const store = storeOf(folder, 'my store');
    const watched = (source: Source): Source => {
      const held = `${source.name} ${open.size}`;
      open.add(held);
      return { ...source, close: async () => void open.delete(held) };
    };
    const blobs = {
      ...store,
      source: async (name: string) => folder[name] && watched(blobSource(new Blob([folder[name] as BlobPart]), name)),
    };
    using fromBytes = await loadClip(store);
    using fromBlobs = await loadClip(blobs);
    expect(open).toEqual(new Set());
    expect(fromBytes.info().model).toBe('my store');
    expect(await fromBytes.encodeImage(picture)).toEqual(await fromBlobs.encodeImage(picture));
    expect(await fromBytes.encodeTokens(ids)).toEqual(await fromBlobs.encodeTokens(ids));
    const bad = {
      ...blobs,
      source: async (name: string) => (name.startsWith('model') ? watched(blobSource(new Blob(['no']))) : undefined),
    };
    expect(await rejection(loadClip(bad))).toBeInstanceOf(ClipError);
    expect(open).toEqual(new Set());
  });
});

describe.each(['published', 'packed'])('loading a %s model', (form) => {
  const model = form === 'packed' ? pack(folder) : Promise.resolve(folder);

  it('reports progress up to the total, tower by tower', async () => {
    const seen: Parameters<LoadProgress>[0][] = [];
    using clip = await loadClip(storeOf(await model), { onProgress: (progress) => seen.push(progress) });
    const { use } = clip.info().memory;
    for (const tower of ['image', 'text']) {
      const own = seen.filter((progress) => progress.tower === tower);
      expect(own.map(({ loaded }) => loaded)).toEqual(own.map(({ loaded }) => loaded).sort((a, b) => a - b));
      expect(own.at(-1)).toEqual({ tower, loaded: use[`${tower} weights`], total: use[`${tower} weights`] });
    }
    expect(seen.map(({ tower }) => tower).lastIndexOf('image')).toBeLessThan(
      seen.map(({ tower }) => tower).indexOf('text'),
    );
  });

  it('stops by a signal before it begins, and reads nothing', async () => {
    const store = storeOf(await model);
    const touched: string[] = [];
    const counted = {
      name: store.name,
      text(name: string) {
        touched.push(name);
        return store.text(name);
      },
      source(name: string) {
        touched.push(name);
        return store.source(name);
      },
    };
    const reason = new Error('changed my mind');
    expect(await rejection(loadClip(counted, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(touched).toEqual([]);
  });

  it('stops by a signal at any read, and loads afterwards', async () => {
    const store = storeOf(await model);
    using whole = await loadClip(store);
    const reason = new Error('enough');
    let reads = 0;
    const stopped = async (at: number) => {
      const controller = new AbortController();
      reads = 0;
      const files = {
        ...store,
        async source(name: string) {
          const source = await store.source(name);
          if (!source) return undefined;
          const readInto: Source['readInto'] = (offset, target, signal) => {
            if (reads++ === at) controller.abort(reason);
            // A source that does not look at the signal: loading has to.
            return source.readInto(offset, target, at % 2 === 0 ? signal : undefined);
          };
          return { ...source, readInto };
        },
      };
      const error = await rejection(loadClip(files, { signal: controller.signal }));
      // What is under way, a weight and its bias at most, may come to its end.
      expect(reads - at).toBeLessThan(10);
      return error;
    };
    await stopped(-1).catch(() => {});
    const total = reads;
    expect(total).toBeGreaterThanOrEqual(4);
    for (let at = 0; at < total; at += form === 'packed' ? 1 : 7) expect(await stopped(at)).toBe(reason);
    expect(await stopped(total - 1)).toBe(reason);
    using again = await loadClip(store, { signal: new AbortController().signal });
    expect(await again.encodeImage(picture)).toEqual(await whole.encodeImage(picture));
  });
});
