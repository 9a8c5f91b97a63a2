import { afterAll, describe, expect, it } from 'vitest';
import { Classifier } from '../../src/classifier.ts';
import { writeClassifier } from '../../src/classifier-file.ts';
import { crc32 } from '../../src/crc32.ts';
import { ClipError } from '../../src/errors.ts';
import { loadClip } from '../../src/load.ts';
import { goldenPath } from '../model/golden.ts';
import { type Checkpoint, readCheckpoint, rejection, utf8, writeCheckpoint } from './checkpoint.ts';
import { photo } from './pictures.ts';
import { random } from './token-ids.ts';

const clip = await loadClip();
afterAll(() => clip.dispose());
const classifier = await clip.classifier(['cat', 'dog', 'a cup of coffee']);
const bytes = classifier.toBytes();
const embedding = await clip.encodeImage(photo);
const ranked = await classifier.classify(photo);

/** The file with something in it changed. */
function rewritten(edit: (file: Checkpoint) => Checkpoint): Uint8Array {
  return writeCheckpoint(edit(readCheckpoint(bytes)));
}

const withMetadata = (change: Record<string, string>) =>
  rewritten((file) => ({ ...file, metadata: { ...file.metadata, ...change } }));

/** A copy of the vectors of the file. */
function vectorsOf(file: Uint8Array): Float32Array {
  return new Float32Array(readCheckpoint(file).tensors[0].data.slice().buffer);
}

/** What `fromBytes` throws; undefined if it gives a classifier. */
function failure(file: Uint8Array, model?: typeof clip): ClipError | undefined {
  try {
    Classifier.fromBytes(file, model);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(ClipError);
    expect((error as ClipError).code).toBe('CLASSIFIER_FORMAT');
    return error as ClipError;
  }
}

