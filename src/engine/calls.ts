/**
 * Kernel calls as objects with names. `FIELDS` lists each kernel's arguments in the order of its wasm function, where they are
 * documented (assembly/); `namedKernels` is the adapter from names to positions, written out because a loop over the list
 * takes eight times as long (bench/notebook). A test holds the two together.
 *
 * Pointers are byte addresses, strides are bytes, sizes are counts. 0 stands for a pointer that is not given.
 */

import {
  ACTIVATION_GELU,
  ACTIVATION_NONE,
  ACTIVATION_QUICK_GELU,
  ACTIVATION_RELU,
  ACTIVATION_RELU6,
  MODE_ADD,
  MODE_FIXED,
  MODE_SPLAT,
} from './contract.ts';

// biome-ignore format: a line for each kernel.
export const FIELDS = {
  gemmInt8: [
    'a', 'aScale', 'aHalves', 'b', 'bScale', 'bSum', 'bias', 'm', 'n', 'k',
    'c', 'ldc', 'width', 'gap', 'slab', 'slabStride', 'mode', 'scratch', 'maxima',
  ],
  gemmF32: ['a', 'b', 'bias', 'm', 'n', 'k', 'c', 'ldc', 'width', 'gap', 'slab', 'slabStride', 'mode', 'scratch'],
  joinMaxima: ['maxima', 'm', 'sets', 'stride'],
  quantizeRows: ['x', 'stride', 'm', 'k', 'aMax', 'out', 'scale', 'maxima'],
  strassenRows: ['a', 'm', 'k', 'first', 'count', 'out'],
  packRows: ['x', 'stride', 'm', 'k', 'out'],
  layerNorm: ['x', 'stride', 'm', 'k', 'gamma', 'beta', 'eps'],
  layerNormQuantize: ['x', 'stride', 'm', 'k', 'gamma', 'beta', 'eps', 'aMax', 'out', 'scale', 'scratch'],
  layerNormPack: ['x', 'stride', 'm', 'k', 'gamma', 'beta', 'eps', 'out', 'scratch'],
  attention: [
    'q', 'k', 'v', 'heads', 'qSlab', 'kvSlab', 'out', 'ldo', 'rows', 'headDim',
    'starts', 'lengths', 'lists', 'scale', 'scratch',
  ],
  subtractZeroPoints: ['pixels', 'size', 'z0', 'z1', 'z2', 'before', 'padded', 'channels', 'out'],
  gatherInt8: [
    'image', 'lineBytes', 'channels', 'window', 'stride', 'across', 'firstLine', 'lines', 'kPadded', 'firstRow',
    'm', 'out', 'scratch',
  ],
  gatherF32: [
    'image', 'lineBytes', 'channels', 'window', 'stride', 'across', 'firstLine', 'lines', 'firstRow', 'm',
    'out', 'scratch',
  ],
  windowsInt8: ['image', 'lineBytes', 'channels', 'across', 'first', 'm', 'aMax', 'out', 'scale'],
  windowsF32: ['image', 'lineBytes', 'channels', 'across', 'first', 'm', 'out'],
  depthwiseInt8: [
    'input', 'lineBytes', 'kernel', 'stride', 'weights', 'scale', 'bias', 'channels', 'across', 'lines',
    'firstRow', 'm', 'out',
  ],
  depthwiseF32: [
    'input', 'lineBytes', 'kernel', 'stride', 'weights', 'bias', 'channels', 'across', 'lines', 'firstRow',
    'm', 'out',
  ],
  embedInt8: ['ids', 'at', 'n', 'table', 'scale', 'positions', 'width', 'out'],
  embedF32: ['ids', 'at', 'n', 'table', 'positions', 'width', 'out'],
  meanRows: ['x', 'm', 'n', 'out'],
  averagePool: ['x', 'across', 'channels', 'lines', 'out'],
  addFloats: ['x', 'y', 'n', 'out'],
  copyBytes: ['from', 'to', 'bytes'],
  zeroBytes: ['at', 'bytes'],
  zeroBorder: ['image', 'size', 'pixelBytes'],
  listAll: ['n', 'starts', 'lengths', 'entries'],
  l2Normalize: ['x', 'n'],
  dotRows: ['rows', 'n', 'd', 'q', 'out'],
  softmax: ['x', 'n', 'scale', 'table'],
  mapFunction: ['x', 'n', 'kind', 'table'],
  xxh32: ['at', 'bytes', 'out'],
} as const;

/** A GEMM's `mode`: an activation, plus flags. */
export const Mode = {
  none: ACTIVATION_NONE,
  quickGelu: ACTIVATION_QUICK_GELU,
  gelu: ACTIVATION_GELU,
  relu6: ACTIVATION_RELU6,
  /** After `add`; the others come before. */
  relu: ACTIVATION_RELU,
  /** Add to C. */
  add: MODE_ADD,
  /** Store i16 = round(8191 / 6 * x). */
  fixed: MODE_FIXED,
  /** The tile variant with splat loads. */
  splat: MODE_SPLAT,
} as const;

export type KernelName = keyof typeof FIELDS;

/** The arguments of one kernel call, by name. */
export type Call<K extends KernelName> = { readonly [F in (typeof FIELDS)[K][number]]: number };

