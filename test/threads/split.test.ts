/** Calls cut into parts give the bytes of the whole call, by rows of a padded image as by columns. */
import { describe, expect, it } from 'vitest';
import { type Call, type Kernels, Mode } from '../../src/engine/calls.ts';
import { splitKernels } from '../../src/engine/threads/split.ts';
import { Arena } from '../kernels/arena.ts';
import { describeBuilds } from '../kernels/builds.ts';
import { randomInt8Weights, runF32, runInt8 } from '../kernels/gemm-operands.ts';
import { Random } from '../kernels/random.ts';

/** Kernels that are cut for three threads; the parts run one after the other, the last one first. */
class SplitArena extends Arena {
  readonly cut: { kernel: string; parts: number; rows: number[] }[] = [];

  override get kernels(): Kernels {
    const own = super.kernels;
    return splitKernels({
      own,
      threads: 3,
      run: (kernel, parts) => {
        this.cut.push({ kernel, parts: parts.length, rows: parts.map((part) => ('m' in part ? Number(part.m) : 0)) });
        for (const part of [...parts].reverse()) (own[kernel] as (call: Call<typeof kernel>) => void)(part);
      },
    });
  }
}

describeBuilds((whole, build) => {
  const split = new SplitArena(build);

  describe('a product with many rows and few columns', () => {
    // 40 lines of 20 pixels, with 3 pixels of padding after each line.
    const [across, lines, n, k] = [20, 40, 16, 64];
    const m = across * lines;
    const random = new Random(3);
    const gap = 3 * n * 4;
    const geometry = { ldc: n * 4, width: across, gap, slab: n, slabStride: 0 };
    const region = new Uint8Array(lines * (across * n * 4 + gap)).fill(7);

    it('is cut by rows between lines of an int8 image, and keeps the padding', () => {
      const call = {
        m,
        a: Int16Array.from({ length: m * k }, () => random.integer(-8191, 8191)),
        aScale: random.between(m, 1e-4, 1e-3),
        weights: randomInt8Weights(random, n, k),
        bias: random.floats(n),
        mode: Mode.relu6,
        geometry,
        region,
      };
      expect(runInt8(split, build, call)).toEqual(runInt8(whole, build, call));
      const { rows } = split.cut.at(-1)!;
      expect(rows.length).toBeGreaterThan(2);
      expect(rows.reduce((a, b) => a + b)).toBe(m);
    });

    it('is cut by rows in f32', () => {
      const call = {
        m,
        n,
        k,
        a: random.floats(m * k),
        b: random.floats(n * k),
        bias: random.floats(n),
        geometry,
        region,
      };
      expect(runF32(split, call)).toEqual(runF32(whole, call));
      expect(split.cut.at(-1)!.parts).toBeGreaterThan(2);
    });
  });

  it('leaves the maxima of rows in place where rows are cut', () => {
    const [m, n, k] = [130, 8, 512];
    const random = new Random(m);
    const maxima: Float32Array[] = [];
    const call = {
      m,
      a: Int16Array.from({ length: m * k }, () => random.integer(-8191, 8191)),
      aScale: random.between(m, 1e-4, 1e-3),
      weights: randomInt8Weights(random, n, k),
      region: new Uint8Array(m * n * 4),
      onMaxima: (found: Float32Array) => void maxima.push(found),
    };
    expect(runInt8(whole, build, call)).toEqual(runInt8(split, build, call));
    const largest = maxima.map((lanes) =>
      Array.from({ length: m }, (_, row) => Math.max(...lanes.subarray(row * 4, row * 4 + 4))),
    );
    expect(largest[1]).toEqual(largest[0]);
    expect(split.cut.at(-1)!.parts).toBeGreaterThan(1);
  });
});
