/** Operands of the two GEMMs in kernel order, and one call of each: what their tests share. */
import { Arithmetic } from '../../src/engine/arithmetic.ts';
import { Mode } from '../../src/engine/calls.ts';
import { GEMM_SCRATCH_BYTES, MAXIMUM_BYTES, ROW_GROUP, STRASSEN_PRODUCTS } from '../../src/engine/contract.ts';
import type { Pointer } from '../../src/engine/kernels.ts';
import { roundUp } from '../../src/engine/numerics.ts';
import { packPanels, packPanelsInt8 } from '../../src/weights/panels.ts';
import type { Arena } from './arena.ts';
import type { Build } from './builds.ts';
import type { Random } from './random.ts';
import { dense, type Geometry } from './references/gemm.ts';
import { packFloats, packInt16 } from './references/packed-rows.ts';

/** int8 weights [n, k] as integers and as panels: each row holds a 127, so that quantizing keeps the integers. */
export interface Int8Weights {
  readonly n: number;
  readonly k: number;
  readonly integers: Int8Array;
  readonly panels: Int8Array;
  readonly sum: Int32Array;
  readonly scale: Float32Array;
}

/** Panels of the integers, with column scales of their own. */
export function int8Weights(integers: Int8Array, n: number, k: number, scale: Float32Array): Int8Weights {
  const padded = roundUp(n, 8);
  const out = {
    panels: new Int8Array(padded * roundUp(k, 4)),
    scale: new Float32Array(padded),
    sum: new Int32Array(padded),
  };
  packPanelsInt8(Float32Array.from(integers), n, k, 1, out);
  return { n: padded, k, integers, panels: out.panels, sum: out.sum, scale };
}

export function randomInt8Weights(random: Random, n: number, k: number): Int8Weights {
  const integers = Int8Array.from({ length: n * k }, () => random.integer(-127, 127));
  for (let row = 0; row < n; row++) integers[row * k + random.integer(0, k - 1)] = random.next() < 0.5 ? 127 : -127;
  return int8Weights(integers, n, k, random.between(roundUp(n, 8), 1e-4, 1e-2));
}

/** The same rows at the next multiple of 4 values; the new ones hold `filler`, which the weights' zeros must silence. */
export function padRows(rows: Int16Array, m: number, k: number, filler: number): Int16Array {
  const padded = roundUp(k, 4);
  const out = new Int16Array(m * padded).fill(filler);
  for (let r = 0; r < m; r++) out.set(rows.subarray(r * k, (r + 1) * k), r * padded);
  return out;
}

export interface Int8Call {
  readonly m: number;
  /** i16 [m, k]. */
  readonly a: Int16Array;
  readonly aScale?: Float32Array | undefined;
  readonly weights: Int8Weights;
  readonly bias?: Float32Array | undefined;
  readonly mode?: number;
  readonly geometry?: Geometry;
  /** What stands in C before; its size is C's. */
  readonly region: Uint8Array;
  /** Multiply by halves, as Strassen does. */
  readonly halved?: boolean;
  /** What stands in A beyond k. */
  readonly filler?: number;
  /** Receives the rows' maxima, four numbers a row; without it none are asked for. */
  readonly onMaxima?: (maxima: Float32Array) => void;
}

/** Runs gemmInt8 in a fresh arena and returns C's region. */
export function runInt8(arena: Arena, build: Build, call: Int8Call): Uint8Array<ArrayBuffer> {
  const { m, weights, mode = Mode.none } = call;
  const { n } = weights;
  const k = roundUp(weights.k, 4);
  const g = call.geometry ?? dense(m, n);
  arena.reset();
  const at = (array: ArrayBufferView | undefined) => (array ? arena.input(array) : 0);
  const a = at(packInt16(padRows(call.a, m, weights.k, call.filler ?? 0), m, k, build.layout));
  const aScale = at(call.aScale?.subarray(0, m));
  const halves = call.halved ? arena.output(Math.ceil((roundUp(m, ROW_GROUP) * k * 2 * 49) / 16)) : 0;
  if (halves !== 0) arena.kernels.strassenRows({ a, m, k, first: 0, count: STRASSEN_PRODUCTS, out: halves });
  const c = arena.inPlace(call.region);
  const maxima = call.onMaxima ? arena.output(m * MAXIMUM_BYTES) : 0;
  arena.kernels.gemmInt8({
    a,
    aScale,
    aHalves: halves,
    b: at(weights.panels),
    bScale: at(weights.scale),
    bSum: at(weights.sum),
    bias: at(call.bias),
    m,
    n,
    k,
    c,
    ldc: g.ldc,
    width: g.width,
    gap: g.gap,
    slab: g.slab,
    slabStride: g.slabStride,
    mode,
    scratch: arena.output(Arithmetic.scratchBytes(k, 1)),
    maxima,
  });
  arena.check(`m ${m} n ${n} k ${weights.k}`);
  call.onMaxima?.(arena.floats(maxima, m * 4));
  return arena.bytes(c, call.region.byteLength);
}

export interface FloatCall {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** f32 [m, k] and [n, k]. */
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly bias?: Float32Array | undefined;
  readonly mode?: number;
  readonly geometry?: Geometry;
  readonly region: Uint8Array;
}

/** Runs gemmF32 in a fresh arena and returns C's region. */
export function runF32(arena: Arena, call: FloatCall): Uint8Array<ArrayBuffer> {
  const { m, n, k, mode = Mode.none } = call;
  const g = call.geometry ?? dense(m, n);
  const panels = new Float32Array(n * k);
  packPanels(call.b, n, k, panels);
  arena.reset();
  const at = (array: ArrayBufferView | undefined): Pointer => (array ? arena.input(array) : 0);
  const c = arena.inPlace(call.region);
  arena.kernels.gemmF32({
    a: at(packFloats(call.a, m, k)),
    b: at(panels),
    bias: at(call.bias),
    m,
    n,
    k,
    c,
    ldc: g.ldc,
    width: g.width,
    gap: g.gap,
    slab: g.slab,
    slabStride: g.slabStride,
    mode,
    scratch: arena.output(GEMM_SCRATCH_BYTES),
  });
  arena.check(`m ${m} n ${n} k ${k}`);
  return arena.bytes(c, call.region.byteLength);
}

/** A region of C that no kernel has written. */
export const untouched = (bytes: number): Uint8Array<ArrayBuffer> => new Uint8Array(bytes).fill(0xff);

/** m, n and k around the tile's edges (5 rows, 8 columns, blocks of 65 rows, k in pairs and quads). */
export const SWEEP = {
  m: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 64, 65, 66, 131],
  n: [8, 16, 24, 72],
  /** Multiples of 4, and k that is a multiple of nothing: 27 is the stem's, 147 that of a 7x7 window. */
  k: [4, 8, 12, 28, 100, 768, 1, 3, 5, 27, 147, 770],
};
