/** Numbers that look like activations and weights: a product of zeros would flatter processors that save power on zeros. */

/** xorshift32 (Marsaglia 2003) from a seed that is not 0: the same numbers in every run. */
export function randomIntegers(seed: number): () => number {
  let x = seed | 0;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/** n values in [-1, 1). */
export function randomFloats(n: number, seed: number): Float32Array {
  const next = randomIntegers(seed);
  return Float32Array.from({ length: n }, () => next() / 2 ** 31 - 1);
}

/** A picture of noise over slopes, RGB. */
export function randomPicture(width: number, height: number) {
  const next = randomIntegers(7);
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = ((i >> 8) + (next() & 63)) & 255;
  return { data, width, height, channels: 3 as const };
}

/** A text of `length` ids, BOS and EOT (the two last ids of CLIP's vocabulary) included. */
export function randomTokens(length: number, vocabSize: number, seed: number): number[] {
  const next = randomIntegers(seed);
  const words = Array.from({ length: length - 2 }, () => next() % (vocabSize - 2));
  return [vocabSize - 2, ...words, vocabSize - 1];
}