describe('a classifier file', () => {
  it('is read from any wrapping of its bytes, and written again as it was', async () => {
    const padded = new Uint8Array(bytes.length + 3);
    padded.set(bytes, 3);
    for (const file of [bytes, Buffer.from(bytes), bytes.slice().buffer, padded.subarray(3)]) {
      const copy = Classifier.fromBytes(file);
      expect(copy.labels).toEqual(classifier.labels);
      expect(copy.logitScale).toBe(classifier.logitScale);
      expect(copy.embedDim).toBe(384);
      expect(copy.toBytes()).toEqual(bytes);
      expect(await copy.classify(embedding)).toEqual(ranked);
    }
  });

  it('is kept apart from the bytes it came from', async () => {
    const file = bytes.slice();
    const copy = Classifier.fromBytes(file);
    file.fill(0);
    expect(await copy.classify(embedding)).toEqual(ranked);
    copy.toBytes().fill(0);
    expect(copy.toBytes()).toEqual(bytes);
  });

  it('without a model ranks embeddings and says what pictures need', async () => {
    const alone = Classifier.fromBytes(bytes);
    expect(await alone.classify(embedding, { topK: 1 })).toEqual(ranked.slice(0, 1));
    const error = await rejection(alone.classify(photo));
    expect(error).toMatchObject({ name: 'ClipError', code: 'TOWER_NOT_LOADED' });
    expect(error.message).toMatch(/no model.*fromBytes/);
  });

  it('with an image tower alone gives the bits of the full model', async () => {
    using edge = await loadClip(undefined, { towers: ['image'] });
    expect(edge.info().memory.total).toBeLessThan(clip.info().memory.total - 5_000_000);
    const there = Classifier.fromBytes(bytes, edge);
    expect(await there.classify(photo)).toEqual(ranked);
    expect(await rejection(edge.classifier(['cat']))).toMatchObject({ code: 'TOWER_NOT_LOADED' });
  });

  it('of a model with other embeddings is refused with both lengths', async () => {
    using other = await loadClip(goldenPath('tiny-vit'), { towers: ['image'] });
    const error = failure(bytes, other as typeof clip);
    expect(error?.message).toContain('384');
    expect(error?.message).toContain('96');
  });

  it('names the model that made it, and is refused by another one of the same size, with both names', async () => {
    const { metadata } = readCheckpoint(bytes);
    expect(metadata.model).toBe('edgeclip default model');
    expect(metadata.image_tower).toBe(clip.info().image!.fingerprint);
    const other = { ...clip, config: clip.config, encodeImages: clip.encodeImages.bind(clip) };
    const info = () => ({ model: 'models/fine-tuned/', image: { kind: '', size: 224, fingerprint: '01234567' } });
    const error = failure(bytes, { ...other, info } as never);
    expect(error?.message).toMatch(/made with "edgeclip default model".*that of "fine-tuned" is 01234567/);
    // Where one of the towers is not known, nothing can be compared.
    const unknown = () => ({ ...info(), image: { kind: '', size: 224 } });
    expect(failure(bytes, { ...other, info: unknown } as never)).toBeUndefined();
    expect(failure(bytes, other as never)).toBeUndefined();
  });

  it('serves the same model in the other precision, packing and naming', async () => {
    const path = goldenPath('tiny-vit');
    using maker = await loadClip(path);
    const file = writeClassifier({
      labels: ['cat'],
      logitScale: 100,
      embeddings: Float32Array.from({ length: 96 }, (_, i) => (i === 0 ? 1 : 0)),
      maker: { name: 'tiny-vit', imageTower: maker.info().image!.fingerprint! },
    });
    using f32 = await loadClip(path, { precision: 'f32', towers: ['image'] });
    using huggingFace = await loadClip(goldenPath('tiny-vit-hf'), { towers: ['image'] });
    for (const model of [f32, huggingFace]) expect(failure(file, model as typeof clip)).toBeUndefined();
  });

  it('of version 2, which does not name the model, is read', async () => {
    const { labels, logitScale } = classifier;
    const embeddings = vectorsOf(bytes);
    const content = {
      format: 'edgeclip-classifier',
      version: '2',
      labels: JSON.stringify(labels),
      logit_scale: String(logitScale),
    };
    const text = utf8(JSON.stringify([...Object.values(content), [3, 384]]));
    const sum = crc32(new Uint8Array(embeddings.buffer), crc32(text)).toString(16).padStart(8, '0');
    const older = rewritten((file) => ({ ...file, metadata: { ...content, crc32: sum } }));
    expect(await Classifier.fromBytes(older, clip).classify(photo)).toEqual(ranked);
  });
});

