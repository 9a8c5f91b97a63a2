/** Tensors whose elements are apart in the file, as torch.save stores transposes and slices. */
import { ClipError } from '../errors.ts';
import type { Source } from './source.ts';
import { firstElement, type TensorInfo } from './tensor-file.ts';

/** A view is read with all that lies between its elements: at most this many times its own elements, or this many. */
const MOST_SPAN = { times: 4, elements: 1_000_000 };

/**
 * Refuses views that cannot be read with bounded memory.
 * @throws ClipError `WEIGHTS_FORMAT` that names the tensor, if its elements overlap or are a small part of a large storage
 */
export function checkStrides(file: { readonly name: string }, { name, shape, strides }: TensorInfo): void {
  if (!strides) return;
  const fail = (what: string) => {
    throw new ClipError('WEIGHTS_FORMAT', `"${file.name}": tensor ${name} ${what}; save it with .contiguous()`);
  };
  const dimensions = shape.map((length, i) => ({ length, stride: strides[i]! })).sort((a, b) => a.stride - b.stride);
  let reach = 0;
  for (const { length, stride } of dimensions) {
    if (length > 1 && stride <= reach) fail('is a view whose elements overlap');
    reach += (length - 1) * stride;
  }
  const elements = shape.reduce((product, length) => product * length, 1);
  if (reach + 1 > Math.max(MOST_SPAN.elements, MOST_SPAN.times * elements))
    fail(`is a view of ${elements} elements spread over ${reach + 1}`);
}

/**
 * Reads a strided tensor's bytes into `target`, row-major.
 * @throws ClipError `IO` if they cannot be read; the signal's reason if aborted
 */
export async function readStrided(
  source: Source,
  tensor: TensorInfo,
  strides: readonly number[],
  target: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const { shape, byteLength } = tensor;
  const elements = shape.reduce((product, length) => product * length, 1);
  const size = byteLength / elements;
  const span = shape.reduce((sum, length, i) => sum + (length - 1) * strides[i]!, 1);
  const range = new Uint8Array(span * size);
  await source.readInto(await firstElement(tensor, signal), range, signal);
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < elements; to++) {
    for (let byte = 0; byte < size; byte++) target[to * size + byte] = range[from * size + byte]!;
    for (let i = shape.length - 1; i >= 0; i--) {
      from += strides[i]!;
      if (++index[i]! < shape[i]!) break;
      from -= shape[i]! * strides[i]!;
      index[i] = 0;
    }
  }
}
