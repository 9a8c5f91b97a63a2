/** `edgeclip/worker` is the same `Clip`: every call gives what the model in this thread gives, or refuses with a reason. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../../src/classifier.ts';
import { Clip } from '../../src/clip.ts';
import * as main from '../../src/index.ts';
import * as entry from '../../src/worker/index.ts';
import { pack, readFolder, rejection, storeOf } from '../api/checkpoint.ts';
import { golden, photo, pictures } from '../api/pictures.ts';
import { goldenPath } from '../model/golden.ts';
import type { Load, LoadArguments } from './worker.ts';

const TEXTS = [
  'a photo of a cat',
  'Déjà vu &amp; naïve café',
  '',
  '猫の写真',
  'schÃ¶n',
  'about cats '.repeat(60),
  'a photo of a cat',
];

let here: Clip;
let there: Clip;
beforeAll(async () => {
  [here, there] = await Promise.all([main.loadClip(), entry.loadClip()]);
});
afterAll(() => {
  here.dispose();
  there.dispose();
});

it('has the calls of edgeclip, and the same classes', () => {
  const { loadClip, ...same } = entry;
  expect(Object.keys(same).sort()).toEqual([
    'Classifier',
    'Clip',
    'ClipError',
    'nearest',
    'similarity',
    'templateSets',
  ]);
  expect(main).toMatchObject(same);
  expect(loadClip).not.toBe(main.loadClip);
  expect(there).toBeInstanceOf(Clip);
});

it('tells the same about the model', () => {
  const { kernels, memory, ...info } = there.info(); // the kernels are chosen by measuring
  const { kernels: _, memory: memoryHere, ...expected } = here.info();
  expect(info).toEqual(expected);
  expect(memory.total).toBeGreaterThan(memoryHere.total / 2);
  expect(there.config).toEqual(here.config);
  expect(there.preprocess).toEqual(here.preprocess);
  expect(there.logitScale).toBe(here.logitScale);
  expect(Object.isFrozen(there.info().memory)).toBe(true);
});

describe('gives the same bits for', () => {
  it('pictures of every kind of input', async () => {
    const copy = photo.slice();
    const inputs = () => [
      photo,
      copy.buffer,
      new Blob([copy]),
      new Response(copy),
      new Blob([copy]).stream(),
      new URL('../golden/photos/cat.png', import.meta.url),
      { data: new Uint8ClampedArray(64 * 48).map((_, i) => i % 251), width: 64, height: 48 },
      golden('image-cases/webp-lossy.webp'),
    ];
    expect(await there.encodeImage(inputs())).toEqual(await here.encodeImage(inputs()));
    expect(await there.encodeImage(photo, { normalize: false })).toEqual(await here.encodeImage(photo, { normalize: false })); // biome-ignore format: one line
    const turned = golden('image-cases/jpeg-exif6.jpg');
    expect(await there.encodeImage(turned, { orient: true })).toEqual(await here.encodeImage(turned, { orient: true }));
    expect(await there.encodeImage([])).toEqual([]);
  });

  it('texts and token ids', async () => {
    expect(await there.encodeText(TEXTS)).toEqual(await here.encodeText(TEXTS));
    expect(await there.encodeText('a cat', { normalize: false })).toEqual(await here.encodeText('a cat', { normalize: false })); // biome-ignore format: one line
    const ids = here.tokenize(TEXTS);
    expect(await there.encodeTokens(ids)).toEqual(await here.encodeTokens(ids));
    expect(await there.encodeText([])).toEqual([]);
  });

  it('more texts than one message has, in their order, each with a buffer of its own', async () => {
    const texts = Array.from({ length: 1100 }, (_, i) => `number ${i}`);
    const embeddings = await there.encodeText(texts);
    expect(embeddings).toHaveLength(1100);
    expect(embeddings[1099]).toEqual(await here.encodeText('number 1099'));
    expect(embeddings[0]!.buffer.byteLength).toBe(embeddings[0]!.byteLength);
  });

  it('a stream of pictures, functions and promises of them', async () => {
    const path = new URL('../golden/photos/cat.png', import.meta.url);
    const list = async (clip: Clip) => {
      async function* items() {
        yield photo;
        yield () => readFile(path);
        yield Promise.resolve(photo);
        yield () => Promise.reject(new Error('mine'));
        yield new Uint8Array(9);
      }
      const results = [];
      for await (const result of clip.encodeImages(items())) results.push(result);
      return results;
    };
    expect(await list(there)).toEqual(await list(here));
  });

  it('classifiers, and those from bytes', async () => {
    const classes = { cat: ['a photo of a cat', 'a small furry animal'], dog: ['a photo of a dog'] };
    const [mine, its] = await Promise.all([here.classifier(classes), there.classifier(classes)]);
    expect(its.toBytes()).toEqual(mine.toBytes());
    const embedding = await here.encodeImage(photo);
    expect(await its.classify([photo, embedding])).toEqual(await mine.classify([photo, embedding]));
    expect(await Classifier.fromBytes(mine.toBytes(), there).classify(photo)).toEqual(await mine.classify(photo));
    expect(await its.classify(pictures, { topK: 1 })).toEqual(await mine.classify(pictures, { topK: 1 }));
  });

  it('two threads, and both precisions', async () => {
    const images = [...pictures, photo];
    for (const precision of ['int8', 'f32'] as const) {
      using mine = await main.loadClip({ precision, towers: ['image'] });
      using its = await entry.loadClip({ precision, towers: ['image'], threads: 2 });
      expect(its.info().threads).toEqual({ count: 2 });
      expect(await its.encodeImage(images)).toEqual(await mine.encodeImage(images));
    }
  });

  it("a store of the caller's own, read across, with its optional parts", async () => {
    const folder = await pack(readFolder('tiny-vit'), 'int8', {});
    const closed: string[] = [];
    const store = storeOf(folder);
    const watching = {
      ...store,
      source: async (name: string) => {
        const source = await store.source(name);
        return source && { ...source, name: `mine/${name}`, close: async () => void closed.push(name) };
      },
    };
    using mine = await main.loadClip(store);
    using its = await entry.loadClip(watching);
    expect(closed.length).toBeGreaterThan(0);
    expect(its.info().model).toBe('a store');
    expect(await its.encodeImage(photo)).toEqual(await mine.encodeImage(photo));
    expect(await rejection(its.encodeText('a'))).toMatchObject({ code: 'TOKENIZER' });
  });

  it("WebAssembly of the caller's own: a module, bytes, a URL", async () => {
    const file = (name: string) => new URL(`../../dist/${name}`, import.meta.url);
    const wasm = {
      simd: await WebAssembly.compile(await readFile(file('kernels-simd.wasm'))),
      pictures: await readFile(file('pictures.wasm')),
      webp: file('webp.wasm'),
    };
    using its = await entry.loadClip({ wasm, kernels: 'simd', towers: ['image'] });
    const images = [photo, golden('preprocess/inputs/rgb_97x61.png'), golden('image-cases/webp-lossy.webp')];
    expect(await its.encodeImage(images)).toEqual(await here.encodeImage(images));
    expect(wasm.pictures.byteLength, 'sent as a copy').toBeGreaterThan(0);
  });
});

/** Everything of an error that a caller can look at. */
function seen(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, code, cause } = error as main.ClipError;
  return { type: error.constructor, name, message, code, cause: cause === undefined ? undefined : seen(cause) };
}

