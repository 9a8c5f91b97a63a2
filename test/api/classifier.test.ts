import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Classifier } from '../../src/classifier.ts';
import type { Encoder } from '../../src/encoding.ts';
import { loadClip } from '../../src/load.ts';
import { Ranking } from '../../src/ranking.ts';
import { parseLabelsFile, templateSets } from '../../src/text/prompts.ts';
import { cosine, goldenPath } from '../model/golden.ts';
import { rejection } from './checkpoint.ts';
import { badPictures, photo, pictures } from './pictures.ts';

const clip = await loadClip();
afterAll(() => clip.dispose());
const animals = await clip.classifier(['cat', 'dog', 'horse', 'rocket', 'person']);
const embedding = await clip.encodeImage(photo);

/** The vector divided by its length. */
function normalized(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

describe('classify', () => {
  it('ranks all labels for a picture, or for its embedding, best first', async () => {
    const ranked = await animals.classify(photo);
    expect(ranked.map(({ label }) => label).sort()).toEqual([...animals.labels].sort());
    for (const { label, index } of ranked) expect(animals.labels[index]).toBe(label);
    const scores = ranked.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(new Set(scores).size).toBe(5);
    expect(await animals.classify(embedding)).toEqual(ranked);
    const twice = embedding.map((value) => value * 2);
    expect(await animals.classify(twice)).toEqual(ranked);
    expect(twice).toEqual(embedding.map((value) => value * 2));
  });

  it('scores are softmax(logit scale * similarity), similarities are cosines', async () => {
    expect(animals.logitScale).toBe(clip.logitScale);
    expect(clip.logitScale).toBeCloseTo(30.00000155, 4);
    const texts = await clip.encodeText(animals.labels.map((label) => `a photo of a ${label}.`));
    const ranked = await animals.classify(photo);
    const exponentials = animals.labels.map((_, i) => Math.exp(animals.logitScale * cosine(texts[i], embedding)));
    const total = exponentials.reduce((sum, value) => sum + value);
    for (const { index, score, similarity } of ranked) {
      expect(similarity).toBeCloseTo(cosine(texts[index], embedding), 6);
      expect(score / (exponentials[index] / total)).toBeCloseTo(1, 4);
    }
    expect(ranked.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 6);
  });

  it('cuts at topK, with the scores of all', async () => {
    const all = await animals.classify(photo);
    for (const topK of [1, 3, 5, 100]) expect(await animals.classify(photo, { topK })).toEqual(all.slice(0, topK));
    for (const topK of [0, -1, 1.5, Number.NaN, '2' as unknown as number]) {
      expect(await rejection(animals.classify(photo, { topK }))).toBeInstanceOf(RangeError);
    }
  });

  it('refuses an embedding of another length', async () => {
    for (const length of [0, 383, 385]) {
      const error = await rejection(animals.classify(new Float32Array(length).fill(0.1)));
      expect(error).toBeInstanceOf(RangeError);
      expect(error.message).toContain(`384 numbers, got ${length}`);
    }
  });

  it('refuses what is not a picture as encodeImage does, and goes on', async () => {
    const before = await animals.classify(photo);
    for (const [name, bytes, code] of badPictures) {
      expect(await rejection(animals.classify(bytes)), name).toMatchObject({ name: 'ClipError', code });
    }
    expect(await rejection(animals.classify('cat.jpg' as unknown as Uint8Array))).toBeInstanceOf(TypeError);
    expect(await rejection(animals.classify(photo, { maxBytes: 10 }))).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    const reason = new Error('no');
    expect(await rejection(animals.classify(photo, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(await animals.classify(photo)).toEqual(before);
  });

  it('takes a list of pictures and embeddings, and gives a list of rankings in its order', async () => {
    const list = [photo, embedding, pictures[2]!, embedding.map((value) => value * 3), pictures[3]!];
    const alone = [];
    for (const one of list) alone.push(await animals.classify(one, { topK: 2 }));
    const seen: number[] = [];
    const onProgress = ({ done, total }: { done: number; total: number }) => void seen.push(done, total);
    expect(await animals.classify(list, { topK: 2, onProgress })).toEqual(alone);
    expect(seen).toEqual([1, 5, 2, 5, 3, 5, 4, 5, 5, 5]);
    expect(await animals.classify([embedding, embedding])).toEqual([
      await animals.classify(embedding),
      await animals.classify(embedding),
    ]);
    expect(await animals.classify([photo])).toEqual([await animals.classify(photo)]);
    expect(await animals.classify([])).toEqual([]);
  });

  it('names the position of what is bad in a list, among pictures and embeddings', async () => {
    const [, bad] = badPictures.find(([name]) => name.includes('half a JPEG'))!;
    const error = await rejection(animals.classify([photo, embedding, bad, embedding]));
    expect(error).toMatchObject({ code: 'IMAGE_TRUNCATED', message: expect.stringMatching(/^image 2: /) });
    const short = await rejection(animals.classify([photo, new Float32Array(3)]));
    expect(short).toBeInstanceOf(RangeError);
    expect(short.message).toMatch(/^image 1: expected an embedding of 384 numbers, got 3/);
    const infinite = embedding.map((value, i) => (i === 5 ? Number.NaN : value));
    expect((await rejection(animals.classify(infinite))).message).toMatch(/not finite/);
    expect(await rejection(animals.classify([photo, 7 as never]))).toBeInstanceOf(TypeError);
  });

  it('compiles the ranking again after it could not', async () => {
    const copy = Classifier.fromBytes(animals.toBytes());
    const create = vi.spyOn(Ranking, 'create').mockRejectedValueOnce(new Error('no memory'));
    expect((await rejection(copy.classify(embedding))).message).toBe('no memory');
    expect(await copy.classify(embedding)).toEqual(await animals.classify(embedding));
    expect(create).toHaveBeenCalledTimes(2);
    create.mockRestore();
  });

  it('ranks one label, with certainty', async () => {
    const only = await clip.classifier(['cat']);
    expect(await only.classify(photo)).toEqual([
      { label: 'cat', index: 0, score: 1, similarity: expect.closeTo(0, 0) as number },
    ]);
  });

  it('ranks for several pictures at once as one by one', async () => {
    const alone = [];
    for (const picture of pictures) alone.push(await animals.classify(picture));
    const [first, ...others] = await Promise.all(pictures.map((picture) => animals.classify(picture)));
    expect([first, ...others]).toEqual(alone);
  });
});

describe('R07: equal labels', () => {
  it('are kept apart by position, with equal scores', async () => {
    const three = await clip.classifier(['cat', 'dog', 'cat']);
    expect(three.labels).toEqual(['cat', 'dog', 'cat']);
    const ranked = await three.classify(photo);
    expect(ranked).toHaveLength(3);
    const [first, second] = ranked.filter(({ label }) => label === 'cat');
    expect([first.index, second.index]).toEqual([0, 2]);
    expect(second).toEqual({ ...first, index: 2 });
    expect(ranked.indexOf(second)).toBe(ranked.indexOf(first) + 1);
    expect(ranked.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 6);
    const again = await Classifier.fromBytes(three.toBytes(), clip).classify(photo);
    expect(again).toEqual(ranked);
  });

  it("of ImageNet's thousand names make a thousand rows", async () => {
    const names = parseLabelsFile(readFileSync(goldenPath('imagenet.txt'), 'utf8'));
    expect(names).toHaveLength(1000);
    expect(new Set(names).size).toBe(998);
    const classifier = await clip.classifier(names);
    const ranked = await classifier.classify(embedding);
    expect(ranked.map(({ index }) => index).sort((a, b) => a - b)).toEqual(names.map((_, i) => i));
    expect(ranked.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5);
    for (const name of ['missile', 'sunglasses']) {
      const [first, second] = ranked.filter(({ label }) => label === name);
      expect(names[first.index]).toBe(name);
      expect(first.index).toBeLessThan(second.index);
      expect(second).toEqual({ ...first, index: second.index });
    }
    const copy = Classifier.fromBytes(classifier.toBytes());
    expect(copy.labels).toEqual(names);
    expect(await copy.classify(embedding)).toEqual(ranked);
    // Every row is what its name alone gives.
    const few = await clip.classifier([names[999], names[0]]);
    const similarity = new Map(ranked.map(({ index, similarity }) => [index, similarity]));
    for (const { index, similarity: alone } of await few.classify(embedding)) {
      expect(alone).toBe(similarity.get(index === 0 ? 999 : 0));
    }
  }, 30_000);
});

describe('labels and templates', () => {
  it('R25: takes labels word for word, whatever is in them', async () => {
    const labels = [
      'sunglasses, dark glasses, shades',
      'baluster / handrail',
      'kite (bird of prey)',
      '$& {} {label}',
      ' spaces ',
      '"quoted\\" \u2028',
      '猫',
      '\ud800',
    ];
    const given = [...labels];
    const classifier = await clip.classifier(given);
    given.length = 0;
    expect(classifier.labels).toEqual(labels);
    const ranked = await classifier.classify(embedding);
    expect(ranked.map(({ label, index }) => label === labels[index])).toEqual(Array(8).fill(true));
    const copy = Classifier.fromBytes(classifier.toBytes(), clip);
    expect(copy.labels).toEqual(labels);
    expect(await copy.classify(embedding)).toEqual(ranked);
    const [prompt] = await clip.encodeText(['a photo of a $& {} {label}.']);
    expect(ranked.find(({ index }) => index === 3)?.similarity).toBeCloseTo(cosine(prompt, embedding), 6);
  });

  it.each<[string, unknown, new () => Error, RegExp]>([
    ['no labels', [], RangeError, /empty/],
    ['a blank label', ['cat', ' \t'], TypeError, /label 1 is blank/],
    ['an empty label', [''], TypeError, /label 0 is blank/],
    ['a label that is not a string', ['cat', 'dog', 3], TypeError, /label 2 must be a string/],
    ['a string', 'cat, dog', TypeError, /array/],
  ])('refuses %s', async (_, labels, type, message) => {
    const error = await rejection(clip.classifier(labels as string[]));
    expect(error).toBeInstanceOf(type);
    expect(error.message).toMatch(message);
  });

  it.each<[string, unknown, RegExp]>([
    ['a template without a place', 'a photo', /"a photo"/],
    ['an empty template', [''], /""/],
    ['no template', [], /empty/],
    ['a good and a bad template', ['a photo of {}', 'a photo'], /template 1, "a photo"/],
    ['an unknown set', 'openai-8', /"openai-8".*"openai-80"/],
    ['broken braces', 'a photo of a {label', /\{label"/],
  ])('refuses %s', async (_, templates, message) => {
    const error = await rejection(clip.classifier(['cat', 'dog'], { templates: templates as string }));
    expect(error).toMatchObject({ name: 'ClipError', code: 'TEMPLATE' });
    expect(error.message).toMatch(message);
  });

  it('takes a set by name, one template, or a list; a label is the mean direction of its prompts', async () => {
    const labels = ['cat', 'dog'];
    const single = await (await clip.classifier(labels)).classify(embedding);
    for (const templates of ['single', 'a photo of a {}.', ['a photo of a {label}.']]) {
      expect(await (await clip.classifier(labels, { templates })).classify(embedding)).toEqual(single);
    }
    const seven = await clip.classifier(labels, { templates: 'openai-7' });
    expect(templateSets['openai-7']).toHaveLength(7);
    for (const { label, similarity } of await seven.classify(embedding)) {
      const prompts = await clip.encodeText(templateSets['openai-7'].map((template) => template.replace('{}', label)));
      const mean = prompts[0].map((_, i) => prompts.reduce((sum, prompt) => sum + prompt[i], 0));
      expect(similarity).toBeCloseTo(cosine(mean, embedding), 6);
    }
    const eighty = await (await clip.classifier(labels, { templates: 'openai-80' })).classify(embedding);
    expect(eighty).not.toEqual(await seven.classify(embedding));
    expect(eighty.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 6);
  });

  it('takes prompts of each class, as an object or as a list', async () => {
    const cat = ['a photo of a cat', 'a small furry animal with whiskers', 'a {} is not a place here'];
    const dog = ['a photo of a dog'];
    const byLabel = await clip.classifier({ cat, dog });
    expect(byLabel.labels).toEqual(['cat', 'dog']);
    const vectors = await clip.encodeText([...cat, ...dog]);
    const ranked = await byLabel.classify(embedding);
    const mean = vectors[0]!.map((_, i) => vectors[0]![i]! + vectors[1]![i]! + vectors[2]![i]!);
    expect(ranked.find(({ label }) => label === 'cat')?.similarity).toBeCloseTo(cosine(mean, embedding), 6);
    // One prompt is taken as it is, to the bit: also where it is not quite of length 1.
    const longer = new Float32Array([1.0005, 0, 0, 0]);
    const model: Encoder = {
      config: { embedDim: 4 },
      logitScale: 100,
      encodeText: async (texts) => texts.map(() => longer),
      encodeImages: () => {
        throw new Error('not needed');
      },
    };
    const one = await Classifier.fromClasses(model, ['cat'], {});
    expect(one.toBytes().subarray(-16)).toEqual(new Uint8Array(longer.buffer));
    const dogOnly = Classifier.fromBytes((await clip.classifier({ dog })).toBytes());
    expect(dogOnly.toBytes().subarray(-384 * 4)).toEqual(new Uint8Array(vectors[3]!.buffer));

    const entries = await clip.classifier([
      { label: 'dog', prompts: dog },
      { label: 'cat', prompts: cat },
      { label: 'dog', prompts: ['a puppy'] },
      { label: 'cat' },
      'rocket',
    ]);
    expect(entries.labels).toEqual(['dog', 'cat', 'dog', 'cat', 'rocket']);
    const similarity = new Map((await entries.classify(embedding)).map(({ index, similarity }) => [index, similarity]));
    for (const { label, similarity: own } of ranked) expect(similarity.get(label === 'dog' ? 0 : 1)).toBe(own);
    const plain = await (await clip.classifier(['rocket', 'cat'])).classify(embedding);
    for (const { index, similarity: own } of plain) expect(similarity.get(index === 0 ? 4 : 3)).toBe(own);
  });

  it('gives the same bits whether prompts come in one group or in many', async () => {
    // More prompts than are embedded together: a stand-in model gives each text a vector of its own.
    const texts = new Map<string, Float32Array>();
    let largest = 0;
    const model: Encoder = {
      config: { embedDim: 8 },
      logitScale: 100,
      encodeText: async (prompts) => {
        largest = Math.max(largest, prompts.length);
        return prompts.map((prompt) => {
          let vector = texts.get(prompt);
          if (!vector) {
            const seed = texts.size;
            vector = normalized(
              Float32Array.from({ length: 8 }, (_, i) => Math.fround(((seed + 1) * (i + 3) * 7919) % 257) - 128),
            );
            texts.set(prompt, vector);
          }
          return vector;
        });
      },
      encodeImages: () => {
        throw new Error('not needed');
      },
    };
    const labels = Array.from({ length: 300 }, (_, i) => `thing ${i}`);
    const all = await Classifier.fromClasses(model, labels, { templates: 'openai-80' });
    expect(largest).toBeLessThanOrEqual(4096);
    expect(texts.size).toBe(300 * 80);
    const few = await Classifier.fromClasses(model, labels.slice(0, 40), { templates: 'openai-80' });
    const rows = (classifier: Classifier) => classifier.toBytes().subarray(-classifier.labels.length * 32);
    expect(rows(few)).toEqual(rows(all).subarray(0, 40 * 32));
    // The definition: the sum of a label's vectors in the order of its templates, in f64, divided by its length.
    const sums = new Float64Array(8);
    for (const template of templateSets['openai-80']) {
      for (const [i, value] of texts.get(template.replace('{}', 'thing 0'))!.entries()) sums[i] = sums[i]! + value;
    }
    const length = Math.sqrt(sums.reduce((sum, value) => sum + value * value, 0));
    const first = new Float32Array(rows(all).slice(0, 32).buffer);
    expect(first).toEqual(Float32Array.from(sums, (value) => value / length));
  });

  it('reports progress over prompts and stops by its signal', async () => {
    const seen: { done: number; total: number }[] = [];
    const labels = Array.from({ length: 60 }, (_, i) => `label of the number ${i}`);
    await clip.classifier(labels, { templates: 'openai-7', onProgress: (progress) => seen.push(progress) });
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.at(-1)).toEqual({ done: 420, total: 420 });
    const controller = new AbortController();
    const reason = new Error('enough');
    const onProgress = () => controller.abort(reason);
    const stopped = clip.classifier(labels, { templates: 'openai-7', signal: controller.signal, onProgress });
    expect(await rejection(stopped)).toBe(reason);
  });
});
