/** Each kernel that threads share, cut for three threads, gives the bytes of the whole call. */
import { describe, expect, it } from 'vitest';
import { Arithmetic } from '../../src/engine/arithmetic.ts';
import { type Call, type KernelName, type Kernels, Mode } from '../../src/engine/calls.ts';
import { CONSTANTS_BYTES, MAXIMUM_BYTES, ROW_BLOCK, STRASSEN_PRODUCTS } from '../../src/engine/contract.ts';
import type { Pointer } from '../../src/engine/kernels.ts';
import { activationMax } from '../../src/engine/numerics.ts';
import { partsFor } from '../../src/engine/threads/control.ts';
import { splitKernels } from '../../src/engine/threads/split.ts';
import { Arena } from '../kernels/arena.ts';
import { builds } from '../kernels/builds.ts';
import { expectSameBits } from '../kernels/compare.ts';
import { Random } from '../kernels/random.ts';

const THREADS = 3;

/** One call in an arena, and the blocks that it writes: where, and how many bytes. */
interface Case<K extends KernelName = KernelName> {
  readonly kernel: K;
  readonly call: Call<K>;
  readonly written: readonly (readonly [at: Pointer, bytes: number])[];
}

const aCase = <K extends KernelName>(kernel: K, call: Call<K>, ...written: Case['written']) =>
  ({ kernel, call, written }) as unknown as Case;

/** Rows [m, k] of floats, and where packed rows go. */
function rows(arena: Arena, m: number, k: number) {
  const x = arena.input(new Random(m + k).floats(m * k, 3));
  return { x, stride: k * 4, m, k, aMax: activationMax(k), out: arena.output(m * k * 4), scale: arena.output(m * 4) };
}

/** Gamma, beta and the rest of a layer norm. */
const norm = (arena: Arena, k: number) => {
  const random = new Random(k);
  const [gamma, beta] = [arena.input(random.floats(k)), arena.input(random.floats(k))];
  return { gamma, beta, eps: 1e-5, scratch: arena.output(5 * k * 4 + 80) };
};

function attention(arena: Arena, heads: number, queries: number) {
  const random = new Random(queries);
  const headDim = 16;
  const bytes = heads * queries * headDim * 4;
  const block = () => arena.input(random.floats(bytes / 4, 2));
  const out = arena.output(bytes);
  const call = {
    q: block(),
    k: block(),
    v: block(),
    heads,
    qSlab: bytes / heads,
    kvSlab: bytes / heads,
    out,
    ldo: heads * headDim * 4,
    rows: queries,
    headDim,
    // Causal, from another place of the list for each row.
    starts: arena.input(Int32Array.from({ length: queries }, (_, row) => row)),
    lengths: arena.input(Int32Array.from({ length: queries }, (_, row) => row + 1)),
    lists: arena.input(Int32Array.from({ length: 2 * queries }, (_, i) => (i * 7) % queries)),
    scale: 0.25,
    scratch: arena.output(CONSTANTS_BYTES + 8 * (queries + 4)),
  };
  return aCase('attention', call, [out, bytes]);
}

/** Windows of an image with a border, f32 [27, 27, 8]. */
function bordered(arena: Arena) {
  const [channels, across, m, k] = [8, 25, 600, 72];
  const image = arena.input(new Random(9).floats(27 * 27 * channels, 3));
  const out = arena.output(m * k * 4);
  return { image, lineBytes: 27 * channels * 4, channels, across, first: 25, m, out };
}

/** Patches of 4 x 4 pixels with 3 channels, 5 lines of 6, that begin at the second line. */
function patches(arena: Arena) {
  const [lines, across] = [5, 6];
  const lineBytes = 24 * 3 * 2;
  const image = arena.input(new Random(8).int16((lineBytes / 2) * 24 + 16, 255));
  const grid = { image, lineBytes, channels: 3, window: 4, stride: 4, across, firstLine: 1, lines, firstRow: 6 };
  return {
    ...grid,
    m: across * (lines + 1),
    out: arena.output(across * (lines + 1) * 48 * 4),
    scratch: arena.output(256),
  };
}

