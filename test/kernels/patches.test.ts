import { describe, expect, it } from 'vitest';
import type { Arena } from './arena.ts';
import { type Build, describeBuilds } from './builds.ts';
import { expectSameBits } from './compare.ts';
import { Random } from './random.ts';
import { packedBytes, packFloats, packInt16 } from './references/packed-rows.ts';

const ZERO_POINTS = [246, 233, 208] as const;

/** With four channels, the last one is 1 inside the picture. */
type Channels = 3 | 4;

interface Shape {
  size: number;
  window: number;
  stride: number;
  before: number;
  across: number;
}

const padded = ({ size, window, stride, before, across }: Shape) =>
  Math.max(before + size, (across - 1) * stride + window);

function picture(size: number): Uint8Array {
  const random = new Random(size);
  return Uint8Array.from({ length: size * size * 3 }, (_, i) => (i < 2 ? i * 255 : random.integer(0, 255)));
}

/** 2p - z at (y, x) of the picture, and 1 in the fourth channel; 0 outside. */
function centered(pixels: Uint8Array, size: number, y: number, x: number, c: number): number {
  if (y < 0 || x < 0 || y >= size || x >= size) return 0;
  return c === 3 ? 1 : 2 * pixels[(y * size + x) * 3 + c]! - ZERO_POINTS[c]!;
}

/** The windows of some lines, [lines * across, k], k padded with zeros. */
function windows(
  pixels: Uint8Array,
  s: Shape,
  channels: Channels,
  firstRow: number,
  lines: number,
  k: number,
): Float32Array {
  const out = new Float32Array(lines * s.across * k);
  for (let i = 0; i < lines * s.across; i++) {
    const top = (firstRow + Math.floor(i / s.across)) * s.stride - s.before;
    const left = (i % s.across) * s.stride - s.before;
    for (let e = 0; e < s.window * s.window * channels; e++) {
      const tap = Math.floor(e / channels);
      const [y, x] = [top + Math.floor(tap / s.window), left + (tap % s.window)];
      out[i * k + e] = centered(pixels, s.size, y, x, e % channels);
    }
  }
  return out;
}

function centerInto(arena: Arena, pixels: Uint8Array, s: Shape, channels: Channels) {
  const side = padded(s);
  const image = arena.output(side * side * channels * 2 + 16);
  const [z0, z1, z2] = ZERO_POINTS;
  arena.kernels.subtractZeroPoints({
    pixels: arena.input(pixels),
    size: s.size,
    z0,
    z1,
    z2,
    before: s.before,
    padded: side,
    channels,
    out: image,
  });
  return { image, line: side * channels * 2, side };
}

const shapes: [string, Shape][] = [
  ['patches of 16', { size: 48, window: 16, stride: 16, before: 0, across: 3 }],
  ['patches of 32', { size: 64, window: 32, stride: 32, before: 0, across: 2 }],
  ['patches of 14', { size: 70, window: 14, stride: 14, before: 0, across: 5 }],
  ['patches of 5, an odd number of bytes', { size: 15, window: 5, stride: 5, before: 0, across: 3 }],
  ['a stem on an even size', { size: 12, window: 3, stride: 2, before: 0, across: 6 }],
  ['a stem on an odd size', { size: 9, window: 3, stride: 2, before: 1, across: 5 }],
];

describeBuilds((arena: Arena, { layout }: Build) => {
  describe('centerPixels', () => {
    const sizes = [1, 2, 3, 7, 8, 15, 16, 33];
    const cases = sizes.flatMap((size) => [[size, 3] as const, [size, 4] as const]);
    it.each(cases)('centers a picture of %i pixels and pads it with zeros, %i channels', (size, channels) => {
      for (const before of [0, 1, 2]) {
        arena.reset();
        const pixels = picture(size);
        const s = { size, window: 3, stride: 1, before, across: size + before };
        const { image, side } = centerInto(arena, pixels, s, channels);
        const expected = new Int16Array(side * side * channels);
        for (let y = 0; y < side; y++) {
          for (let x = 0; x < side; x++) {
            for (let c = 0; c < channels; c++) {
              expected[(y * side + x) * channels + c] = centered(pixels, size, y - before, x - before, c);
            }
          }
        }
        expectSameBits(
          new Int16Array(arena.bytes(image, side * side * channels * 2).buffer),
          expected,
          `before ${before}`,
        );
        arena.check();
      }
    });
  });

  const gathered = shapes.flatMap(([name, s]) => [[name, 3, s] as const, [name, 4, s] as const]);
  describe.each(gathered)('gathering %s, %i channels', (_, channels, s) => {
    const k = s.window * s.window * channels;
    const kPadded = Math.ceil(k / 4) * 4;

    it('packs integers, any part of the lines', () => {
      for (const [first, lines] of [
        [0, s.across],
        [0, 1],
        [1, 1],
        [s.across - 1, 1],
      ] as const) {
        arena.reset();
        const pixels = picture(s.size);
        const { image, line } = centerInto(arena, pixels, s, channels);
        const m = lines * s.across;
        const out = arena.output(packedBytes(m, kPadded, 2));
        const scratch = arena.output(kPadded * 2 + 16);
        // A line a call, the last one first: a group of rows may lie in two lines.
        for (let y = lines - 1; y >= 0; y--) {
          arena.kernels.gatherInt8({
            image,
            lineBytes: line,
            channels,
            window: s.window,
            stride: s.stride,
            across: s.across,
            firstLine: first + y,
            lines: 1,
            kPadded,
            firstRow: y * s.across,
            m,
            out,
            scratch,
          });
        }
        const expected = packInt16(windows(pixels, s, channels, first, lines, kPadded), m, kPadded, layout);
        expectSameBits(arena.bytes(out, packedBytes(m, kPadded, 2)), expected, `lines ${first}, ${lines}`);
        arena.check();
      }
    });

    it('packs floats', () => {
      arena.reset();
      const pixels = picture(s.size);
      const { image, line } = centerInto(arena, pixels, s, channels);
      const m = s.across * s.across;
      const out = arena.output(packedBytes(m, k, 4));
      const scratch = arena.output(k * 2 + 16);
      const half = s.across >> 1;
      for (const [y, lines] of [[half, s.across - half], [0, half]] as const) {
        arena.kernels.gatherF32({ image, lineBytes: line, channels, window: s.window, stride: s.stride, across: s.across, firstLine: y, lines, firstRow: y * s.across, m, out, scratch });
      } // biome-ignore format: one line
      expectSameBits(arena.floats(out, m * k), packFloats(windows(pixels, s, channels, 0, s.across, k), m, k));
      arena.check();
    });
  });

  it('the reference sees the padding of the odd stem', () => {
    const s = shapes[5]![1];
    expect(
      windows(picture(9), s, 3, 0, 1, 28)
        .slice(0, 9)
        .every((v) => v === 0),
    ).toBe(true);
  });
});
