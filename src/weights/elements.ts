/** Reading a tensor's elements as float32, whole or in chunks of bounded size. */
import { ClipError } from '../errors.ts';
import { elementBytes } from './safetensors.ts';
import type { Source } from './source.ts';
import { readStrided } from './strided.ts';
import { firstElement, type TensorInfo } from './tensor-file.ts';
import { requireFinite } from './values.ts';

/** The element types that can be read. Integers are codes of something, never weights as they are. */
export const READABLE_DTYPES = ['F32', 'F16', 'BF16', 'F64'] as const;
export type ReadableDtype = (typeof READABLE_DTYPES)[number];

export interface ReadOptions {
  signal?: AbortSignal;
  /** Refuse NaN and infinity with a `WEIGHTS_VALUE` error that names tensor and index. Default: false. */
  finite?: boolean;
  /** Bytes of the file that are read at once. Default: 1 MiB. */
  chunkBytes?: number;
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * Reads a tensor piece by piece, row-major. The array that is yielded is reused for the next piece. F64 is rounded to the
 * nearest float32.
 * @throws ClipError `WEIGHTS_DTYPE` if the element type cannot be read; `WEIGHTS_VALUE` with `finite` for NaN and infinity;
 *   `IO` if the bytes cannot be read; the signal's reason if aborted.
 */
export async function* readFloats(
  source: Source,
  tensor: TensorInfo,
  { signal, finite = false, chunkBytes = 1 << 20 }: ReadOptions = {},
): AsyncGenerator<Float32Array, void, void> {
  const dtype = requireReadable(source, tensor);
  const size = elementBytes(dtype)!;
  const count = tensor.byteLength / size;
  const step = Math.min(count, Math.max(1, Math.floor(chunkBytes / size)));
  const bytes = new Uint8Array(step * size);
  const floats = dtype === 'F32' ? new Float32Array(bytes.buffer) : new Float32Array(step);
  const gathered = tensor.strides && new Uint8Array(tensor.byteLength);
  if (gathered) await readElements(source, tensor, gathered, signal);
  const start = gathered ? 0 : await firstElement(tensor, signal);
  for (let first = 0; first < count; first += step) {
    const length = Math.min(step, count - first);
    const piece = bytes.subarray(0, length * size);
    if (gathered) piece.set(gathered.subarray(first * size, first * size + piece.byteLength));
    else await source.readInto(start + first * size, piece, signal);
    const values = floats.subarray(0, length);
    decodeElements(piece, dtype, values);
    if (finite) requireFinite(values, `"${source.name}": tensor ${tensor.name}`, tensor.shape, first);
    yield values;
  }
}

/**
 * Reads a whole tensor into `into` (e.g. a view of the wasm memory; it must have the tensor's length) or into a new
 * array. F32 goes straight into that array; other types pass through a buffer of `chunkBytes`.
 * @throws RangeError if `into` has another length than the tensor; otherwise as `readFloats` does.
 */
export async function readTensor(
  source: Source,
  tensor: TensorInfo,
  { into, ...options }: ReadOptions & { into?: Float32Array } = {},
): Promise<Float32Array> {
  const dtype = requireReadable(source, tensor);
  const count = tensor.byteLength / elementBytes(dtype)!;
  const floats = into ?? new Float32Array(count);
  if (floats.length !== count) {
    throw new RangeError(`tensor ${tensor.name} has ${count} elements, the array that was given has ${floats.length}`);
  }
  if (dtype === 'F32') {
    const bytes = new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
    await readElements(source, tensor, bytes, options.signal);
    decodeElements(bytes, dtype, floats);
    if (options.finite) requireFinite(floats, `"${source.name}": tensor ${tensor.name}`, tensor.shape);
    return floats;
  }
  let first = 0;
  for await (const piece of readFloats(source, tensor, options)) {
    floats.set(piece, first);
    first += piece.length;
  }
  return floats;
}

/**
 * Reads a tensor's bytes into `target`, which has its length, row-major.
 * @throws ClipError `IO` if they cannot be read; the signal's reason if aborted
 */
export async function readElements(
  source: Source,
  tensor: TensorInfo,
  target: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  if (tensor.strides) return readStrided(source, tensor, tensor.strides, target, signal);
  return source.readInto(await firstElement(tensor, signal), target, signal);
}

/** @throws ClipError `WEIGHTS_DTYPE` that names the tensor and its element type, if it cannot be read. */
export function requireReadable(source: { readonly name: string }, tensor: TensorInfo): ReadableDtype {
  const dtype = READABLE_DTYPES.find((readable) => readable === tensor.dtype);
  if (dtype !== undefined) return dtype;
  throw new ClipError(
    'WEIGHTS_DTYPE',
    `"${source.name}": tensor ${tensor.name} has the element type ${tensor.dtype}, expected one of ${READABLE_DTYPES.join(', ')}`,
  );
}

/**
 * Converts little-endian elements to float32. For F32, `floats` may lie on the same bytes. On a big-endian host `bytes`
 * are reversed in place first.
 */
export function decodeElements(
  bytes: Uint8Array,
  dtype: ReadableDtype,
  floats: Float32Array,
  hostLittleEndian = LITTLE_ENDIAN,
): void {
  const count = floats.length;
  if (!hostLittleEndian) reverseElements(bytes, elementBytes(dtype)!);
  const { buffer, byteOffset } = bytes;
  switch (dtype) {
    case 'F32':
      if (floats.buffer !== buffer || floats.byteOffset !== byteOffset) {
        floats.set(new Float32Array(buffer, byteOffset, count));
      }
      return;
    case 'F16':
      decodeHalf(new Uint16Array(buffer, byteOffset, count), floats);
      return;
    case 'BF16': {
      // The upper half of a float32.
      const bits = new Uint32Array(floats.buffer, floats.byteOffset, count);
      const halves = new Uint16Array(buffer, byteOffset, count);
      for (let i = 0; i < count; i++) bits[i] = halves[i] << 16;
      return;
    }
    case 'F64':
      floats.set(new Float64Array(buffer, byteOffset, count));
      return;
  }
}

/** IEEE 754 binary16: sign, 5 bits of exponent (bias 15), 10 bits of fraction. */
function decodeHalf(halves: Uint16Array, floats: Float32Array): void {
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 31;
    const fraction = half & 0x3ff;
    if (exponent === 0) {
      // Zero or subnormal: fraction * 2^-24, and -0 keeps its sign.
      floats[i] = (sign === 0 ? fraction : -fraction) * 2 ** -24;
    } else if (exponent === 31) {
      bits[i] = sign | 0x7f800000 | (fraction << 13);
    } else {
      bits[i] = sign | ((exponent + (127 - 15)) << 23) | (fraction << 13);
    }
  }
}

function reverseElements(bytes: Uint8Array, size: number): void {
  if (size === 1) return;
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}