/** Functions that take a kernel's arguments by position, as wasm exports them. */
export type Positional<R> = { readonly [K in KernelName]: (...args: number[]) => R };

/** Functions that take a kernel's arguments by name. */
export type Named<R> = { readonly [K in KernelName]: (call: Call<K>) => R };

/** The kernels as wasm exports them, and called with named arguments. */
export type KernelExports = Positional<void>;
export type Kernels = Named<void>;

/** From names to positions. */
export function namedKernels<R>(wasm: Positional<R>): Named<R> {
  // biome-ignore format: a line for each kernel.
  return {
    gemmInt8: (c) =>
      wasm.gemmInt8(
        c.a, c.aScale, c.aHalves, c.b, c.bScale, c.bSum, c.bias, c.m, c.n, c.k,
        c.c, c.ldc, c.width, c.gap, c.slab, c.slabStride, c.mode, c.scratch, c.maxima,
      ),
    gemmF32: (c) =>
      wasm.gemmF32(
        c.a, c.b, c.bias, c.m, c.n, c.k, c.c, c.ldc, c.width, c.gap,
        c.slab, c.slabStride, c.mode, c.scratch,
      ),
    joinMaxima: (c) => wasm.joinMaxima(c.maxima, c.m, c.sets, c.stride),
    quantizeRows: (c) => wasm.quantizeRows(c.x, c.stride, c.m, c.k, c.aMax, c.out, c.scale, c.maxima),
    strassenRows: (c) => wasm.strassenRows(c.a, c.m, c.k, c.first, c.count, c.out),
    packRows: (c) => wasm.packRows(c.x, c.stride, c.m, c.k, c.out),
    layerNorm: (c) => wasm.layerNorm(c.x, c.stride, c.m, c.k, c.gamma, c.beta, c.eps),
    layerNormQuantize: (c) =>
      wasm.layerNormQuantize(
        c.x, c.stride, c.m, c.k, c.gamma, c.beta, c.eps, c.aMax, c.out, c.scale,
        c.scratch,
      ),
    layerNormPack: (c) => wasm.layerNormPack(c.x, c.stride, c.m, c.k, c.gamma, c.beta, c.eps, c.out, c.scratch),
    attention: (c) =>
      wasm.attention(
        c.q, c.k, c.v, c.heads, c.qSlab, c.kvSlab, c.out, c.ldo, c.rows, c.headDim,
        c.starts, c.lengths, c.lists, c.scale, c.scratch,
      ),
    subtractZeroPoints: (c) =>
      wasm.subtractZeroPoints(c.pixels, c.size, c.z0, c.z1, c.z2, c.before, c.padded, c.channels, c.out),
    gatherInt8: (c) =>
      wasm.gatherInt8(
        c.image, c.lineBytes, c.channels, c.window, c.stride, c.across, c.firstLine, c.lines, c.kPadded, c.firstRow,
        c.m, c.out, c.scratch,
      ),
    gatherF32: (c) =>
      wasm.gatherF32(
        c.image, c.lineBytes, c.channels, c.window, c.stride, c.across, c.firstLine, c.lines, c.firstRow, c.m,
        c.out, c.scratch,
      ),
    windowsInt8: (c) =>
      wasm.windowsInt8(c.image, c.lineBytes, c.channels, c.across, c.first, c.m, c.aMax, c.out, c.scale),
    windowsF32: (c) => wasm.windowsF32(c.image, c.lineBytes, c.channels, c.across, c.first, c.m, c.out),
    depthwiseInt8: (c) =>
      wasm.depthwiseInt8(
        c.input, c.lineBytes, c.kernel, c.stride, c.weights, c.scale, c.bias, c.channels, c.across, c.lines,
        c.firstRow, c.m, c.out,
      ),
    depthwiseF32: (c) =>
      wasm.depthwiseF32(
        c.input, c.lineBytes, c.kernel, c.stride, c.weights, c.bias, c.channels, c.across, c.lines, c.firstRow,
        c.m, c.out,
      ),
    embedInt8: (c) => wasm.embedInt8(c.ids, c.at, c.n, c.table, c.scale, c.positions, c.width, c.out),
    embedF32: (c) => wasm.embedF32(c.ids, c.at, c.n, c.table, c.positions, c.width, c.out),
    meanRows: (c) => wasm.meanRows(c.x, c.m, c.n, c.out),
    averagePool: (c) => wasm.averagePool(c.x, c.across, c.channels, c.lines, c.out),
    addFloats: (c) => wasm.addFloats(c.x, c.y, c.n, c.out),
    copyBytes: (c) => wasm.copyBytes(c.from, c.to, c.bytes),
    zeroBytes: (c) => wasm.zeroBytes(c.at, c.bytes),
    zeroBorder: (c) => wasm.zeroBorder(c.image, c.size, c.pixelBytes),
    listAll: (c) => wasm.listAll(c.n, c.starts, c.lengths, c.entries),
    l2Normalize: (c) => wasm.l2Normalize(c.x, c.n),
    dotRows: (c) => wasm.dotRows(c.rows, c.n, c.d, c.q, c.out),
    softmax: (c) => wasm.softmax(c.x, c.n, c.scale, c.table),
    mapFunction: (c) => wasm.mapFunction(c.x, c.n, c.kind, c.table),
    xxh32: (c) => wasm.xxh32(c.at, c.bytes, c.out),
  };
}