/** A 3 x 3 depthwise convolution with stride 2 to 7 lines of 5 pixels with 8 channels. */
function depthwise(arena: Arena, cell: 2 | 4) {
  const [across, lines, channels] = [5, 7, 8];
  const random = new Random(cell);
  const count = 11 * 15 * channels;
  const input = arena.input(cell === 2 ? random.int16(count, 8191).map(Math.abs) : random.between(count, 0, 6));
  const weights = arena.input(cell === 2 ? Int8Array.from(random.int16(128, 127)) : random.floats(128));
  const bias = arena.input(random.floats(channels, 2));
  const m = across * lines;
  const out = arena.output(m * channels * 4);
  return { input, lineBytes: 11 * channels * cell, kernel: 3, stride: 2, weights, bias, channels, across, lines, firstRow: 0, m, out }; // biome-ignore format: one line
}

function product(arena: Arena, cell: 2 | 4, m: number, n: number) {
  const k = 64;
  const random = new Random(m);
  const a = arena.input(cell === 2 ? random.int16(m * k, 8191) : random.floats(m * k));
  const b = arena.input(cell === 2 ? Int8Array.from(random.int16(n * k, 127)) : random.floats(n * k));
  // Two slabs of columns, as queries and keys are stored.
  const slab = n / 2;
  const c = arena.output(m * n * 4);
  const at = { a, b, bias: arena.input(random.floats(n)), m, n, k, c };
  return { ...at, ldc: slab * 4, width: m, gap: 0, slab, slabStride: m * slab * 4, mode: Mode.none, scratch: arena.output(Arithmetic.scratchBytes(k, 1)) }; // biome-ignore format: one line
}

