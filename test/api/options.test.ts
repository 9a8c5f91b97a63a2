/** What is not accepted gets an error that says what came and what to do. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import vm from 'node:vm';
import { afterAll, describe, expect, it } from 'vitest';
import { preprocess } from '../../src/image/preprocess.ts';
import { loadClip } from '../../src/load.ts';
import { nearest } from '../../src/similarity.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { goldenPath } from '../model/golden.ts';
import { readFolder, rejection, storeOf } from './checkpoint.ts';
import { photo } from './pictures.ts';

const photoPath = goldenPath('preprocess/inputs/photo_0.jpg');
const clip = await loadClip();
afterAll(() => clip.dispose());
const classifier = await clip.classifier(['cat', 'dog']);
const embedding = await clip.encodeImage(photo);

const calls: Record<string, (options: never) => unknown> = {
  encodeImage: (options) => clip.encodeImage(photo, options),
  encodeImages: (options) => clip.encodeImages([photo], options),
  encodeText: (options) => clip.encodeText('a cat', options),
  encodeTokens: (options) => clip.encodeTokens([[1, 2]], options),
  classifier: (options) => clip.classifier(['cat'], options),
  classify: (options) => classifier.classify(photo, options),
  nearest: (options) => nearest(embedding, [embedding], 1, options),
  loadClip: (options) => loadClip(goldenPath('tiny-vit'), options),
  preprocess: (options) => preprocess(photo, clip.preprocess, options),
};
const failed = (call: (options: never) => unknown, options: unknown) =>
  rejection((async () => call(options as never))());

describe.each(Object.entries(calls))('the options of %s', (name, call) => {
  it.each([
    ['null', null, 'got null'],
    ['a function', () => {}, 'got a function'],
    ['a string', 'fast', 'got a string ("fast")'],
    ['a number', 3, 'got a number'],
    ['an array', [], 'got an array'],
  ])('are not %s', async (_, options, message) => {
    const error = await failed(call, options);
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain(name);
    expect(error.message).toContain(message);
  });

  it('have no unknown names, and the message knows what was meant', async () => {
    const error = await failed(call, { Signal: undefined });
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toBe(`${name}: unknown option "Signal"; did you mean signal?`);
    expect((await failed(call, { somethingElse: 1 })).message).toMatch(
      /unknown option "somethingElse"; known are .*signal/,
    );
    expect((await failed(call, { constructor: 1 })).message).toContain('unknown option "constructor"');
  });

  it('have a signal that is an AbortSignal', async () => {
    for (const signal of [new AbortController(), true, {}, null, 'stop']) {
      const error = await failed(call, { signal });
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain(`${name}: signal must be an AbortSignal`);
    }
    const reason = new Error('enough');
    if (name !== 'encodeImages') expect(await failed(call, { signal: AbortSignal.abort(reason) })).toBe(reason);
  });
});

it.each<[string, object, string]>([
  ['encodeImage', { normalise: false }, 'did you mean normalize?'],
  ['encodeImage', { normalize: 'no' }, 'normalize must be a boolean, got a string ("no")'],
  ['encodeImage', { orient: 1 }, 'orient must be a boolean, got a number'],
  ['encodeImage', { settled: 'yes' }, 'settled must be a boolean'],
  ['encodeImage', { onProgress: true }, 'onProgress must be a function, got a boolean'],
  ['encodeImage', { maxPixels: '100' }, 'maxPixels must be a number, got a string ("100")'],
  ['encodeImage', { max_bytes: 100 }, 'did you mean maxBytes?'],
  ['encodeImages', { onProgress: () => {} }, 'unknown option "onProgress"'],
  ['encodeImages', { settled: true }, 'unknown option "settled"'],
  ['encodeText', { orient: true }, 'unknown option "orient"'],
  ['encodeText', { normalize: null }, 'normalize must be a boolean, got null'],
  ['encodeTokens', { onProgress: 'yes' }, 'onProgress must be a function'],
  ['classify', { topk: 1 }, 'did you mean topK?'],
  ['classify', { orient: 'yes' }, 'orient must be a boolean'],
  ['classifier', { template: ['{}'] }, 'did you mean templates?'],
  ['loadClip', { treads: 2 }, 'did you mean threads?'],
  ['loadClip', { repairs: 1 }, 'repairs must be a boolean'],
  ['loadClip', { onProgress: 1 }, 'onProgress must be a function'],
])('%s refuses %o', async (name, options, message) => {
  const error = await failed(calls[name]!, options);
  expect(error).toBeInstanceOf(TypeError);
  expect(error.message).toContain(message);
});

it('the options of the tokenizer are checked, too', () => {
  const make = (options: object) => () => Tokenizer.fromJSON('{}', options);
  expect(make({ contextlength: 7 })).toThrow(
    'Tokenizer.fromJSON: unknown option "contextlength"; did you mean contextLength?',
  );
  expect(make({ repairs: 'no' })).toThrow(TypeError);
});

it('undefined options and options of undefined are the defaults', async () => {
  const options = {
    normalize: undefined,
    signal: undefined,
    onProgress: undefined,
    orient: undefined,
    maxPixels: undefined,
  };
  expect(await clip.encodeImage(photo, options)).toEqual(embedding);
  expect(await clip.encodeImage(photo, undefined)).toEqual(embedding);
  expect(await classifier.classify(photo, { topK: undefined })).toHaveLength(2);
});

it('a limit that is not positive is a RangeError of the call, not of a picture', async () => {
  for (const options of [{ maxPixels: 0 }, { maxBytes: -1 }, { maxBytes: Number.NaN }]) {
    expect(await rejection(clip.encodeImage([photo], { ...options, settled: true }))).toBeInstanceOf(RangeError);
    expect(() => clip.encodeImages([photo], options)).toThrow(RangeError);
    expect(await rejection(classifier.classify(photo, options))).toBeInstanceOf(RangeError);
  }
});

/** A list of three with nothing in the middle. */
function withHole<T>(first: T, last: T): T[] {
  const list = [first];
  list[2] = last;
  return list;
}

