import { expect, it } from 'vitest';
import { xxh32 } from '../../src/weights/checksum.ts';
import { describeBuilds } from './builds.ts';
import { Random } from './random.ts';

describeBuilds((arena) => {
  it.each([0, 4, 12, 16, 20, 32, 44, 4096, 100_004])('xxh32 of %i bytes is that of the reference', (length) => {
    arena.reset();
    const bytes = new Random(length).bytes(length);
    const out = arena.output(4);
    arena.kernels.xxh32({ at: arena.input(bytes), bytes: length, out });
    expect(new Uint32Array(arena.floats(out, 1).slice().buffer)[0]).toBe(xxh32(bytes));
    arena.check();
  });
});