describe('a classifier file that is none, or damaged', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /empty/],
    [
      'a text',
      utf8('hello, this is not a classifier'),
      /^classifier file: expected the bytes of Classifier\.toBytes\(\), got a file that is a text$/,
    ],
    ['a part of a file', bytes.subarray(0, 100), /^classifier file: it is truncated/],
    ['a web page', utf8('<!doctype html><html></html>'), /web page/],
    ['zeros', new Uint8Array(1000), /zeros/],
    [
      'a safetensors file of something else',
      rewritten((file) => ({ ...file, metadata: {} })),
      /edgeclip-classifier.*\(none\)/,
    ],
    ['the version before, without a checksum', withMetadata({ version: '1' }), /version 1 has no checksum.*again/],
    ['another version', withMetadata({ version: '4' }), /version 2 or 3, got 4/],
    ['another model than was summed', withMetadata({ model: 'mine' }), /checksum/],
    ['no labels', withMetadata({ labels: '[]' }), /empty/],
    ['labels that are no JSON', withMetadata({ labels: '["cat"' }), /./],
    ['labels that are not strings', withMetadata({ labels: '["cat",2,"dog"]' }), /label 1 must be a string/],
    ['fewer labels than vectors', withMetadata({ labels: '["cat"]' }), /\[1, any\], got F32 \[3, 384\]/],
    ['no logit scale', withMetadata({ logit_scale: '' }), /logit scale is \(none\)/],
    ['an infinite logit scale', withMetadata({ logit_scale: '1e999' }), /logit scale/],
    ['other labels than were summed', withMetadata({ labels: '["cat","dog","tea"]' }), /checksum/],
    ['another logit scale than was summed', withMetadata({ logit_scale: '31' }), /checksum/],
    ['no checksum', withMetadata({ crc32: '' }), /checksum/],
    ['no embeddings', rewritten((file) => ({ ...file, tensors: [] })), /no embeddings/],
    [
      'embeddings of another type',
      rewritten((file) => ({ ...file, tensors: [{ ...file.tensors[0], dtype: 'I32' }] })),
      /got I32/,
    ],
    [
      'embeddings of another rank',
      rewritten((file) => ({ ...file, tensors: [{ ...file.tensors[0], shape: [3, 384, 1] }] })),
      /\[3, 384, 1\]/,
    ],
    [
      'embeddings without numbers',
      rewritten((file) => ({ ...file, tensors: [{ ...file.tensors[0], shape: [3, 0], data: new Uint8Array(0) }] })),
      /\[3, 0\]/,
    ],
  ])('%s', (_, file, message) => {
    expect(failure(file)?.message).toMatch(message);
  });

  it('truncated anywhere', () => {
    for (let length = 0; length < bytes.length; length += length < 700 ? 1 : 97) {
      expect(failure(bytes.subarray(0, length)), `${length} bytes`).toBeDefined();
    }
  });

  it('with something after its end', () => {
    expect(failure(new Uint8Array([...bytes, 0]))?.message).toContain('after the last tensor');
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 0, 1e30])('with %d in a vector, and a checksum to it', (value) => {
    const { labels, logitScale } = classifier;
    const embeddings = vectorsOf(bytes);
    embeddings.fill(value, 384, value === 0 ? 768 : 385);
    expect(failure(writeClassifier({ labels, logitScale, embeddings }))?.message).toContain('embedding 1');
  });

  it.each([
    [0, false],
    [-1, false],
    [Number.NaN, false],
    [Math.exp(-100), false],
    [0.999, false],
    [1, true],
    [100, true],
    [1000, true],
    [1001, false],
    [Math.exp(88), false],
    [Number.POSITIVE_INFINITY, false],
  ])('R08: with the logit scale %d, and a checksum to it: readable %s', (logitScale, readable) => {
    const file = writeClassifier({ labels: classifier.labels, logitScale, embeddings: vectorsOf(bytes) });
    if (readable) expect(Classifier.fromBytes(file).logitScale).toBe(logitScale);
    else expect(failure(file)?.message).toMatch(/logit scale/);
  });

  it('with any flipped bit is refused', () => {
    // Of short vectors, so that each bit can be tried.
    const vectors = 4;
    const embeddings = new Float32Array(vectors * 8).map((_, i) => (i % 9 === 0 ? 1 : 0));
    const labels = ['cat', 'a "dog"', '\u732b', 'a cup of coffee'];
    const file = writeClassifier({ labels, logitScale: 100, embeddings });
    expect(Classifier.fromBytes(file).labels).toEqual(labels);
    for (let bit = 0; bit < file.length * 8; bit++) {
      file[bit >> 3] ^= 1 << (bit & 7);
      if (!failure(file)) expect.fail(`bit ${bit % 8} of byte ${bit >> 3} was not noticed`);
      file[bit >> 3] ^= 1 << (bit & 7);
    }
    // And some of long ones, two at a time.
    const next = random(15);
    for (let i = 0; i < 500; i++) {
      const damaged = bytes.slice();
      for (let flips = 0; flips < 1 + (i & 1); flips++) damaged[next(bytes.length)] ^= 1 << next(8);
      if (damaged.every((byte, at) => byte === bytes[at])) continue;
      expect(failure(damaged), `case ${i}`).toBeDefined();
    }
  });

  it('what is not bytes, or not a model, is an argument error', () => {
    for (const input of ['cat', null, undefined, 7, {}, [1, 2]]) {
      expect(() => Classifier.fromBytes(input as never)).toThrow(TypeError);
    }
    for (const model of [null, 'clip', {}, Promise.resolve(clip)]) {
      expect(() => Classifier.fromBytes(bytes, model as never)).toThrow(/expected a model from loadClip/);
    }
  });
});
