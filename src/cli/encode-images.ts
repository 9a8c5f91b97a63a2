import type { Clip, EncodeImageOptions } from '../clip.ts';

type Result = { index: number; embedding: Float32Array } | { index: number; error: unknown };

export async function* encodeImages(
  clip: Clip,
  pictures: readonly (() => Promise<Uint8Array>)[],
  options: EncodeImageOptions,
): AsyncGenerator<Result> {
  const together = clip.info().threads.count;
  for (let first = 0; first < pictures.length; first += together) {
    const read = await Promise.allSettled(pictures.slice(first, first + together).map((picture) => picture()));
    for (const [i, one] of read.entries()) {
      const index = first + i;
      let result: Result;
      try {
        if (one.status === 'rejected') throw one.reason;
        result = { index, embedding: await clip.encodeImage(one.value, options) };
      } catch (error) {
        result = { index, error };
      }
      yield result;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
