import { describe, expect, it } from 'vitest';
import { CONSTANTS_BYTES } from '../../src/engine/contract.ts';
import { describeBuilds } from './builds.ts';
import { expectClose, expectSameBits } from './compare.ts';
import { Random } from './random.ts';
import { add, laneSum, mul } from './references/float.ts';

describeBuilds((arena) => {
  describe('embedding', () => {
    const [vocabulary, context, width] = [11, 5, 24];
    const random = new Random(3);
    const ids = Int32Array.of(0, 10, 3, 3, 7);
    const at = Int32Array.of(0, 1, 2, 4, 4);
    const positions = random.floats(context * width);
    const sum = (row: (id: number, i: number) => number) =>
      Float32Array.from({ length: ids.length * width }, (_, j) => {
        const [n, i] = [Math.floor(j / width), j % width];
        return add(row(ids[n]!, i), positions[at[n]! * width + i]!);
      });

    it('adds a table row, times its scale, to a position', () => {
      arena.reset();
      const table = Int8Array.from({ length: vocabulary * width }, () => random.integer(-127, 127));
      const scale = random.between(vocabulary, 0.01, 0.1);
      const out = arena.output(ids.length * width * 4);
      const inputs = [ids, at, table, scale, positions].map((array) => arena.input(array));
      const [idsAt, atAt, tableAt, scaleAt, positionsAt] = inputs as [number, number, number, number, number];
      arena.kernels.embedInt8({
        ids: idsAt,
        at: atAt,
        n: ids.length,
        table: tableAt,
        scale: scaleAt,
        positions: positionsAt,
        width,
        out,
      });
      expectSameBits(
        arena.floats(out, ids.length * width),
        sum((id, i) => mul(table[id * width + i]!, scale[id]!)),
      );
      arena.check();
    });

    it('adds an f32 table row to a position', () => {
      arena.reset();
      const table = random.floats(vocabulary * width);
      const out = arena.output(ids.length * width * 4);
      const inputs = [ids, at, table, positions].map((array) => arena.input(array));
      const [idsAt, atAt, tableAt, positionsAt] = inputs as [number, number, number, number];
      arena.kernels.embedF32({
        ids: idsAt,
        at: atAt,
        n: ids.length,
        table: tableAt,
        positions: positionsAt,
        width,
        out,
      });
      expectSameBits(
        arena.floats(out, ids.length * width),
        sum((id, i) => table[id * width + i]!),
      );
      arena.check();
    });
  });

  it.each([
    [1, 4],
    [7, 8],
    [49, 1280],
  ])('meanRows of %i rows of %i sums rows in order', (m, n) => {
    arena.reset();
    const x = new Random(m).floats(m * n, 4);
    const out = arena.output(n * 4);
    arena.kernels.meanRows({ x: arena.input(x), m, n, out });
    const share = Math.fround(1 / m);
    const expected = Float32Array.from({ length: n }, (_, i) => {
      let sum = 0;
      for (let r = 0; r < m; r++) sum = add(sum, x[r * n + i]!);
      return mul(sum, share);
    });
    expectSameBits(arena.floats(out, n), expected);
    arena.check();
  });

  it.each([
    [1, 4, 1],
    [2, 8, 3],
    [7, 128, 7],
  ])('averagePool to %i across, %i channels, %i lines sums four pixels in order', (across, channels, lines) => {
    arena.reset();
    const x = new Random(across).floats(4 * lines * across * channels, 4);
    const out = arena.output(lines * across * channels * 4);
    arena.kernels.averagePool({ x: arena.input(x), across, channels, lines, out });
    const expected = Float32Array.from({ length: lines * across * channels }, (_, i) => {
      const [c, pixel] = [i % channels, Math.floor(i / channels)];
      const [y, left] = [2 * Math.floor(pixel / across), 2 * (pixel % across)];
      const at = (dy: number, dx: number) => x[((y + dy) * 2 * across + left + dx) * channels + c]!;
      return mul(add(add(add(at(0, 0), at(0, 1)), at(1, 0)), at(1, 1)), 0.25);
    });
    expectSameBits(arena.floats(out, expected.length), expected);
    arena.check();
  });

  it('addFloats adds, also in place', () => {
    arena.reset();
    const [x, y] = [new Random(1).floats(36), new Random(2).floats(36)];
    const expected = x.map((v, i) => add(v, y[i]!));
    const [out, inPlace, other] = [arena.output(144), arena.inPlace(x), arena.input(y)];
    arena.kernels.addFloats({ x: arena.input(x), y: other, n: 36, out });
    arena.kernels.addFloats({ x: inPlace, y: other, n: 36, out: inPlace });
    expectSameBits(arena.floats(out, 36), expected);
    expectSameBits(arena.floats(inPlace, 36), expected);
    arena.check();
  });

  it.each([1, 2, 5])('zeroBorder around %i x %i pixels zeros the border and nothing else', (size) => {
    const [line, channels] = [size + 2, 3];
    arena.reset();
    const image = new Random(size).floats(line * line * channels).map((v) => v + 2);
    const at = arena.inPlace(image);
    arena.kernels.zeroBorder({ image: at, size, pixelBytes: channels * 4 });
    const expected = image.map((value, i) => {
      const pixel = Math.floor(i / channels);
      const [y, x] = [Math.floor(pixel / line), pixel % line];
      return y === 0 || x === 0 || y > size || x > size ? 0 : value;
    });
    expectSameBits(arena.floats(at, image.length), expected);
    arena.check();
  });

  describe('l2Normalize', () => {
    it.each([1, 3, 96, 384, 512])('gives %i numbers the length 1 and keeps their direction', (n) => {
      arena.reset();
      const x = new Random(n).floats(n, 9);
      const at = arena.inPlace(x);
      arena.kernels.l2Normalize({ x: at, n });
      const y = arena.floats(at, n);
      const length = Math.hypot(...x);
      expectClose(
        y,
        x.map((v) => v / length),
        1e-7,
      );
      expect(Math.hypot(...y)).toBeCloseTo(1, 6);
      arena.check();
    });

    it('leaves a zero vector, and does not overflow', () => {
      arena.reset();
      const zeros = arena.inPlace(new Float32Array(8));
      arena.kernels.l2Normalize({ x: zeros, n: 8 });
      expect([...arena.floats(zeros, 8)]).toEqual(Array(8).fill(0));
      const large = arena.inPlace(new Float32Array(4).fill(1e30));
      arena.kernels.l2Normalize({ x: large, n: 4 });
      expect([...arena.floats(large, 4)]).toEqual([0.5, 0.5, 0.5, 0.5]);
    });
  });

  it.each([
    [1, 4],
    [5, 96],
    [30, 384],
  ])('dotRows of %i rows of %i sums in four lanes', (n, d) => {
    arena.reset();
    const [rows, q] = [new Random(n).floats(n * d), new Random(d).floats(d)];
    const out = arena.output(n * 4);
    arena.kernels.dotRows({ rows: arena.input(rows), n, d, q: arena.input(q), out });
    const expected = Float32Array.from({ length: n }, (_, r) => laneSum(d, (i) => mul(rows[r * d + i]!, q[i]!)));
    expectSameBits(arena.floats(out, n), expected);
    arena.check();
  });

  describe('softmax', () => {
    it.each([1, 2, 3, 4, 5, 30, 1000])('of %i numbers agrees with float64 and sums to 1', (n) => {
      arena.reset();
      const x = new Random(n).floats(n, 1);
      const room = new Float32Array(Math.ceil(n / 4) * 4);
      room.set(x);
      const at = arena.inPlace(room);
      arena.kernels.softmax({ x: at, n, scale: 30, table: arena.output(CONSTANTS_BYTES) });
      const y = arena.floats(at, n);
      const powers = Array.from(x, (v) => Math.exp(30 * (v - Math.max(...x))));
      const total = powers.reduce((a, b) => a + b, 0);
      expectClose(
        y,
        powers.map((p) => p / total),
        2e-6,
      );
      expect(y.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
      arena.check();
    });

    it('does not overflow', () => {
      arena.reset();
      const at = arena.inPlace(Float32Array.of(1e4, -1e4, 1e4, 0));
      arena.kernels.softmax({ x: at, n: 3, scale: 100, table: arena.output(CONSTANTS_BYTES) });
      expect([...arena.floats(at, 3)]).toEqual([0.5, 0, 0.5]);
    });
  });
});
