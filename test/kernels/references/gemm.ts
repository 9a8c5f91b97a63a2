/** C[m, n] = A[m, k] B[n, k]^T, then what assembly/epilogue.ts does with a sum. */
import { add, fixed, mul, relu, relu6 } from './float.ts';

/** Exact integer sums: |sum| < 2^53. */
export function integerSums(a: ArrayLike<number>, b: ArrayLike<number>, m: number, n: number, k: number): Float64Array {
  const sums = new Float64Array(m * n);
  for (let r = 0; r < m; r++) {
    for (let c = 0; c < n; c++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += a[r * k + i]! * b[c * k + i]!;
      sums[r * n + c] = sum;
    }
  }
  return sums;
}

/** f32 sums: multiply, then add, k ascending, each step rounded. */
export function floatSums(a: Float32Array, b: Float32Array, m: number, n: number, k: number): Float32Array {
  const sums = new Float32Array(m * n);
  for (let r = 0; r < m; r++) {
    for (let c = 0; c < n; c++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum = Math.fround(sum + Math.fround(a[r * k + i]! * b[c * k + i]!));
      sums[r * n + c] = sum;
    }
  }
  return sums;
}

/** i32 sums to f32: once rounded, times the column's scale, times the row's, plus bias. */
export function dequantize(
  sums: Float64Array,
  m: number,
  n: number,
  colScale: Float32Array,
  rowScale: Float32Array | undefined,
  bias: Float32Array | undefined,
): Float32Array {
  const out = new Float32Array(m * n);
  for (let i = 0; i < m * n; i++) {
    const scaled = mul(mul(Math.fround(sums[i]!), colScale[i % n]!), rowScale ? rowScale[Math.floor(i / n)]! : 1);
    out[i] = add(scaled, bias ? bias[i % n]! : 0);
  }
  return out;
}

export const addBias = (sums: Float32Array, n: number, bias: Float32Array | undefined) =>
  sums.map((sum, i) => add(sum, bias ? bias[i % n]! : 0));

export const addTo = (values: Float32Array, there: Float32Array) => values.map((v, i) => add(v, there[i]!));

export const clampTo6 = (values: Float32Array) => values.map(relu6);

export const clampTo0 = (values: Float32Array) => values.map(relu);

export const toFixed = (values: Float32Array) => Int16Array.from(values, fixed);

/** Where C's rows and columns stand: see gemmInt8. Bytes. */
export interface Geometry {
  readonly ldc: number;
  /** Rows a line, and the bytes left after each line. */
  readonly width: number;
  readonly gap: number;
  readonly slab: number;
  readonly slabStride: number;
}

export const dense = (m: number, n: number, cell = 4): Geometry => ({
  ldc: n * cell,
  width: m,
  gap: 0,
  slab: n,
  slabStride: 0,
});

/** Copies the values to their places in `region`, which keeps what it held elsewhere. */
export function place(values: Float32Array | Int16Array, n: number, at: Geometry, region: Uint8Array): Uint8Array {
  const view = new DataView(region.buffer, region.byteOffset, region.byteLength);
  values.forEach((value, i) => {
    const row = Math.floor(i / n);
    const slab = Math.floor((i % n) / at.slab);
    const line = row * at.ldc + Math.floor(row / at.width) * at.gap + slab * at.slabStride;
    const column = (i % n) % at.slab;
    if (values instanceof Int16Array) view.setInt16(line + column * 2, value, true);
    else view.setFloat32(line + column * 4, value, true);
  });
  return region;
}
