import { describe, expect, it } from 'vitest';
import { tapPairs } from '../../src/engine/layout.ts';
import { roundUp } from '../../src/engine/numerics.ts';
import {
  packPanels,
  packPanelsInt8,
  packTaps,
  packTapsInt8,
  quantizeRow,
  tapOrder,
  unpackPanelsInt8,
  unpackTapsInt8,
} from '../../src/weights/panels.ts';
import { Random } from '../kernels/random.ts';

/** Arrays that hold rubbish, as memory does that was used before. */
function int8Panels(n: number, k: number) {
  const padded = roundUp(n, 8);
  return {
    panels: new Int8Array(padded * roundUp(k, 4)).fill(99),
    scale: new Float32Array(padded).fill(99),
    sum: new Int32Array(padded).fill(99),
  };
}

/** Each row's largest magnitude, over 127: the step of its integers. */
const steps = (values: Float32Array, rows: number, k: number) =>
  Array.from({ length: rows }, (_, r) => Math.max(...values.subarray(r * k, (r + 1) * k).map(Math.abs)) / 127);

const SHAPES = [
  { n: 8, k: 4 },
  { n: 1, k: 1 },
  { n: 5, k: 3 },
  { n: 9, k: 27 },
  { n: 16, k: 6 },
  { n: 23, k: 147 },
];

describe.each(SHAPES)('panels of a matrix [$n, $k]', ({ n, k }) => {
  const values = new Random(n * k).floats(n * k, 3);
  const places = Array.from({ length: n * k }, (_, i) => ({
    row: Math.floor(i / k),
    column: i % k,
    value: values[i]!,
  }));

  it('f32: [n/8][k][8], rows that are missing are zeros', () => {
    const out = new Float32Array(roundUp(n, 8) * k).fill(99);
    packPanels(values, n, k, out);
    for (const { row, column, value } of places) {
      expect(out[(Math.floor(row / 8) * k + column) * 8 + (row % 8)]).toBe(value);
    }
    expect(out.filter((v) => v !== 0).length).toBe(n * k);
  });

  it('int8: [n/8][k/2][8][2], k padded to 4 with zeros, a scale and a sum a row', () => {
    const out = int8Panels(n, k);
    packPanelsInt8(values, n, k, 0.5, out);
    const integers = new Int8Array(out.panels.length);
    const sums = new Int32Array(out.sum.length);
    const step = steps(values, n, k);
    for (const { row, column, value } of places) {
      const pair = (Math.floor(row / 8) * (roundUp(k, 4) / 2) + (column >> 1)) * 8 + (row % 8);
      integers[pair * 2 + (column & 1)] = Math.round(value / step[row]!);
      sums[row]! += Math.round(value / step[row]!);
    }
    expect(out.panels).toEqual(integers);
    expect(out.sum).toEqual(sums);
    expect(out.scale).toEqual(Float32Array.from({ length: roundUp(n, 8) }, (_, r) => (step[r] ?? 0) * 0.5));
  });

  it('int8 panels stand for values within half a step, whatever the scale of the input', () => {
    for (const inputScale of [1, 6 / 8191]) {
      const out = int8Panels(n, k);
      packPanelsInt8(values, n, k, inputScale, out);
      const back = unpackPanelsInt8(out.panels, out.scale, n, k, inputScale);
      const step = steps(values, n, k);
      for (const [i, { row, value }] of places.entries()) {
        expect(Math.abs(back[i]! - value)).toBeLessThanOrEqual(step[row]! * 0.5001);
      }
    }
  });

  it('int8 panels of values that lie on the grid give them back', () => {
    const random = new Random(k);
    const grid = Float32Array.from({ length: n * k }, (_, i) => (i % k === 0 ? 127 : random.integer(-127, 127)) / 64);
    const out = int8Panels(n, k);
    packPanelsInt8(grid, n, k, 1, out);
    expect(unpackPanelsInt8(out.panels, out.scale, n, k, 1)).toEqual(grid);
  });
});

describe('quantizeRow', () => {
  it('puts the largest magnitude at 127, with its sign', () => {
    const out = new Int8Array(3);
    expect(quantizeRow(Float32Array.of(1, -2.54, 0), out)).toBeCloseTo(0.02, 6);
    expect([...out]).toEqual([50, -127, 0]);
    quantizeRow(Float32Array.of(0.5, 1e-30, 3e38), out);
    expect([...out]).toEqual([0, 0, 127]);
  });

  it('gives a row of zeros scale 0', () => {
    const out = new Int8Array(4).fill(99);
    expect(quantizeRow(new Float32Array(4), out)).toBe(0);
    expect([...out]).toEqual([0, 0, 0, 0]);
  });
});

describe('tapOrder', () => {
  it.each([3, 5])('takes each tap of %i x %i once, in pairs, and fills up with nothing', (kernel) => {
    const order = tapOrder(kernel);
    expect(order.length).toBe(2 * tapPairs(kernel));
    const taps = order.filter((tap) => tap >= 0).sort((a, b) => a - b);
    expect(taps).toEqual(Array.from({ length: kernel ** 2 }, (_, i) => i));
    expect(order.indexOf(-1)).toBe(kernel ** 2);
  });

  it('pairs neighbors of a line, then the last column from top to bottom', () => {
    expect(tapOrder(3)).toEqual([0, 1, 3, 4, 6, 7, 2, 5, 8, -1]);
    expect(tapOrder(5).slice(-6)).toEqual([4, 9, 14, 19, 24, -1]);
  });
});

describe.each([3, 5])('taps of filters %i x %i', (kernel) => {
  const [channels, count] = [24, kernel ** 2];
  const values = new Random(kernel).floats(channels * count, 2);

  it('f32: [channels/8][taps][8]', () => {
    const out = new Float32Array(channels * count).fill(99);
    packTaps(values, channels, kernel, out);
    values.forEach((value, i) => {
      const channel = Math.floor(i / count);
      expect(out[(Math.floor(channel / 8) * count + (i % count)) * 8 + (channel % 8)]).toBe(value);
    });
  });

  it('int8: [channels/8][pairs][8][2] in the order of tapOrder', () => {
    const taps = new Int8Array(channels * tapPairs(kernel) * 2).fill(99);
    const scale = new Float32Array(channels);
    packTapsInt8(values, channels, kernel, 1, { taps, scale });
    const step = steps(values, channels, count);
    expect(scale).toEqual(Float32Array.from(step));
    const order = tapOrder(kernel);
    for (let c = 0; c < channels; c++) {
      order.forEach((tap, i) => {
        const pair = (Math.floor(c / 8) * tapPairs(kernel) + (i >> 1)) * 8 + (c % 8);
        const expected = tap < 0 ? 0 : Math.round(values[c * count + tap]! / step[c]!);
        expect(taps[pair * 2 + (i & 1)]).toBe(expected + 0);
      });
    }
  });

  it('int8 taps of values that lie on the grid give them back, whatever the scale of the input', () => {
    const random = new Random(9);
    const grid = values.map((_, i) => (i % count === 4 ? -127 : random.integer(-127, 127)) / 128);
    for (const inputScale of [1, 2 ** -11]) {
      const [taps, scale] = [new Int8Array(channels * tapPairs(kernel) * 2), new Float32Array(channels)];
      packTapsInt8(grid, channels, kernel, inputScale, { taps, scale });
      expect(unpackTapsInt8(taps, scale, channels, kernel, inputScale)).toEqual(grid);
    }
  });
});
