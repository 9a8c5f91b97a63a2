/** Fills a tower's place in memory from its file or files: packed ones as they are, others by conversion (fill-slots.ts). */

import type { Precision } from '../engine/arithmetic.ts';
import { ClipError } from '../errors.ts';
import type { ClipConfig, Tower } from '../model/config.ts';
import { asTrained } from '../model/image-size.ts';
import { towerOf } from '../model/registry.ts';
import { readTensorFile } from './headers.ts';
import { isPacked, PackedTower } from './packed.ts';
import type { Normalization } from './pixel-normalization.ts';
import { ShardedSource } from './shards.ts';
import type { Source } from './source.ts';
import type { TowerFile } from './tower-file.ts';

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
  // The files of a published checkpoint are one list of tensors; packed shards are verified each for itself.
  const shards = source instanceof ShardedSource && !source.expected ? source.shards : [source];
  const files = [];
  for (const shard of shards) {
    files.push({ source: shard, header: await readTensorFile(shard, signal) });
  }
  const file = files[0]!.header;
  const model = { config, tower, normalization };
  // A shard that is not packed is refused with the others.
  // Packed files are for the image size of the configuration beside them.
  const trained = { ...model, config: asTrained(config) };
  const packed =
    isPacked(file) || shards.length > 1
      ? new PackedTower(files, trained, await towerOf(trained.config, tower))
      : undefined;
  if (packed && packed.layout.precision === precision) {
    if (tower === 'image' && config.vision?.trainedSize !== undefined) {
      const { regriddedTower } = await import('./regridded.ts');
      return regriddedTower(packed, model);
    }
    const { layout } = packed;
    const total = layout.byteLength;
    return {
      tower,
      layout,
      stored: [`packed ${precision}`],
      fill: (into, { signal, onProgress, checksum } = {}) =>
        packed.readAll(into, { signal, checksum, onBytes: (loaded) => onProgress?.({ tower, loaded, total }) }),
    };
  }
  if (packed?.layout.precision === 'f32') {
    throw new ClipError('WEIGHTS_FORMAT', `"${file.name}" is packed in f32; int8 needs the published weights`);
  }
  // What needs no conversion needs no code for it.
  const { convertedTower } = await import('./fill-slots.ts');
  return convertedTower(packed ?? files[0]!, model, precision, signal);
}
