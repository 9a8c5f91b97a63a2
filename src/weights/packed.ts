/** Our packed form: a safetensors file whose data section is the tower's memory, byte for byte (layout.ts). */

import type { Precision } from '../engine/arithmetic.ts';
import { LAYOUT_VERSION, Layout } from '../engine/layout.ts';
import { ClipError } from '../errors.ts';
import type { ClipConfig, Tower } from '../model/config.ts';
import { towerSlots } from '../model/registry.ts';
import type { TowerSlot } from '../model/slots.ts';
import type { Normalization } from './pixel-normalization.ts';
import { type SafetensorsFile, writeSafetensors } from './safetensors.ts';
import type { Source } from './source.ts';

const NOT_FINITE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** Value of `format` in a packed file's metadata. */
const FORMAT = 'edgeclip';

export const isPacked = (file: SafetensorsFile) => file.metadata.format === FORMAT;

/** A packed file's metadata: everything that changes what its bytes mean. */
export function packedMetadata(
  tower: Tower,
  precision: Precision,
  normalization: Normalization,
): Record<string, string> {
  return {
    format: FORMAT,
    layout: LAYOUT_VERSION,
    tower,
    precision,
    // The image tower's first layer has the normalisation folded in.
    ...(tower === 'image' && { mean: JSON.stringify(normalization.mean), std: JSON.stringify(normalization.std) }),
  };
}

/** A tower's memory as a packed file, in parts. */
export function writePacked(layout: Layout, bytes: Uint8Array, metadata: Record<string, string>): Uint8Array[] {
  const tensors = [...layout.tensors.values()].map(({ name, dtype, shape, offset, byteLength }) => ({
    name,
    dtype,
    shape,
    data: bytes.subarray(offset, offset + byteLength),
  }));
  return writeSafetensors(tensors, metadata);
}

/**
 * Checks that a packed file is the tower that the configuration describes, in a layout that this version reads.
 * @throws ClipError `WEIGHTS_FORMAT`, `WEIGHTS_MISSING` or `WEIGHTS_SHAPE`, naming what differs.
 */
export function checkPacked(
  file: SafetensorsFile,
  config: ClipConfig,
  tower: Tower,
  normalization: Normalization,
): Layout<TowerSlot> {
  const precision = file.metadata.precision === 'f32' ? 'f32' : 'int8';
  const expected = packedMetadata(tower, precision, normalization);
  for (const [key, value] of Object.entries(expected)) {
    const found = file.metadata[key];
    if (found !== value) {
      throw new ClipError(
        'WEIGHTS_FORMAT',
        `"${file.name}": packed weights with ${key} ${found ?? '(none)'}, expected ${value}; pack the model again`,
      );
    }
  }
  const layout = new Layout(towerSlots(config, tower), precision);
  for (const { name, dtype, shape, offset } of layout.tensors.values()) {
    const tensor = file.tensors.get(name);
    if (!tensor) {
      throw new ClipError('WEIGHTS_MISSING', `"${file.name}" lacks the packed tensor ${name} of the ${tower} tower`);
    }
    if (tensor.dtype !== dtype || tensor.shape.join() !== shape.join()) {
      throw new ClipError(
        'WEIGHTS_SHAPE',
        `"${file.name}": packed tensor ${name} is ${tensor.dtype} [${tensor.shape.join(', ')}], expected ${dtype} [${shape.join(', ')}]`,
      );
    }
    if (tensor.offset !== file.dataOffset + offset) {
      throw new ClipError(
        'WEIGHTS_FORMAT',
        `"${file.name}": packed tensor ${name} is not where the layout has it: tensors are in another order`,
      );
    }
  }
  return layout;
}

/**
 * Reads a packed tower straight into its memory. Only the f32 tensors are looked at, for NaN and infinity.
 * @throws ClipError as `checkPacked` does; `WEIGHTS_VALUE`; the signal's reason if aborted.
 */
export async function readPacked(
  source: Source,
  dataOffset: number,
  layout: Layout,
  into: Uint8Array,
  signal?: AbortSignal,
) {
  await source.readInto(dataOffset, into, signal);
  for (const { name, dtype, offset, byteLength } of layout.tensors.values()) {
    if (dtype !== 'F32') continue;
    const values = new Float32Array(into.buffer, into.byteOffset + offset, byteLength / 4);
    // The engine's own search: a callback a value takes 10 ms of a ViT-B/32, and megabytes of garbage.
    const wrong = NOT_FINITE.find((value) => values.includes(value));
    if (wrong !== undefined) {
      const index = values.findIndex((value) => !Number.isFinite(value));
      throw new ClipError('WEIGHTS_VALUE', `"${source.name}": tensor ${name} has ${values[index]} at index ${index}`);
    }
  }
}
