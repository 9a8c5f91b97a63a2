/** The typed interface of the wasm side, written by hand. Pointers are byte addresses; strides are bytes; sizes are counts. */

/** Which build of the kernels: `simd` runs everywhere, `relaxed` needs relaxed SIMD. Both give the same bits. */
export type KernelVariant = 'simd' | 'relaxed';

/** A byte address in the wasm memory. */
export type Pointer = number;

/**
 * What a GEMM does with its sums: an activation, plus `add` (to what stands in C) or `fixed` (store i16 of x * 8191 / 6).
 * `splat` picks the other form of the tile, which is faster in some engines and changes no result.
 */
export const Mode = { none: 0, quickGelu: 1, gelu: 2, relu6: 3, add: 4, fixed: 8, splat: 16 } as const;

/** Rows of a group of packed rows (assembly/packed-rows.ts). */
export const ROW_GROUP = 5;
/** Most rows that share a pass over B's panels (assembly/strassen.ts). */
export const ROW_BLOCK = 28 * ROW_GROUP;
/** Bytes of the constants that activations and softmax keep in their scratch (assembly/math.ts). */
export const TABLE_BYTES = 26 * 16;
/** Scratch bytes of one GEMM call: 8 accumulators a row of four panels, and Strassen's products, whose place powers and erfs take afterwards. */
export const GEMM_SCRATCH_BYTES = TABLE_BYTES + (4 + 7 + 7 / 4) * ROW_BLOCK * 32;

/** Bytes of a row's maximum, as gemmInt8 leaves it for quantizeRows: four f32. */
export const MAXIMUM_BYTES = 16;

/** Each method is documented where it is written, in assembly/. */
export interface Kernels {
  gemmInt8(
    a: Pointer,
    aScale: Pointer,
    aHalves: Pointer,
    b: Pointer,
    bScale: Pointer,
    bSum: Pointer,
    bias: Pointer,
    m: number,
    n: number,
    k: number,
    c: Pointer,
    ldc: number,
    width: number,
    gap: number,
    slab: number,
    slabStride: number,
    mode: number,
    scratch: Pointer,
    maxima: Pointer,
  ): void;
  gemmF32(
    a: Pointer,
    b: Pointer,
    bias: Pointer,
    m: number,
    n: number,
    k: number,
    c: Pointer,
    ldc: number,
    width: number,
    gap: number,
    slab: number,
    slabStride: number,
    mode: number,
    scratch: Pointer,
  ): void;
  joinMaxima(maxima: Pointer, m: number, sets: number, stride: number): void;
  quantizeRows(
    x: Pointer,
    stride: number,
    m: number,
    k: number,
    aMax: number,
    out: Pointer,
    scale: Pointer,
    maxima: Pointer,
  ): void;
  strassenRows(a: Pointer, m: number, k: number, first: number, count: number, out: Pointer): void;
  packRows(x: Pointer, stride: number, m: number, k: number, out: Pointer): void;
  layerNorm(x: Pointer, stride: number, m: number, k: number, gamma: Pointer, beta: Pointer, eps: number): void;
  layerNormQuantize(
    x: Pointer,
    stride: number,
    m: number,
    k: number,
    gamma: Pointer,
    beta: Pointer,
    eps: number,
    aMax: number,
    out: Pointer,
    scale: Pointer,
    scratch: Pointer,
  ): void;
  layerNormPack(
    x: Pointer,
    stride: number,
    m: number,
    k: number,
    gamma: Pointer,
    beta: Pointer,
    eps: number,
    out: Pointer,
    scratch: Pointer,
  ): void;
  attention(
    q: Pointer,
    k: Pointer,
    v: Pointer,
    heads: number,
    qSlab: number,
    kvSlab: number,
    out: Pointer,
    ldo: number,
    rows: number,
    headDim: number,
    starts: Pointer,
    lengths: Pointer,
    lists: Pointer,
    scale: number,
    scratch: Pointer,
  ): void;
  centrePixels(
    pixels: Pointer,
    size: number,
    z0: number,
    z1: number,
    z2: number,
    before: number,
    padded: number,
    out: Pointer,
  ): void;
  gatherInt8(
    image: Pointer,
    lineBytes: number,
    window: number,
    stride: number,
    across: number,
    firstLine: number,
    lines: number,
    kPadded: number,
    first: number,
    m: number,
    out: Pointer,
    scratch: Pointer,
  ): void;
  gatherF32(
    image: Pointer,
    lineBytes: number,
    window: number,
    stride: number,
    across: number,
    firstLine: number,
    lines: number,
    first: number,
    m: number,
    out: Pointer,
    scratch: Pointer,
  ): void;
  depthwiseInt8(
    input: Pointer,
    lineBytes: number,
    kernel: number,
    stride: number,
    weights: Pointer,
    scale: Pointer,
    bias: Pointer,
    channels: number,
    across: number,
    lines: number,
    first: number,
    m: number,
    out: Pointer,
  ): void;
  depthwiseF32(
    input: Pointer,
    lineBytes: number,
    kernel: number,
    stride: number,
    weights: Pointer,
    bias: Pointer,
    channels: number,
    across: number,
    lines: number,
    first: number,
    m: number,
    out: Pointer,
  ): void;
  embedInt8(
    ids: Pointer,
    at: Pointer,
    n: number,
    table: Pointer,
    scale: Pointer,
    positions: Pointer,
    width: number,
    out: Pointer,
  ): void;
  embedF32(ids: Pointer, at: Pointer, n: number, table: Pointer, positions: Pointer, width: number, out: Pointer): void;
  copyBytes(from: Pointer, to: Pointer, bytes: number): void;
  zeroBytes(at: Pointer, bytes: number): void;
  listAll(n: number, starts: Pointer, lengths: Pointer, entries: Pointer): void;
  meanRows(x: Pointer, m: number, n: number, out: Pointer): void;
  l2Normalize(x: Pointer, n: number): void;
  dotRows(rows: Pointer, n: number, d: number, q: Pointer, out: Pointer): void;
  softmax(x: Pointer, n: number, scale: number, table: Pointer): void;
  splitRow(row: Pointer, planes: Pointer, stride: number, pixels: number, channels: number): void;
  resampleColumns(
    planes: Pointer,
    stride: number,
    starts: Pointer,
    coefficients: Pointer,
    groups: number,
    count: number,
    out: Pointer,
  ): void;
  resampleRows(
    ring: Pointer,
    stride: number,
    ringRows: number,
    first: number,
    taps: number,
    coefficients: Pointer,
    out: Pointer,
    bytes: number,
  ): void;
  /** x[0..n) = 2^x, erf, GELU or QuickGELU (kind 0..3), for the tests. */
  mapFunction(x: Pointer, n: number, kind: number, table: Pointer): void;
}

/** Instantiates a kernel module on `memory`. The kernels hold no state, so any number may share one memory. */
export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  const abort = () => {
    throw new WebAssembly.RuntimeError('kernel assertion failed');
  };
  return new WebAssembly.Instance(module, { env: { memory, abort } }).exports as unknown as Kernels;
}
