/** The list of tensors of a file of weights, told by its first bytes: safetensors, or PyTorch's forms. */
import { readHead, readSafetensorsHeader } from './safetensors.ts';
import { ShardedSource } from './shards.ts';
import type { Source } from './source.ts';
import type { TensorFile } from './tensor-file.ts';
import { isTorch } from './torch-magic.ts';

/**
 * Reads and checks which tensors a file has. Offsets in a checkpoint of several files count from the start of the first.
 * @throws ClipError `WEIGHTS_FORMAT` if it is damaged or of another format; `IO` if it cannot be read; the signal's reason if
 *   aborted
 */
export async function readTensorFile(source: Source, signal?: AbortSignal): Promise<TensorFile> {
  if (source instanceof ShardedSource && source.expected) {
    const { joinedShards } = await import('./checkpoint-shards.ts');
    return joinedShards(source, source.expected, (shard) => readTensorFile(shard, signal));
  }
  const head = await readHead(source, signal);
  if (!isTorch(head)) return readSafetensorsHeader(source, { head, signal });
  // Most models do not need it.
  const { readTorchCheckpoint } = await import('./torch-checkpoint.ts');
  return readTorchCheckpoint(source, head, signal);
}
