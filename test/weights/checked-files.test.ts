import { describe, expect, it } from 'vitest';
import { ClipError } from '../../src/errors.ts';
import { loadClip } from '../../src/load.ts';
import { CheckedFiles } from '../../src/weights/checked-files.ts';
import { readDescription, towerSource } from '../../src/weights/model-files.ts';
import type { ModelFiles } from '../../src/weights/source.ts';
import { bytesSource, type Source } from '../../src/weights/source.ts';
import { readFolder, rejection, storeOf, utf8 } from '../api/checkpoint.ts';

const folder = readFolder('tiny-vit-hf');
const store = storeOf(folder, 'my store');
const page = '<!doctype html>\n<html><body>Not found, or not allowed</body></html>';

describe("a store of the caller's own", () => {
  const broken = new Error('connection reset');

  it.each<[string, Partial<ModelFiles>, string]>([
    ['text rejects', { text: () => Promise.reject(broken) }, 'open_clip_config.json'],
    [
      'text throws',
      {
        text: () => {
          throw broken;
        },
      },
      'open_clip_config.json',
    ],
    ['source rejects', { source: () => Promise.reject(broken) }, 'image.safetensors'],
  ])('%s: IO with the name of the store and of the file', async (_, change, file) => {
    const error = await rejection(loadClip({ ...store, ...change }));
    expect(error).toMatchObject({ name: 'ClipError', code: 'IO', cause: broken });
    expect(error.message).toBe(`"my store": cannot read ${file}: connection reset`);
  });

  it('whose source fails while it is read: IO with the name of the file', async () => {
    const files: ModelFiles = {
      ...store,
      source: async (name) => {
        const source = await store.source(name);
        return source && { ...source, readInto: () => Promise.reject('no reason given') };
      },
    };
    const error = await rejection(loadClip(files));
    expect(error).toMatchObject({ code: 'IO', cause: 'no reason given' });
    expect(error.message).toBe('"my store": cannot read model.safetensors: "no reason given"');
  });

  it("passes on a ClipError and a reason to abort, the load's or the store's", async () => {
    const typed = new ClipError('IO', 'as it is');
    expect(await rejection(loadClip({ ...store, text: () => Promise.reject(typed) }))).toBe(typed);
    const reason = new Error('enough');
    const controller = new AbortController();
    const files = {
      ...store,
      text: async () => {
        controller.abort(reason);
        throw broken;
      },
    };
    expect(await rejection(loadClip(files, { signal: controller.signal }))).toBe(reason);
    const own = AbortSignal.abort().reason;
    expect(await rejection(loadClip({ ...store, source: () => Promise.reject(own) }))).toBe(own);
  });

  it.each<[string, unknown, RegExp]>([
    [
      'text is bytes',
      { ...store, text: async () => utf8('{}') },
      /text\("open_clip_config\.json"\) .* got an object of Uint8Array/,
    ],
    ['text is a number', { ...store, text: async () => 1 }, /text\("open_clip_config\.json"\) .* got 1$/],
    [
      'a source is bytes',
      { ...store, source: async () => new Uint8Array(8) },
      /wrap it: bytesSource\(data, "image\.safetensors"\)/,
    ],
    [
      'a source is a blob',
      { ...store, source: async () => new Blob(['x']) },
      /wrap it: blobSource\(data, "image\.safetensors"\)/,
    ],
    ['a source is a string', { ...store, source: async () => 'x' }, /source\("image\.safetensors"\) .* got "x"/],
    ['a source without a length', { ...store, source: async () => ({ readInto: async () => {} }) }, /byteLength/],
    [
      'a source of negative length',
      { ...store, source: async () => ({ ...bytesSource(utf8('x')), byteLength: -1 }) },
      /byteLength/,
    ],
    ['no methods', { name: 'x' }, /must have the methods text\(name\) and source\(name\), got {"name":"x"}/],
    ['null', null, /must be a folder, a name, a file \(Blob\) or ModelFiles .*got null/],
  ])('%s: a TypeError that says what came', async (_, files, message) => {
    const error = await rejection(loadClip(files as ModelFiles));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(message);
  });

  it('null means that there is no file, as undefined does', async () => {
    const files = {
      ...store,
      text: async (name: string) => (await store.text(name)) ?? null,
      source: async (name: string) => (await store.source(name)) ?? null,
    };
    (await loadClip(files as ModelFiles)).dispose();
  });
});

