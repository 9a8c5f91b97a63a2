// The epilogue of a GEMM, while the sums of a panel of 8 columns are still in L1: scale (int8 only), bias, activation,
// residual, the store into row-major or padded memory, and each row's largest magnitude, which the next quantization needs.

import {
  ACTIVATION_GELU, ACTIVATION_MASK, ACTIVATION_NONE, ACTIVATION_QUICK_GELU, ACTIVATION_RELU, ACTIVATION_RELU6, GEMM_PRODUCTS, GEMM_SUMS, MAXIMUM_BYTES,
  MODE_ADD, MODE_FIXED, SUM_ROW_BYTES,
} from '../src/engine/contract';
import {
  FIXED_UNIT, ROUND_MAGIC, SIX, atRunTime, gelu4, geluErfsOfRows, quickGelu4, quickGeluPowersOfRows, relu, relu6, storeConstants, toFixed,
} from './math';

/** Fills the table of constants for finishPanel, once for each GEMM call. */
@inline
export function prepareActivation(mode: i32, table: usize): void {
  const kind = mode & ACTIVATION_MASK;
  if (kind == ACTIVATION_QUICK_GELU || kind == ACTIVATION_GELU) storeConstants(table);
}

/** Offset from a sum to its power or erf: they reuse the place of Strassen's products, which are joined by then. */
const PREPARED: usize = GEMM_PRODUCTS - GEMM_SUMS;

/** Values of an accumulator quad: (acc * column scale) * row scale + bias, or acc + bias in f32. */
@inline
function dequantize(int8: bool, acc: v128, colScale: v128, rowScale: v128, bias: v128): v128 {
  if (!int8) return f32x4.add(acc, bias);
  return f32x4.add(f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(acc), colScale), rowScale), bias);
}

/**
 * Dequantizes the sums in place and computes each value's power or erf. These are separate loops because the dependency chain
 * of a whole activation would keep the processor from overlapping rows.
 */
@inline
function prepareRows(
  int8: bool, kind: i32, acc: usize, rows: i32, s0: v128, s1: v128, b0: v128, b1: v128, rowScale: usize, table: usize,
): void {
  const end = acc + <usize>rows * SUM_ROW_BYTES;
  let scale = f32x4.splat(1);
  for (let p = acc; p < end; p += SUM_ROW_BYTES) {
    if (int8 && rowScale) {
      scale = v128.load_splat<u32>(rowScale);
      rowScale += 4;
    }
    v128.store(p, dequantize(int8, v128.load(p), s0, scale, b0));
    v128.store(p, dequantize(int8, v128.load(p, 16), s1, scale, b1), 16);
  }
  if (kind == ACTIVATION_QUICK_GELU) quickGeluPowersOfRows(acc, end, PREPARED, table);
  else geluErfsOfRows(acc, end, PREPARED, table);
}

/** Activated values of a quad of sums; for QuickGELU and GELU the sums are values already, with their power or erf beside them. */
@inline
function activated(
  int8: bool, kind: i32, sums: v128, prepared: v128, colScale: v128, rowScale: v128, bias: v128, most: v128, table: usize,
): v128 {
  if (kind == ACTIVATION_QUICK_GELU) return quickGelu4(sums, prepared, table);
  if (kind == ACTIVATION_GELU) return gelu4(sums, prepared, table);
  const value = dequantize(int8, sums, colScale, rowScale, bias);
  return kind == ACTIVATION_RELU6 ? relu6(most, value) : value;
}

@inline
function finishRows(
  int8: bool, kind: i32, mode: i32, acc: usize, rows: i32, colScale: usize, rowScale: usize, bias: usize,
  c: usize, ldc: usize, line: i32, width: i32, gap: usize, maxima: usize, table: usize,
): void {
  const s0 = int8 ? v128.load(colScale) : f32x4.splat(0);
  const s1 = int8 ? v128.load(colScale, 16) : f32x4.splat(0);
  const b0 = bias ? v128.load(bias) : f32x4.splat(0);
  const b1 = bias ? v128.load(bias, 16) : f32x4.splat(0);
  const prepared = kind == ACTIVATION_QUICK_GELU || kind == ACTIVATION_GELU;
  if (prepared) prepareRows(int8, kind, acc, rows, s0, s1, b0, b1, rowScale, table);
  const finite = <f32>rows;
  const most = atRunTime(SIX, finite), unit = atRunTime(FIXED_UNIT, finite), magic = atRunTime(ROUND_MAGIC, finite);
  let scale = f32x4.splat(1);
  for (let r = 0; r < rows; r++) {
    if (int8 && !prepared && rowScale) {
      scale = v128.load_splat<u32>(rowScale);
      rowScale += 4;
    }
    const p0 = prepared ? v128.load(acc, PREPARED) : b0;
    const p1 = prepared ? v128.load(acc, PREPARED + 16) : b1;
    let v0 = activated(int8, kind, v128.load(acc), p0, s0, scale, b0, most, table);
    let v1 = activated(int8, kind, v128.load(acc, 16), p1, s1, scale, b1, most, table);
    if (int8 && kind == ACTIVATION_RELU6 && mode & MODE_FIXED) {
      v128.store(c, i16x8.narrow_i32x4_s(toFixed(magic, unit, v0), toFixed(magic, unit, v1)));
    } else {
      if (mode & MODE_ADD) {
        v0 = f32x4.add(v0, v128.load(c));
        v1 = f32x4.add(v1, v128.load(c, 16));
      }
      if (kind == ACTIVATION_RELU) {
        v0 = relu(v0);
        v1 = relu(v1);
      }
      v128.store(c, v0);
      v128.store(c, v1, 16);
      if (int8 && maxima) {
        v128.store(maxima, f32x4.pmax(v128.load(maxima), f32x4.pmax(f32x4.abs(v0), f32x4.abs(v1))));
        maxima += MAXIMUM_BYTES;
      }
    }
    acc += SUM_ROW_BYTES;
    c += ldc;
    if (++line == width) {
      c += gap;
      line = 0;
    }
  }
}