describe('what is not accepted', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['a string as a picture', () => clip.encodeImage('cat.jpg' as never), /string \("cat\.jpg"\).*read the file first/],
    ['a string as labels', () => clip.classifier('cat, dog' as never), /string \("cat, dog"\): split it/],
    ['a map as classes', () => clip.classifier(new Map() as never), /got a Map: pass Object\.fromEntries\(map\)/],
    ['a set as labels', () => clip.classifier(new Set(['a']) as never), /got a Set: pass a list of it/],
    ['a second picture', () => clip.encodeImage(photo, photo as never), /pass a list: encodeImage\(\[a, b\]\)/],
    ['a second text', () => clip.encodeText('a', 'b' as never), /pass a list: encodeText\(\[a, b\]\)/],
    ['a second picture to rank', () => classifier.classify(photo, photo as never), /list: classify\(\[a, b\]\)/],
    ['bytes as numbers', () => clip.encodeImage([137, 80] as never), /an array of numbers: use Uint8Array\.from/],
    ['a function', () => clip.encodeImage((() => photo) as never), /a function: call it.* encodeImages/],
    [
      'lists of numbers as embeddings',
      () => classifier.classify([[...embedding]] as never),
      /^image 0: classify: got an array of numbers: .*Float32Array\.from/,
    ],
    ['a Node.js stream', () => clip.encodeImages(createReadStream(photoPath)), /a Node\.js stream of bytes: .*toWeb/],
    [
      'a stream of bytes',
      () => clip.encodeImages(new Blob([Uint8Array.from(photo)]).stream() as never),
      /a stream of bytes: pass it to encodeImage, or in a list/,
    ],
    ['a string as texts to tokenize', () => clip.tokenize('cat' as never), /got a string \("cat"\): pass \["cat"\]/],
    ['null as texts', () => clip.encodeText(null as never), /expected a string or an array of strings, got null/],
    ['a set as texts', () => clip.encodeText(new Set(['a']) as never), /got a Set/],
    ['a hole in texts', () => clip.encodeText(withHole('a', 'b') as never), /text 1 must be a string, got undefined/],
    ['a hole in pictures', () => clip.encodeImage(withHole(photo, photo) as never), /^image 1: .*undefined/],
    ['a hole in token ids', () => clip.encodeTokens([withHole(1, 2)] as never), /token 1/],
    ['a text as token ids', () => clip.encodeTokens('a cat' as never), /array of lists of token ids, got a string/],
    [
      'numbers as an embedding',
      () => classifier.classify([0.1, 0.2] as never),
      /classify: got an array of numbers: for an embedding pass Float32Array\.from/,
    ],
    [
      'doubles as an embedding',
      () => classifier.classify(new Float64Array(384) as never),
      /got a Float64Array: .*Float32Array\.from/,
    ],
    ['null as a picture', () => classifier.classify(null as never), /null/],
  ])('%s', async (_, call, message) => {
    const error = await rejection((async () => call())());
    expect(error).toBeInstanceOf(/token 1/.test(String(message)) ? RangeError : TypeError);
    expect(error.message).toMatch(message);
  });
});

