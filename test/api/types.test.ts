/** The types of the public calls; the compiler is the test, what runs is only the shape of the calls. */
import { expect, expectTypeOf, it } from 'vitest';
import {
  type ClassifyInput,
  type Clip,
  type EncodedImage,
  type ImageInput,
  loadClip,
  type Neighbor,
  nearest,
  type Ranked,
} from '../../src/index.ts';

declare const clip: Clip;
declare const image: ImageInput;
declare const either: ImageInput | readonly ImageInput[];
declare const input: ClassifyInput;
declare const vector: Float32Array;
declare const settled: boolean;

it('one input gives one result, a list a list, and what may be either either', () => {
  // Never called: only the compiler looks at it.
  const calls = async () => {
    expectTypeOf(clip.encodeImage(image)).resolves.toEqualTypeOf<Float32Array>();
    expectTypeOf(clip.encodeImage([image])).resolves.toEqualTypeOf<Float32Array[]>();
    expectTypeOf(clip.encodeImage(either)).resolves.toEqualTypeOf<Float32Array | Float32Array[]>();
    expectTypeOf(clip.encodeImage(image, { settled: true })).resolves.toEqualTypeOf<
      PromiseSettledResult<Float32Array>
    >();
    expectTypeOf(clip.encodeImage([image], { settled: true })).resolves.toEqualTypeOf<
      PromiseSettledResult<Float32Array>[]
    >();
    type Settled = PromiseSettledResult<Float32Array>;
    expectTypeOf(clip.encodeImage(image, { settled })).resolves.toEqualTypeOf<Float32Array | Settled>();
    expectTypeOf(clip.encodeImage([image], { settled })).resolves.toEqualTypeOf<Float32Array[] | Settled[]>();
    expectTypeOf(clip.encodeText('a')).resolves.toEqualTypeOf<Float32Array>();
    expectTypeOf(clip.encodeText(['a'])).resolves.toEqualTypeOf<Float32Array[]>();
    for await (const result of clip.encodeImages([image, () => image, async () => image])) {
      expectTypeOf(result).toEqualTypeOf<EncodedImage>();
      if (result.embedding) expectTypeOf(result.embedding).toEqualTypeOf<Float32Array>();
      else expectTypeOf(result.error).toEqualTypeOf<unknown>();
    }
    const classifier = await clip.classifier({ cat: ['a cat'], dog: ['a dog'] });
    expectTypeOf(classifier.classify(input)).resolves.toEqualTypeOf<Ranked[]>();
    expectTypeOf(classifier.classify([input])).resolves.toEqualTypeOf<Ranked[][]>();
    expectTypeOf(nearest(vector, [vector], 1)).resolves.toEqualTypeOf<Neighbor[]>();
    expectTypeOf(nearest([vector], vector, 1)).resolves.toEqualTypeOf<Neighbor[][]>();
    expectTypeOf(loadClip({ model: 'a', threads: 2 })).resolves.toEqualTypeOf<Clip>();
    expectTypeOf(loadClip('a', { threads: 2 })).resolves.toEqualTypeOf<Clip>();

    // @ts-expect-error a path is not a picture
    clip.encodeImage('a.jpg');
    // @ts-expect-error a number is not a picture
    clip.encodeImage(42);
    // @ts-expect-error a string is not a list of labels
    clip.classifier('cat, dog');
    // @ts-expect-error the name of the option
    clip.encodeText('a', { normalise: false });
    // @ts-expect-error no file of this name
    loadClip({ wasm: { gif: new Uint8Array(8) } });
    // @ts-expect-error a number is not a module, bytes or address
    loadClip({ wasm: { simd: 42 } });
    // @ts-expect-error how many will come is not known
    clip.encodeImages([image], { onProgress: () => {} });
  };
  expect(calls).toBeTypeOf('function');
});
