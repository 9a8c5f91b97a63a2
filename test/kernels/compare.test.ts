/** What the suite's own comparisons say when they fail. */
import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { builds } from './builds.ts';
import { expectSameBits, expectSameRows } from './compare.ts';

describe('a comparison of bits', () => {
  const expected = Float32Array.from({ length: 24 }, (_, i) => i);

  it('says which row and column differ, and where all differences are', () => {
    const actual = expected.slice();
    expectSameBits(actual, expected, 'x', 8);
    actual[11] = -1;
    actual[21] = -2;
    expect(() => expectSameBits(actual, expected, 'x', 8)).toThrow(
      'x: row 1, column 3 is -1, not 11; 2 of 24 values differ, in rows 1 to 2, columns 3 to 5',
    );
    expect(() => expectSameBits(actual, expected, 'x')).toThrow('x: value 11 is -1, not 11; 2 of 24 values differ');
    const rows = (values: Float32Array) => [0, 8, 16].map((at) => values.slice(at, at + 8));
    expectSameRows(rows(expected), rows(expected));
    expect(() => expectSameRows(rows(actual), rows(expected), 'y')).toThrow('y: row 1, column 3 is -1, not 11');
  });

  it('tells 0 from -0, and counts', () => {
    expect(() => expectSameBits(Float32Array.of(-0), Float32Array.of(0), 'x')).toThrow('value 0');
    expect(() => expectSameRows([Float32Array.of(1, -0)], [Float32Array.of(1, 0)], 'x')).toThrow('row 0, column 1');
    expect(() => expectSameBits(Float32Array.of(1), expected, 'x')).toThrow('1 values, not 24');
    expect(() => expectSameRows([expected], [], 'x')).toThrow('1 rows, not 0');
    expect(() => expectSameRows([expected, expected.slice(1)], [expected, expected], 'x')).toThrow(
      'row 1 has 23 columns, not 24',
    );
  });
});

describe('the arena', () => {
  const arena = new Arena(builds.find(({ name }) => name === 'simd')!);

  it('names the block that was written beyond its end, and the one after it', () => {
    arena.reset();
    const out = arena.output(16);
    const x = arena.input(new Float32Array(4));
    arena.kernels.copyBytes({ from: x, to: out, bytes: 16 });
    arena.check('in bounds');
    arena.kernels.zeroBytes({ at: out + 8, bytes: 16 });
    expect(() => arena.check('too long')).toThrow(
      "too long: byte 16 of copyBytes's to was written, which has 16 bytes; copyBytes's from follows",
    );
  });

  it('names the input that was changed', () => {
    arena.reset();
    const x = arena.input(Float32Array.of(1, 2, 3, 4));
    arena.kernels.zeroBytes({ at: x, bytes: 8 });
    expect(() => arena.check('y')).toThrow("y: byte 2 of zeroBytes's at, an input, was changed");
  });
});
