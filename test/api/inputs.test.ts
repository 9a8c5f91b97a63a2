/** B20: what a call was given is taken at the call; B03: typed arrays of another realm. */
import vm from 'node:vm';
import { afterAll, describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { nearest, similarity } from '../../src/similarity.ts';
import { photo, pictures } from './pictures.ts';

const clip = await loadClip();
const threaded = await loadClip({ threads: 2, towers: ['image'] });
afterAll(() => {
  clip.dispose();
  threaded.dispose();
});

const frame = (value: number) => new Uint8Array(64 * 64 * 3).map((_, i) => (i * value) % 256);
const pixels = (data: Uint8Array) => ({ data, width: 64, height: 64 });
const [a, b] = await clip.encodeImage([pixels(frame(3)), pixels(frame(7))]);
const classifier = await clip.classifier(['cat', 'dog', 'rocket']);

describe.each([
  ['one thread', clip],
  ['two threads', threaded],
])('B20 on %s', (_, clip) => {
  it('one frame buffer for two calls gives each its own frame', async () => {
    const buffer = frame(3);
    const first = clip.encodeImage(pixels(buffer));
    buffer.set(frame(7));
    const second = clip.encodeImage(pixels(buffer));
    buffer.fill(0);
    expect(await first).toEqual(a);
    expect(await second).toEqual(b);
  });

  it('a buffer, and one of a list, may be reused, transferred or shortened after the call', async () => {
    const [one, two] = [photo.slice(), photo.slice()];
    const expected = await clip.encodeImage(photo);
    const single = clip.encodeImage(one);
    const list = clip.encodeImage([one, two, photo]);
    structuredClone(one.buffer, { transfer: [one.buffer] });
    two.fill(9);
    expect(one).toHaveLength(0);
    expect(await single).toEqual(expected);
    expect(await list).toEqual([expected, expected, expected]);
  });

  it('a list may change after the call', async () => {
    const list = [pixels(frame(3)), pixels(frame(7)), pixels(frame(3))];
    const call = clip.encodeImage(list, { onProgress: () => void list.splice(0) });
    list[1] = pixels(frame(3));
    expect(await call).toEqual([a, b, a]);
  });

  it('fields of pixels and options may change after the call', async () => {
    const picture = pixels(frame(3));
    const options = { normalize: true };
    const call = clip.encodeImage([pixels(frame(7)), picture], options);
    picture.width = 32;
    options.normalize = false;
    expect(await call).toEqual([b, a]);
  });

  it('a source of encodeImages may use one buffer for all its frames', async () => {
    const buffer = new Uint8Array(64 * 64 * 3);
    const source = function* () {
      for (const value of [3, 7, 3, 7]) {
        buffer.set(frame(value));
        yield pixels(buffer);
      }
    };
    const got = [];
    for await (const { embedding } of clip.encodeImages(source())) got.push(embedding);
    expect(got).toEqual([a, b, a, b]);
  });
});

describe('B20', () => {
  it('classify takes pictures and embeddings, alone and in lists', async () => {
    const expected = await classifier.classify([a, b]);
    const [one, buffer] = [a.slice(), frame(7)];
    const list = [one, pixels(buffer)];
    const calls = [classifier.classify(one), classifier.classify(pixels(buffer)), classifier.classify(list)];
    one.fill(0);
    buffer.fill(0);
    list.length = 0;
    expect(await Promise.all(calls)).toEqual([expected[0], expected[1], expected]);
  });

  it('texts, token ids, labels and prompts', async () => {
    const texts = ['a cat', 'a dog'];
    const expected = await clip.encodeText(texts);
    const list = [...texts];
    const embedding = clip.encodeText(list);
    list.reverse().pop();
    expect(await embedding).toEqual(expected);

    const ids = clip.tokenize(texts);
    const tokens = clip.encodeTokens(ids);
    ids[0]!.fill(5);
    ids.length = 1;
    expect(await tokens).toEqual(expected);

    const labels = ['cat', 'dog', 'rocket'];
    const templates = ['a photo of a {}.'];
    const classes = { cat: ['a photo of a cat.'], dog: ['a photo of a dog.'], rocket: ['a photo of a rocket.'] };
    const made = [clip.classifier(labels, { templates }), clip.classifier(classes)];
    labels.fill('x').length = 1;
    templates[0] = '{}';
    classes.cat[0] = 'y';
    for (const one of await Promise.all(made)) expect(one.toBytes()).toEqual(classifier.toBytes());
  });

  it('queries of nearest', async () => {
    const query = a.slice();
    const call = nearest(query, [a, b], 1);
    query.set(b);
    expect((await call)[0]).toMatchObject({ index: 0 });
  });
});

describe('B03: typed arrays of another realm', () => {
  const realm = vm.createContext({});
  const foreign = <T extends ArrayBufferView>(type: string, values: ArrayLike<number>): T =>
    vm.runInContext(`(values) => ${type}.from(values)`, realm)(Array.from(values));

  it('are pictures, pixels and embeddings like those of this one', async () => {
    expect(foreign('Uint8Array', [1])).not.toBeInstanceOf(Uint8Array);
    const expected = await clip.encodeImage(photo);
    expect(await clip.encodeImage(foreign<Uint8Array>('Uint8Array', photo))).toEqual(expected);
    for (const type of ['Uint8Array', 'Uint8ClampedArray']) {
      expect(await clip.encodeImage(pixels(foreign(type, frame(3)))), type).toEqual(a);
    }
    const embedding = foreign<Float32Array>('Float32Array', a);
    expect(await classifier.classify(embedding)).toEqual(await classifier.classify(a));
    expect(await classifier.classify([embedding])).toEqual([await classifier.classify(a)]);
    expect(await nearest(embedding, [foreign<Float32Array>('Float32Array', b), embedding], 2)).toEqual(
      await nearest(a, [b, a], 2),
    );
    expect(await nearest([embedding], foreign<Float32Array>('Float32Array', [...a, ...b]), 1)).toEqual([
      [{ index: 0, similarity: expect.closeTo(1, 6) }],
    ]);
    expect(similarity(embedding, b)).toBe(similarity(a, b));
    expect(vm.runInContext('Array', realm)).not.toBe(Array);
    const list = vm.runInContext('(a, b) => [a, b]', realm)(pictures[2], photo);
    expect(await clip.encodeImage(list)).toEqual(await clip.encodeImage([pictures[2]!, photo]));
  });
});