describe('what a source is called, and which it is', () => {
  const files = (source: object | undefined, more: Partial<ModelFiles> = {}) =>
    new CheckedFiles({ name: 'a store', text: async () => undefined, source: async () => source as Source, ...more });

  it('has its own name, or that of the file', async () => {
    const { byteLength, readInto } = bytesSource(utf8('bytes'));
    expect((await files({ byteLength, readInto, name: 'v1/model.bin' }).source('model.bin'))!.name).toBe(
      'v1/model.bin',
    );
    expect((await files({ byteLength, readInto, name: 7 }).source('model.bin'))!.name).toBe('model.bin');
  });

  it('keeps the name of the one file of weights, unless it is not a text', () => {
    expect(files(undefined, { weights: 'a.pt' }).weights).toBe('a.pt');
    expect(files(undefined, { weights: 5 as never }).weights).toBe(undefined);
    expect(files(undefined, { name: 5 as never }).name).toBe('model');
  });

  it('may be empty; what has no class is refused as such', async () => {
    expect((await files(bytesSource(new Uint8Array(0))).source('x'))!.byteLength).toBe(0);
    expect((await rejection(files(Object.create(null)).source('x'))).message).toMatch(/got an object of no class$/);
    expect((await rejection(files(new ArrayBuffer(1)).source('x'))).message).toMatch(/wrap it: bytesSource/);
    expect((await rejection(files({}).source('x'))).message).toMatch(/got an object of Object$/);
  });

  it('is looked for in a folder once that was entered', async () => {
    const asked: string[] = [];
    const store = files(undefined, { text: async (name) => void asked.push(name) });
    await store.text('config.json');
    store.enter('0_CLIPModel');
    await store.text('config.json');
    expect(asked).toEqual(['config.json', '0_CLIPModel/config.json']);
    await expect(store.openaiTokenizer()).resolves.toBe(undefined);
  });

  it('is closed, and the load ends, where a look into it fails or a signal comes meanwhile', async () => {
    let closed = 0;
    const controller = new AbortController();
    const source = (readInto: Source['readInto']) => ({
      ...bytesSource(utf8('bytes')),
      readInto,
      close: async () => void closed++,
    });
    const broken = files(source(() => Promise.reject(new Error('reset'))));
    expect(await rejection(broken.source('x'))).toMatchObject({
      code: 'IO',
      message: '"a store": cannot read x: reset',
    });
    const stopped = source(async () => controller.abort('enough'));
    const signalled = new CheckedFiles(
      { name: 'a store', text: async () => undefined, source: async () => stopped },
      controller.signal,
    );
    await expect(signalled.source('x')).rejects.toBe('enough');
    expect(closed).toBe(2);
  });
});

describe('a web page instead of a file', () => {
  const answering = (names: (name: string) => boolean): ModelFiles => ({
    name: 'a server',
    text: async (name) => (names(name) ? page : store.text(name)),
    source: async (name) => (names(name) ? bytesSource(utf8(page), name) : store.source(name)),
  });

  it('counts as absent where the file is optional', async () => {
    const files = answering((name) => !Object.hasOwn(folder, name));
    expect(await readDescription(files)).toEqual(await readDescription(store));
    const source = await towerSource(files, 'text');
    expect(source.byteLength).toBe(folder['model.safetensors'].length);
  });

  it('is an error if nothing is found, which says for which files pages came', async () => {
    const files = answering(() => true);
    expect(await rejection(readDescription(files))).toMatchObject({
      code: 'CONFIG',
      message:
        '"a server": there is no open_clip_config.json and no config.json; a web page came instead of ' +
        'open_clip_config.json, config.json: the address or the login may be wrong',
    });
    const error = await rejection(towerSource(files, 'text'));
    expect(error).toMatchObject({ code: 'WEIGHTS_MISSING' });
    expect(error.message).toContain('a web page came instead of text.safetensors, open_clip_model.safetensors');
    expect(error.message).not.toContain('config.json');
  });

  it.each(['\ufeff<!DOCTYPE html>', '\n\n<HTML lang="en">', '<?xml version="1.0"?><Error/>', '<!-- page --><html>'])(
    'is told by its beginning: %j',
    async (beginning) => {
      const files = new CheckedFiles({
        name: '',
        text: async () => beginning,
        source: async () => bytesSource(utf8(beginning)),
      });
      expect(await files.text('x')).toBe(undefined);
      expect(await files.source('y')).toBe(undefined);
      expect([...files.webPages]).toEqual(['x', 'y']);
    },
  );

  it('closes the source of a page', async () => {
    const closed: string[] = [];
    const source = async (name: string): Promise<Source> => ({
      ...bytesSource(utf8(page)),
      close: async () => void closed.push(name),
    });
    await rejection(towerSource({ ...store, source }, 'image'));
    expect(closed).toHaveLength(6);
  });

  it('is not what a damaged file is: that stays an error', async () => {
    const damaged = { ...folder, 'image.safetensors': utf8('<<<<<<<< this is not a page') };
    expect(await rejection(loadClip(storeOf(damaged)))).toMatchObject({ code: 'WEIGHTS_FORMAT' });
    const half = { ...folder, 'open_clip_config.json': utf8('{"model_cfg"') };
    expect(await rejection(loadClip(storeOf(half)))).toMatchObject({ code: 'CONFIG' });
  });
});