describe('fails alike:', () => {
  const calls: [string, (clip: Clip) => Promise<unknown>][] = [
    ['not a picture', (clip) => clip.encodeImage([photo, new Uint8Array(9)])],
    ['a truncated picture', (clip) => clip.encodeImage(photo.slice(0, 2000))],
    ['a picture beyond maxPixels', (clip) => clip.encodeImage(photo, { maxPixels: 10 })],
    ['a picture beyond maxBytes', (clip) => clip.encodeImage(photo, { maxBytes: 10 })],
    ['pixels that do not fit', (clip) => clip.encodeImage({ data: new Uint8Array(5), width: 2, height: 1 })],
    ['what is not an input', (clip) => clip.encodeImage('a.jpg' as never)],
    ['a missing file', (clip) => clip.encodeImage(new URL('file:///no/such/picture.jpg'))],
    ['an unknown option', (clip) => clip.encodeText('a', { normalise: true } as never)],
    ['ids without an end', (clip) => clip.encodeTokens([[1, 2]])],
    ['an id outside the vocabulary', (clip) => clip.encodeTokens([[16382, 99_999, 16383]])],
    ['an empty list of ids', (clip) => clip.encodeTokens([[]])],
    ['a template', (clip) => clip.classifier(['cat'], { templates: 'no place' })],
    ['a callback that throws', (clip) => clip.encodeText('a', { onProgress: () => { throw new RangeError('mine'); } })], // biome-ignore format: one line
    ['an asynchronous one', (clip) => clip.encodeText('a', { onProgress: async () => { throw new RangeError('mine'); } })], // biome-ignore format: one line
    ['one of tokens', (clip) => clip.encodeText('a', { onTokens: () => { throw new RangeError('mine'); } })], // biome-ignore format: one line
    ['an aborted signal', (clip) => clip.encodeText('a', { signal: AbortSignal.abort(new Error('mine')) })],
  ];
  it.each(calls)('%s', async (_, call) => {
    const error = await rejection(call(there));
    expect(seen(error)).toEqual(seen(await rejection(call(here))));
    expect(error).toBeInstanceOf(Error);
  });

  it('each picture by itself', async () => {
    const images = [photo, new Uint8Array(9), photo.slice(0, 2000)];
    const outcomes = async (clip: Clip) =>
      (await clip.encodeImage(images, { settled: true })).map((one) => ('value' in one ? one.value : seen(one.reason)));
    expect(await outcomes(there)).toEqual(await outcomes(here));
  });

  it.each<[string, LoadArguments]>([
    ['a folder that is not there', ['/no/such/folder']],
    ['a tower that no model has', [{ towers: ['sound'] as never }]],
    ['too many threads', [{ threads: 1000 }]],
    ['an unknown option', [{ thread: 2 } as never]],
    ['a model that is none', [42 as never]],
    ['a store that is none', [{ name: 'a', text: 1, source: 2 } as never]],
    [
      'a store that throws',
      [{ name: 'a', text: () => Promise.reject(new Error('no')), source: async () => undefined }],
    ],
    ['a store of bytes', [{ ...storeOf(readFolder('tiny-vit')), source: async () => new Uint8Array(5) as never }]],
    ['a store without files', [{ name: 'empty', text: async () => undefined, source: async () => undefined }]],
    ['WebAssembly that is none', [{ wasm: { simd: 5 } as never }]],
    ['an aborted signal', [{ signal: AbortSignal.abort(new Error('mine')) }]],
    ['a callback that throws', [{ onProgress: () => { throw new RangeError('mine'); } }]], // biome-ignore format: one line
  ])('loading %s', async (_, args) => {
    const error = await rejection((entry.loadClip as Load)(...args));
    expect(seen(error)).toEqual(seen(await rejection((main.loadClip as Load)(...args))));
  });

  it('a tower that was not loaded, at the call', async () => {
    using mine = await main.loadClip({ towers: ['image'] });
    using its = await entry.loadClip({ towers: ['image'] });
    const failures = async (clip: Clip) => [
      await rejection(clip.encodeText('a')),
      await rejection(clip.encodeTokens([[1]])),
      await rejection(clip.classifier(['a'])),
      await rejection((async () => clip.logitScale)()),
    ];
    expect((await failures(its)).map(seen)).toEqual((await failures(mine)).map(seen));
    using texts = await entry.loadClip({ towers: ['text'] });
    expect(() => texts.encodeImages([photo])).toThrow(expect.objectContaining({ code: 'TOWER_NOT_LOADED' }));
    expect(await texts.encodeText('a cat')).toEqual(await here.encodeText('a cat'));
  });
});

describe('refuses', () => {
  it('tokenize, which answers at once', () => {
    expect(() => there.tokenize(['a'])).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', message: expect.stringContaining('edgeclip/tokenizer') }),
    );
    expect(() => there.tokenize('a' as never)).toThrow(TypeError);
  });

  it.each(['fetch', 'probe'])('an option that cannot be sent, by its name: %s', async (name) => {
    const error = await rejection(entry.loadClip(goldenPath('tiny-vit'), { [name]: () => {} } as never));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ message: expect.stringContaining(`${name} is a function`) });
  });
});
