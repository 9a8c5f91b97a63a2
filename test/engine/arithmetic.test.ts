/** What the arithmetic reserves is what its kernels use: the arena finds a byte that is written outside. */
import { describe, expect, it } from 'vitest';
import { Arithmetic, type Linear } from '../../src/engine/arithmetic.ts';
import { MemoryPlan } from '../../src/engine/memory.ts';
import type { Arena } from '../kernels/arena.ts';
import { describeBuilds } from '../kernels/builds.ts';
import { Random } from '../kernels/random.ts';

/** Reserves blocks of an arena. */
class ArenaPlan extends MemoryPlan {
  readonly #arena: Arena;

  constructor(arena: Arena) {
    super();
    this.#arena = arena;
  }

  override reserve(_: string, bytes: number) {
    return this.#arena.output(bytes);
  }
}

describeBuilds((arena) => {
  // One level of Strassen's halves begins at 25 rows of 256 values, two begin at 100 rows of 512.
  it.each([
    [24, 256],
    [25, 240],
    [25, 256],
    [99, 512],
    [100, 496],
    [100, 512],
    [104, 544],
  ])('rows have room for the operands of Strassen products: %i rows of %i', (m, k) => {
    arena.reset();
    const rows = Arithmetic.reserveRows(new ArenaPlan(arena), 'rows', 'int8', [[m, k]]);
    const x = arena.input(new Random(m).floats(m * k));
    const arithmetic = new Arithmetic(arena.kernels, 'int8', arena.output(Arithmetic.scratchBytes(k, 1)));
    const packed = arithmetic.pack(x, m, k, rows);
    expect(packed.halves > 0).toBe(m >= 25 && k >= 256);
    arena.check(`${m} rows of ${k}`);
  });

  it('rows have room for their values in f32, also of a last group that is not full', () => {
    arena.reset();
    const rows = Arithmetic.reserveRows(new ArenaPlan(arena), 'rows', 'f32', [[23, 64]]);
    expect([rows.scale, rows.halves]).toEqual([0, 0]);
    new Arithmetic(arena.kernels, 'f32', 0).pack(arena.input(new Random(1).floats(23 * 64)), 23, 64, rows);
    arena.check('23 rows of 64');
  });
});

describe('columns of a linear map', () => {
  const w: Linear = { n: 64, k: 6, panels: 1000, scale: 2000, sum: 3000, bias: 4000 };
  const kernels = {} as Arithmetic['kernels']; // none is called

  it('are panels of padded rows in int8, with their scales, sums and biases', () => {
    const part = new Arithmetic(kernels, 'int8', 0).columns(w, 16, 8);
    expect(part).toEqual({ n: 8, k: 6, panels: 1000 + 16 * 8, scale: 2064, sum: 3064, bias: 4064 });
  });

  it('have no scale, sum or bias where the map has none', () => {
    const part = new Arithmetic(kernels, 'f32', 0).columns({ ...w, scale: 0, sum: 0, bias: 0 }, 16, 8);
    expect(part).toEqual({ n: 8, k: 6, panels: 1000 + 16 * 6 * 4, scale: 0, sum: 0, bias: 0 });
  });
});