// One function for each activation and type of sums: inlined into a GEMM, they make engines run out of registers.

function finishPlain<T>(
  mode: i32, acc: usize, rows: i32, colScale: usize, rowScale: usize, bias: usize,
  c: usize, ldc: usize, line: i32, width: i32, gap: usize, maxima: usize, table: usize,
): void {
  finishRows(isInteger<T>(), ACTIVATION_NONE, mode, acc, rows, colScale, rowScale, bias, c, ldc, line, width, gap, maxima, table);
}
function finishQuickGelu<T>(
  mode: i32, acc: usize, rows: i32, colScale: usize, rowScale: usize, bias: usize,
  c: usize, ldc: usize, line: i32, width: i32, gap: usize, maxima: usize, table: usize,
): void {
  finishRows(isInteger<T>(), ACTIVATION_QUICK_GELU, mode, acc, rows, colScale, rowScale, bias, c, ldc, line, width, gap, maxima, table);
}
function finishGelu<T>(
  mode: i32, acc: usize, rows: i32, colScale: usize, rowScale: usize, bias: usize,
  c: usize, ldc: usize, line: i32, width: i32, gap: usize, maxima: usize, table: usize,
): void {
  finishRows(isInteger<T>(), ACTIVATION_GELU, mode, acc, rows, colScale, rowScale, bias, c, ldc, line, width, gap, maxima, table);
}
function finishRelu6<T>(
  mode: i32, acc: usize, rows: i32, colScale: usize, rowScale: usize, bias: usize,
  c: usize, ldc: usize, line: i32, width: i32, gap: usize, maxima: usize, table: usize,
): void {
  finishRows(isInteger<T>(), ACTIVATION_RELU6, mode, acc, rows, colScale, rowScale, bias, c, ldc, line, width, gap, maxima, table);
}
function finishRelu<T>(
  mode: i32, acc: usize, rows: i32, colScale: usize, rowScale: usize, bias: usize,
  c: usize, ldc: usize, line: i32, width: i32, gap: usize, maxima: usize, table: usize,
): void {
  finishRows(isInteger<T>(), ACTIVATION_RELU, mode, acc, rows, colScale, rowScale, bias, c, ldc, line, width, gap, maxima, table);
}

/**
 * Finishes `rows` rows by 8 columns of accumulators, T = i32 (int8 operands) or f32. Row i goes to c + i * ldc, plus `gap`
 * bytes after every `width` rows (`line` rows of the first line are done before): with gap 0 a matrix, else an image with
 * padded lines. maxima: running maxima of the rows, or 0. table: CONSTANTS_BYTES that prepareActivation filled.
 */
@inline
export function finishPanel<T>(
  mode: i32, acc: usize, rows: i32, colScale: usize, rowScale: usize, bias: usize,
  c: usize, ldc: usize, line: i32, width: i32, gap: usize, maxima: usize, table: usize,
): void {
  const kind = mode & ACTIVATION_MASK;
  if (kind == ACTIVATION_NONE) finishPlain<T>(mode, acc, rows, colScale, rowScale, bias, c, ldc, line, width, gap, maxima, table);
  else if (kind == ACTIVATION_QUICK_GELU) finishQuickGelu<T>(mode, acc, rows, colScale, rowScale, bias, c, ldc, line, width, gap, maxima, table);
  else if (kind == ACTIVATION_GELU) finishGelu<T>(mode, acc, rows, colScale, rowScale, bias, c, ldc, line, width, gap, maxima, table);
  else if (kind == ACTIVATION_RELU) finishRelu<T>(mode, acc, rows, colScale, rowScale, bias, c, ldc, line, width, gap, maxima, table);
  else finishRelu6<T>(mode, acc, rows, colScale, rowScale, bias, c, ldc, line, width, gap, maxima, table);
}

/** Joins the maxima of m rows: parts of a call left `sets` sets, `stride` bytes apart; the result goes into the first. */
export function joinMaxima(maxima: usize, m: i32, sets: i32, stride: usize): void {
  assert(m > 0 && sets > 0 && stride >= <usize>m * MAXIMUM_BYTES);
  const end = maxima + <usize>m * MAXIMUM_BYTES;
  while (maxima < end) {
    let most = v128.load(maxima);
    let other = maxima;
    for (let i = 1; i < sets; i++) {
      other += stride;
      most = f32x4.pmax(most, v128.load(other));
    }
    v128.store(maxima, most);
    maxima += MAXIMUM_BYTES;
  }
}
