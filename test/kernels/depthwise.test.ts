import { describe, it } from 'vitest';
import { packTaps, packTapsInt8, tapOrder } from '../../src/weights/panels.ts';
import type { Arena } from './arena.ts';
import { type Build, describeBuilds } from './builds.ts';
import { expectSameBits } from './compare.ts';
import { Random } from './random.ts';
import { add, fixed, mul, relu6 } from './references/float.ts';
import { packedBytes, packFloats, packInt16 } from './references/packed-rows.ts';

interface Shape {
  kernel: 3 | 5;
  stride: 1 | 2;
  channels: number;
  across: number;
  lines: number;
}

/** The input that the output needs; every other shape's lines are longer than that, as stride 2 leaves them. */
const inside = ({ kernel, stride, across, lines }: Shape) => ({
  width: (across - 1) * stride + kernel + (across % 2),
  height: (lines - 1) * stride + kernel,
});

/** Each output pixel and channel: its taps' values and filters, line by line. */
function* outputs<T extends ArrayLike<number>>(s: Shape, input: T, weights: ArrayLike<number>) {
  const { width } = inside(s);
  for (let y = 0; y < s.lines; y++) {
    for (let x = 0; x < s.across; x++) {
      for (let c = 0; c < s.channels; c++) {
        const taps: [number, number][] = [];
        for (let t = 0; t < s.kernel ** 2; t++) {
          const at = (y * s.stride + Math.floor(t / s.kernel)) * width + x * s.stride + (t % s.kernel);
          taps.push([input[at * s.channels + c]!, weights[c * s.kernel ** 2 + t]!]);
        }
        yield { c, taps };
      }
    }
  }
}

const shapes: Shape[] = [];
for (const kernel of [3, 5] as const) {
  for (const stride of [1, 2] as const) {
    for (const [channels, across, lines] of [
      [8, 1, 1],
      [8, 3, 2],
      [32, 4, 1],
      [96, 5, 3],
      [16, 9, 2],
    ] as const) {
      shapes.push({ kernel, stride, channels, across, lines });
    }
  }
}

function runInt8(arena: Arena, { layout }: Build, s: Shape, extreme: boolean) {
  const random = new Random(s.channels + s.across);
  const { width, height } = inside(s);
  const count = s.kernel ** 2;
  const input = Int16Array.from({ length: width * height * s.channels }, () =>
    extreme ? 8191 : random.integer(0, 8191),
  );
  const sign = (channel: number) => (channel % 2 === 0 ? 1 : -1);
  const filters = random.floats(s.channels * count, 1).map((v, i) => (extreme ? sign(Math.floor(i / count)) : v));
  const taps = new Int8Array((s.channels / 8) * tapOrder(s.kernel).length * 8);
  const scale = new Float32Array(s.channels);
  packTapsInt8(filters, s.channels, s.kernel, 1, { taps, scale });
  const integers = filters.map((v, i) => Math.round(v / ((Math.max(...filters.subarray(Math.floor(i / count) * count, (Math.floor(i / count) + 1) * count).map(Math.abs))) / 127))); // biome-ignore format: as quantizeRow
  // Scales that put the sums around the range of ReLU6, in both directions.
  const own = scale.map((_, c) => (extreme ? sign(c) / (count * 8191 * 32) : random.between(1, -2e-6, 4e-6)[0]!));
  const bias = random.floats(s.channels, 2);
  const m = s.lines * s.across;
  const expected: number[] = [];
  for (const { c, taps } of outputs(s, input, integers)) {
    const sum = taps.reduce((total, [value, weight]) => total + value * weight, 0);
    expected.push(fixed(relu6(add(mul(Math.fround(sum), own[c]!), bias[c]!))));
  }
  arena.reset();
  const at = [arena.input(input), arena.input(taps), arena.input(own), arena.input(bias)] as const;
  const out = arena.output(packedBytes(m, s.channels, 2));
  const line = width * s.channels * 2;
  for (const [first, lines] of halves(s.lines)) {
    arena.kernels.depthwiseInt8({
      input: at[0] + first * s.stride * line,
      lineBytes: line,
      kernel: s.kernel,
      stride: s.stride,
      weights: at[1],
      scale: at[2],
      bias: at[3],
      channels: s.channels,
      across: s.across,
      lines,
      firstRow: first * s.across,
      m,
      out,
    });
  }
  expectSameBits(arena.bytes(out, packedBytes(m, s.channels, 2)), packInt16(expected, m, s.channels, layout));
  arena.check();
}

function runF32(arena: Arena, s: Shape) {
  const random = new Random(s.channels * 7 + s.lines);
  const { width, height } = inside(s);
  const input = random.between(width * height * s.channels, 0, 6);
  const filters = random.floats(s.channels * s.kernel ** 2, 0.5);
  const taps = new Float32Array(filters.length);
  packTaps(filters, s.channels, s.kernel, taps);
  const bias = random.floats(s.channels, 2);
  const m = s.lines * s.across;
  const expected: number[] = [];
  for (const { c, taps } of outputs(s, input, filters)) {
    const sum = taps.reduce((total, [value, weight]) => add(total, mul(value, weight)), 0);
    expected.push(relu6(add(sum, bias[c]!)));
  }
  arena.reset();
  const at = [arena.input(input), arena.input(taps), arena.input(bias)] as const;
  const out = arena.output(packedBytes(m, s.channels, 4));
  const line = width * s.channels * 4;
  for (const [first, lines] of halves(s.lines)) {
    arena.kernels.depthwiseF32({
      input: at[0] + first * s.stride * line,
      lineBytes: line,
      kernel: s.kernel,
      stride: s.stride,
      weights: at[1],
      bias: at[2],
      channels: s.channels,
      across: s.across,
      lines,
      firstRow: first * s.across,
      m,
      out,
    });
  }
  expectSameBits(arena.floats(out, m * s.channels), packFloats(expected, m, s.channels));
  arena.check();
}

/** Lines in two calls, the later ones first, as threads may do them: a group of rows may lie in both. */
function halves(lines: number): (readonly [firstRow: number, lines: number])[] {
  const half = lines >> 1;
  return half === 0 ? [[0, lines]] : [[half, lines - half], [0, half]]; // biome-ignore format: one line
}

describeBuilds((arena, build) => {
  describe.each(shapes)('depthwise $kernel x $kernel, stride $stride, $channels channels, $lines x $across', (s) => {
    it('of integers, to the bit', () => runInt8(arena, build, s, false));
    it('of the largest integers', () => runInt8(arena, build, s, true));
    it('of floats, to the bit', () => runF32(arena, s));
  });
});
