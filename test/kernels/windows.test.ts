import { describe, expect, it } from 'vitest';
import { activationMax } from '../../src/engine/numerics.ts';
import { describeBuilds } from './builds.ts';
import { expectSameBits } from './compare.ts';
import { Random } from './random.ts';
import { packedBytes, packFloats, packInt16, quantize } from './references/packed-rows.ts';

interface Shape {
  channels: number;
  across: number;
  lines: number;
}

const SHAPES: Shape[] = [
  { channels: 4, across: 1, lines: 1 },
  { channels: 8, across: 3, lines: 2 },
  { channels: 24, across: 7, lines: 7 },
  { channels: 40, across: 5, lines: 3 },
  { channels: 64, across: 11, lines: 2 },
];

/** The image with its border of zeros, f32 [lines + 2, across + 2, channels]: ReLU leaves zeros, and windows that are all zeros. */
function bordered({ channels, across, lines }: Shape): Float32Array {
  const random = new Random(channels + across);
  const image = new Float32Array((lines + 2) * (across + 2) * channels);
  const still = across > 4 ? 3 : 0; // the first columns are zeros
  for (let y = 1; y <= lines; y++) {
    for (let x = 1 + still; x <= across; x++) {
      const size = 10 ** random.between(1, -3, 3)[0]!;
      image.set(
        random.floats(channels, size).map((v) => Math.max(v, -size / 8)),
        (y * (across + 2) + x) * channels,
      );
    }
  }
  return image;
}

/** All windows as rows [lines * across, 9 channels], values as [y][x][channel]. */
function windowsOf(image: Float32Array, { channels, across, lines }: Shape): Float32Array {
  const k = 9 * channels;
  const rows = new Float32Array(lines * across * k);
  for (let i = 0; i < lines * across; i++) {
    for (let e = 0; e < k; e++) {
      const [tap, c] = [Math.floor(e / channels), e % channels];
      const y = Math.floor(i / across) + Math.floor(tap / 3);
      const x = (i % across) + (tap % 3);
      rows[i * k + e] = image[(y * (across + 2) + x) * channels + c]!;
    }
  }
  return rows;
}

/** Ranges of windows: all; and what begins and ends within a line. */
const rangesOf = ({ across, lines }: Shape) => {
  const m = across * lines;
  return m < 8 ? [[0, m] as const] : ([[0, m], [5, m - 5], [across - 1, 3], [m - 4, 4]] as const); // biome-ignore format: a table
};

describeBuilds((arena, { layout }) => {
  describe.each(SHAPES)('windows of $channels channels, $lines x $across', (shape) => {
    const image = bordered(shape);
    const rows = windowsOf(image, shape);
    const { channels, across } = shape;
    const k = 9 * channels;
    const lineBytes = (across + 2) * channels * 4;

    it('as integers: each window is quantized as a row is', () => {
      for (const [first, m] of rangesOf(shape)) {
        arena.reset();
        const out = arena.output(packedBytes(m, k, 2));
        const scale = arena.output(m * 4);
        const aMax = activationMax(k);
        arena.kernels.windowsInt8({
          image: arena.input(image),
          lineBytes,
          channels,
          across,
          first,
          m,
          aMax,
          out,
          scale,
        });
        const expected = quantize(rows.subarray(first * k, (first + m) * k), m, k, aMax);
        const label = `windows ${first}, ${m}`;
        expectSameBits(arena.bytes(out, packedBytes(m, k, 2)), packInt16(expected.values, m, k, layout), label);
        expectSameBits(arena.floats(scale, m), expected.scale, label);
        arena.check(label);
      }
    });

    it('as floats', () => {
      for (const [first, m] of rangesOf(shape)) {
        arena.reset();
        const out = arena.output(packedBytes(m, k, 4));
        arena.kernels.windowsF32({ image: arena.input(image), lineBytes, channels, across, first, m, out });
        const expected = packFloats(rows.subarray(first * k, (first + m) * k), m, k);
        expectSameBits(arena.floats(out, m * k), expected, `windows ${first}, ${m}`);
        arena.check();
      }
    });
  });
});

describe('the reference', () => {
  it('has windows of zeros, windows at all edges, and values of both signs', () => {
    const shape = SHAPES[2]!;
    const rows = windowsOf(bordered(shape), shape);
    const k = 9 * shape.channels;
    const row = (i: number) => rows.subarray(i * k, (i + 1) * k);
    expect(row(0).every((v) => v === 0)).toBe(true);
    expect(row(48).some((v) => v !== 0)).toBe(true);
    expect(
      row(48)
        .subarray(6 * shape.channels)
        .every((v) => v === 0),
    ).toBe(true); // below the last line
    expect(rows.some((v) => v < 0)).toBe(true);
  });
});
