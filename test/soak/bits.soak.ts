/** Random pictures and texts have the same bits with one thread and several, in both builds, alone and in a batch. */
import { expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { untilOver } from './duration.ts';

/** xorshift32 (Marsaglia 2003). */
function integers(seed: number): () => number {
  let x = seed | 0;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

function picture(next: () => number) {
  const [width, height] = [1 + (next() % 700), 1 + (next() % 700)];
  const data = new Uint8Array(width * height * 3);
  const amplitude = 1 + (next() % 255);
  for (let i = 0; i < data.length; i++) data[i] = ((i >> (next() & 7)) + (next() % amplitude)) & 255;
  return { data, width, height };
}

it('same bits', async () => {
  const options = [
    {},
    { threads: 2 },
    { threads: 3 },
    ...(WebAssembly.validate(RELAXED) ? [{ kernels: 'relaxed' } as const] : []),
  ];
  for (const precision of ['int8', 'f32'] as const) {
    const clips = await Promise.all(
      options.map((some) => loadClip(undefined, { kernels: 'simd', precision, ...some })),
    );
    const rounds = await untilOver(async (round) => {
      const next = integers(round + 1);
      const pictures = Array.from({ length: 1 + (next() % 5) }, () => picture(next));
      const ids = Array.from({ length: 1 + (next() % 9) }, () => [
        16382,
        ...Array.from({ length: next() % 60 }, () => next() % 16382),
        16383,
      ]);
      const expected = await Promise.all(pictures.map((one) => clips[0]!.encodeImage(one)));
      const expectedTexts = (await Promise.all(ids.map((one) => clips[0]!.encodeTokens([one])))).flat();
      for (const clip of clips) {
        expect(await clip.encodeImage(pictures), `round ${round}`).toEqual(expected);
        expect(await clip.encodeTokens(ids), `round ${round}`).toEqual(expectedTexts);
      }
    });
    expect(rounds).toBeGreaterThan(2);
    for (const clip of clips) clip.dispose();
  }
});

/** A module whose only function uses i32x4.relaxed_dot_i8x16_i7x16_add_s: valid where relaxed SIMD is there. */
const RELAXED = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2, 253, 147, 2, 11); // biome-ignore format: bytes
