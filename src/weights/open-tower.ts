/** Fills a tower's place in memory from a file: a packed one as it is, others by conversion (fill-slots.ts). */

import type { Precision } from '../engine/arithmetic.ts';
import type { Layout } from '../engine/layout.ts';
import { ClipError } from '../errors.ts';
import type { ClipConfig, Tower } from '../model/config.ts';
import { checkPacked, isPacked, readPacked } from './packed.ts';
import type { Normalization } from './pixel-normalization.ts';
import { readSafetensorsHeader } from './safetensors.ts';
import type { Source } from './source.ts';

/** Called while loading, with the bytes of the tower's memory that are filled, and their total. */
export type LoadProgress = (progress: { tower: Tower; loaded: number; total: number }) => void;

export interface TowerFile {
  readonly tower: Tower;
  readonly layout: Layout;
  /** Fills `into` (layout.byteLength bytes, at a multiple of 4), a tensor at a time; nothing is kept. */
  fill(into: Uint8Array, signal?: AbortSignal, onProgress?: LoadProgress): Promise<void>;
}

/**
 * Opens a tower's file and checks names and shapes; the weights stay in the file until `fill`.
 * @throws ClipError `WEIGHTS_*`, naming file and tensor.
 */
export async function openTower(
  source: Source,
  config: ClipConfig,
  tower: Tower,
  precision: Precision,
  normalization: Normalization,
  signal?: AbortSignal,
): Promise<TowerFile> {
  const file = await readSafetensorsHeader(source, signal ? { signal } : {});
  const packed = isPacked(file) ? checkPacked(file, config, tower, normalization) : undefined;
  if (packed) {
    if (packed.precision === precision) {
      return {
        tower,
        layout: packed,
        async fill(into, signal, onProgress) {
          await readPacked(source, file.dataOffset, packed, into, signal);
          onProgress?.({ tower, loaded: packed.byteLength, total: packed.byteLength });
        },
      };
    }
    if (packed.precision === 'f32') {
      throw new ClipError('WEIGHTS_FORMAT', `"${file.name}" is packed in f32; int8 needs the published weights`);
    }
  }
  // What needs no conversion needs no code for it.
  const { convertedTower } = await import('./fill-slots.ts');
  return convertedTower(source, file, packed, config, tower, precision, normalization);
}