const cases: Record<string, (arena: Arena) => Case> = {
  quantizeRows(arena) {
    const { out, scale, ...x } = rows(arena, 203, 96);
    return aCase('quantizeRows', { ...x, out, scale, maxima: 0 }, [out, 203 * 96 * 2], [scale, 203 * 4]);
  },
  'quantizeRows with maxima that a product left'(arena) {
    const { out, scale, ...x } = rows(arena, 203, 96);
    const values = new Random(203 + 96).floats(203 * 96, 3);
    const largest = (row: number) => Math.max(...values.subarray(row * 96, (row + 1) * 96).map(Math.abs));
    const maxima = arena.input(Float32Array.from({ length: 203 * 4 }, (_, i) => largest(i >> 2)));
    return aCase('quantizeRows', { ...x, out, scale, maxima }, [out, 203 * 96 * 2], [scale, 203 * 4]);
  },
  packRows(arena) {
    const { x, stride, m, k, out } = rows(arena, 203, 96);
    return aCase('packRows', { x, stride, m, k, out }, [out, m * k * 4]);
  },
  strassenRows(arena) {
    const [m, k] = [50, 256];
    const a = arena.input(new Random(m).int16(m * k, 8191));
    const out = arena.output(Math.ceil(m * k * 2 * (49 / 16)));
    return aCase('strassenRows', { a, m, k, first: 0, count: STRASSEN_PRODUCTS, out }, [out, m * k * 6]);
  },
  layerNorm(arena) {
    const { m, k, stride } = rows(arena, 203, 96);
    const { scratch: _, ...gamma } = norm(arena, k);
    const x = arena.inPlace(new Random(1).floats(m * k, 3));
    return aCase('layerNorm', { x, stride, m, k, ...gamma }, [x, m * k * 4]);
  },
  layerNormQuantize(arena) {
    const { out, scale, ...x } = rows(arena, 203, 96);
    return aCase('layerNormQuantize', { ...x, ...norm(arena, 96), out, scale }, [out, 203 * 96 * 2], [scale, 203 * 4]);
  },
  layerNormPack(arena) {
    const { x, stride, m, k, out } = rows(arena, 203, 96);
    return aCase('layerNormPack', { x, stride, m, k, ...norm(arena, k), out }, [out, m * k * 4]);
  },
  'attention of many heads and few rows': (arena) => attention(arena, 7, 3),
  'attention of many rows': (arena) => attention(arena, 2, 31),
  gatherInt8(arena) {
    const call = patches(arena);
    return aCase('gatherInt8', { ...call, kPadded: 48 }, [call.out, call.m * 48 * 2]);
  },
  gatherF32(arena) {
    const call = patches(arena);
    return aCase('gatherF32', call, [call.out, call.m * 48 * 4]);
  },
  windowsInt8(arena) {
    const call = bordered(arena);
    const scale = arena.output(call.m * 4);
    return aCase(
      'windowsInt8',
      { ...call, aMax: activationMax(72), scale },
      [call.out, call.m * 72 * 2],
      [scale, call.m * 4],
    );
  },
  windowsF32(arena) {
    const call = bordered(arena);
    return aCase('windowsF32', call, [call.out, call.m * 72 * 4]);
  },
  averagePool(arena) {
    const [across, channels, lines] = [12, 16, 20];
    const x = arena.input(new Random(7).floats(4 * across * channels * lines));
    const out = arena.output(across * channels * lines * 4);
    return aCase('averagePool', { x, across, channels, lines, out }, [out, across * channels * lines * 4]);
  },
  depthwiseInt8(arena) {
    const scale = arena.input(new Random(6).between(8, 1e-6, 4e-6));
    const call = depthwise(arena, 2);
    return aCase('depthwiseInt8', { ...call, scale }, [call.out, call.m * 8 * 2]);
  },
  depthwiseF32(arena) {
    const call = depthwise(arena, 4);
    return aCase('depthwiseF32', call, [call.out, call.m * 8 * 4]);
  },
  'gemmF32 by slabs'(arena) {
    const call = product(arena, 4, 40, 128);
    return aCase('gemmF32', call, [call.c, 40 * 128 * 4]);
  },
  'gemmF32 by columns'(arena) {
    const call = product(arena, 4, 40, 512);
    return aCase('gemmF32', { ...call, ldc: 2048, slab: 512, slabStride: 0 }, [call.c, 40 * 512 * 4]);
  },
  'gemmInt8 by columns, whose maxima are joined'(arena) {
    const random = new Random(5);
    const [aScale, bScale] = [
      arena.input(random.between(40, 1e-4, 1e-3)),
      arena.input(random.between(512, 1e-4, 1e-2)),
    ];
    const maxima = arena.output(partsFor(THREADS) * ROW_BLOCK * MAXIMUM_BYTES);
    const bSum = arena.input(random.int16(1024, 99));
    const call = product(arena, 2, 40, 512);
    const dense = { ...call, ldc: 2048, slab: 512, slabStride: 0 };
    return aCase(
      'gemmInt8',
      { ...dense, aScale, aHalves: 0, bScale, bSum, maxima },
      [call.c, 40 * 512 * 4],
      [maxima, 40 * MAXIMUM_BYTES],
    );
  },
  'gemmInt8 to integers by columns'(arena) {
    const random = new Random(4);
    const [aScale, bScale] = [
      arena.input(random.between(40, 1e-5, 1e-4)),
      arena.input(random.between(512, 1e-5, 1e-4)),
    ];
    const bSum = arena.input(random.int16(1024, 99));
    const call = product(arena, 2, 40, 512);
    const integers = { ...call, ldc: 1024, slab: 512, slabStride: 0, mode: Mode.relu6 | Mode.fixed };
    return aCase('gemmInt8', { ...integers, aScale, aHalves: 0, bScale, bSum, maxima: 0 }, [call.c, 40 * 512 * 2]);
  },
};

describe('cut for three threads', () => {
  const build = builds.find(({ name }) => name === 'simd')!;
  const [whole, split] = [new Arena(build), new Arena(build)];

  it.each(Object.entries(cases))('%s', (name, make) => {
    for (const arena of [whole, split]) arena.reset();
    const { kernel, call, written } = make(whole);
    (whole.kernels[kernel] as (call: Call<KernelName>) => void)(call);

    const same = make(split); // at the same places
    expect(same.call).toEqual(call);
    let cut = 0;
    const kernels: Kernels = splitKernels({
      own: split.kernels,
      threads: THREADS,
      run: (part, parts) => {
        cut = parts.length;
        for (const one of [...parts].reverse()) (split.kernels[part] as (call: Call<typeof part>) => void)(one);
      },
    });
    (kernels[kernel] as (call: Call<KernelName>) => void)(call);

    expect(cut).toBeGreaterThan(1);
    for (const [at, bytes] of written) {
      const expected = whole.bytes(at, bytes);
      expectSameBits(split.bytes(at, bytes), expected);
      expect(expected.some((byte) => byte !== 0xff)).toBe(true); // as before the call
    }
    for (const arena of [whole, split]) arena.check(name);
  });
});
