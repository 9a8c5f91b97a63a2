/**
 * 8-bit checkpoints of bitsandbytes (LLM.int8): beside `x.weight` as I8 codes lies `x.SCB` with the largest magnitude of each
 * row, and perhaps `x.weight_format` with the order of the codes (bitsandbytes/nn/modules.py, Linear8bitLt).
 */
import { ClipError } from '../errors.ts';
import { readElements, readTensor } from './elements.ts';
import type { Source } from './source.ts';
import type { TensorInfo } from './tensor-file.ts';

/** What a matrix of codes needs to be read. */
export interface CodeScales {
  readonly scales: TensorInfo;
  readonly format?: TensorInfo | undefined;
}

/** `weight_format` of codes row by row; the others are orders of certain GPUs (bitsandbytes, LINEAR_8BIT_WEIGHTS_FORMAT_MAPPING). */
const ROW_FORMAT = 0;

/** 1 / 127 as f32: bitsandbytes' int8_vectorwise_dequant multiplies by it. */
const STEP = Math.fround(7.874015718698502e-3);

/** The tensors that belong to the codes of `name`, of those of the file by name; undefined if there are no scales. */
export function codeScales(name: string, tensors: ReadonlyMap<string, TensorInfo>): CodeScales | undefined {
  const layer = name.replace(/\.weight$/, '');
  const scales = tensors.get(`${layer}.SCB`) ?? tensors.get(`${name}.SCB`);
  return scales && { scales, format: tensors.get(`${layer}.weight_format`) };
}

/**
 * Reads a matrix of codes: value = code * SCB / 127, each step in f32 as bitsandbytes computes it.
 * @throws ClipError WEIGHTS_DTYPE for another order of the codes; WEIGHTS_VALUE for scales that are not finite
 */
export async function readCodes(
  source: Source,
  tensor: TensorInfo,
  { scales, format }: CodeScales,
  into: Float32Array,
  signal?: AbortSignal,
): Promise<void> {
  const options = signal ? { signal } : {};
  if (format) {
    const order = new Uint8Array(format.byteLength);
    await readElements(source, format, order, signal);
    if (order.some((byte) => byte !== ROW_FORMAT)) {
      throw new ClipError(
        'WEIGHTS_DTYPE',
        `"${source.name}": ${format.name} is ${order.join(', ')}, expected ${ROW_FORMAT} (codes row by row); save the model again`,
      );
    }
  }
  const rows = await readTensor(source, scales, { finite: true, ...options });
  const codes = new Int8Array(tensor.byteLength);
  await readElements(source, tensor, new Uint8Array(codes.buffer), signal);
  const columns = codes.length / rows.length;
  for (let i = 0; i < codes.length; i++) into[i] = Math.fround(codes[i]! * rows[Math.floor(i / columns)]!) * STEP;
}