describe('the two signatures of loadClip', () => {
  const folder = goldenPath('tiny-vit');

  it('are the model and options, or all in one object', async () => {
    const store = storeOf(readFolder('tiny-vit'));
    const expected = await (async () => {
      using clip = await loadClip(folder, { towers: ['image'] });
      return await clip.encodeImage(photo);
    })();
    const realm = vm.createContext({});
    for (const load of [
      () => loadClip({ model: folder, towers: ['image'] }),
      () => loadClip({ model: store, towers: ['image'] }),
      () => loadClip(store, { towers: ['image'] }),
      () => loadClip(vm.runInContext(`({ model: ${JSON.stringify(folder)} })`, realm)),
      () => loadClip(Object.assign(Object.create(null), { model: folder })),
    ]) {
      using clip = await load();
      expect(await clip.encodeImage(photo)).toEqual(expected);
    }
    using embedded = await loadClip({ towers: ['image'] });
    expect(embedded.info().towers).toEqual(['image']);
    expect(await embedded.encodeImage(photo)).toEqual(embedding);
    using plain = await loadClip({});
    expect(plain.info().model).toBe(clip.info().model);
    using undefinedModel = await loadClip({ model: undefined, wasm: undefined, towers: ['text'] });
    expect(undefinedModel.info().model).toBe(clip.info().model);
  });

  it('files of a class are files, not options', async () => {
    class Store {
      readonly name = 'a class';
      readonly #store = storeOf(readFolder('tiny-vit'));
      text(name: string) {
        return this.#store.text(name);
      }
      source(name: string) {
        return this.#store.source(name);
      }
    }
    using clip = await loadClip(new Store(), { towers: ['image'] });
    expect(clip.info().model).toBe('a class');
  });

  it.each<[string, () => Promise<unknown>, RegExp]>([
    ['null', () => loadClip(null as never), /got null/],
    ['a number', () => loadClip(3 as never), /must be a folder, a name, a file \(Blob\) or ModelFiles.*got a number/],
    ['a URL', () => loadClip(new URL('file:///models') as never), /got an? URL: pass its path/],
    ['files without functions', () => loadClip({ name: 'x', text: 'a' } as never), /must have the methods text/],
    ['a list', () => loadClip([photo] as never), /got an array/],
    ['a promise', () => loadClip(Promise.resolve(folder) as never), /got a Promise/],
    [
      'options twice',
      () => (loadClip as (...args: object[]) => never)({ threads: 1 }, { threads: 2 }),
      /options came twice/,
    ],
    ['a model twice', () => loadClip(folder, { model: folder } as never), /model came twice/],
    ...(['config', 'tokenizer'] as const).map((name): [string, () => Promise<unknown>, RegExp] => [
      `${name} without a model`,
      () => loadClip({ [name]: {} }),
      new RegExp(`${name} belongs to a model, and none is given: use loadClip\\(model, \\{ ${name} \\}\\)`),
    ]),
    ['a revision without a model', () => loadClip(undefined, { revision: 'v2' }), /revision belongs to a model/],
    ['an unknown option', () => loadClip({ modle: folder } as never), /did you mean model\?/],
  ])('refuse %s', async (_, load, message) => {
    const error = await rejection((async () => load())());
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(message);
  });
});

it('a file handle is refused with what to do', async () => {
  const handle = await open(photoPath);
  expect((await rejection(clip.encodeImage(handle as never))).message).toMatch(
    /FileHandle: pass await handle\.readFile/,
  );
  await handle.close();
});

it('streams of pictures are sources of pictures', async () => {
  const sources = [
    Readable.from([photo, photo]),
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(photo);
        controller.enqueue(photo);
        controller.close();
      },
    }),
  ];
  for (const source of sources) {
    const results = [];
    for await (const result of clip.encodeImages(source as AsyncIterable<Uint8Array>)) results.push(result.embedding);
    expect(results).toEqual([embedding, embedding]);
  }
});

it('the internal options of loadClip are checked, and named in no message', async () => {
  expect((await failed(calls.loadClip!, { somethingElse: 1 })).message).not.toMatch(/probe|variant/);
  const error = await failed(calls.loadClip!, { variant: 'nonsense' });
  expect(error).toBeInstanceOf(RangeError);
  expect(error.message).toMatch(/^variant must be \d+ or \d+, got "nonsense"$/);
  expect((await failed(calls.loadClip!, { probe: 1 })).message).toContain('probe must be a function, got a number');
});

it('a value that is text is shown in quotes', async () => {
  expect((await rejection(classifier.classify(embedding, { topK: '2' as never }))).message).toContain('got "2"');
  expect((await failed(calls.loadClip!, { maxPixels: '9' })).message).toContain('got "9"');
  expect((await failed(calls.loadClip!, { threads: '2' })).message).toContain('got "2"');
});

it('a file: address is not a folder', async () => {
  const error = await rejection(loadClip('file:///models/clip'));
  expect(error).toBeInstanceOf(TypeError);
  expect(error.message).toContain('pass its path, fileURLToPath(url)');
});

it('a tower that was not loaded: the advice keeps the other one', async () => {
  const images = await loadClip(goldenPath('tiny-vit'), { towers: ['image'] });
  const error = await rejection(images.classifier(['cat']));
  expect(error).toMatchObject({ code: 'TOWER_NOT_LOADED' });
  expect(error.message).toBe("the text tower was not loaded: pass loadClip towers: ['image', 'text']");
  images.dispose();
});

it('a tokenizer file that was not read', () => {
  const make = (json: unknown) => () => Tokenizer.fromJSON(json as string);
  expect(make(new TextEncoder().encode('{}'))).toThrow(/got a Uint8Array: decode the bytes as UTF-8 first/);
  expect(make(new ArrayBuffer(8))).toThrow(/got an ArrayBuffer: decode the bytes/);
  expect(make('models/clip/tokenizer.json')).toThrow(/got "models\/clip\/tokenizer.json". If that is a path, read the/);
  expect(make('{"a": ')).toThrow(/not JSON/);
});
