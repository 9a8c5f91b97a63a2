/** The list of tensors of a file of weights, told by its first bytes: safetensors, or PyTorch's forms. */
import { ClipError } from '../errors.ts';
import { CheckpointShards } from './checkpoint-shards.ts';
import { readHead, readSafetensorsHeader } from './safetensors.ts';
import type { Source } from './source.ts';
import type { TensorFile, TensorInfo } from './tensor-file.ts';
import { isTorch } from './torch-magic.ts';

/**
 * Reads and checks which tensors a file has. Offsets in a checkpoint of several files count from the start of the first.
 * @throws ClipError `WEIGHTS_FORMAT` if it is damaged or of another format; `IO` if it cannot be read; the signal's reason if
 *   aborted
 */
export async function readTensorFile(source: Source, signal?: AbortSignal): Promise<TensorFile> {
  if (source instanceof CheckpointShards) return joined(source, signal);
  const head = await readHead(source, signal);
  if (!isTorch(head)) return readSafetensorsHeader(source, { head, signal });
  // Most models do not need it.
  const { readTorchCheckpoint } = await import('./torch-checkpoint.ts');
  return readTorchCheckpoint(source, head, signal);
}

/** The shards as one file. Each must have the tensors that the index says, and no tensor may be in two. */
async function joined(source: CheckpointShards, signal?: AbortSignal): Promise<TensorFile> {
  const { name } = source;
  const tensors = new Map<string, TensorInfo>();
  let start = 0;
  for (const [i, shard] of source.shards.entries()) {
    const file = await readTensorFile(shard, signal);
    const lacking = source.expected[i]!.find((tensor) => !file.tensors.has(tensor));
    if (lacking !== undefined) {
      throw new ClipError(
        'WEIGHTS_MISSING',
        `"${name}" says that ${shard.name} has the tensor ${lacking}, which it has not`,
      );
    }
    for (const tensor of file.tensors.values()) {
      if (tensors.has(tensor.name)) {
        throw new ClipError('WEIGHTS_FORMAT', `"${name}": two of its files have the tensor ${tensor.name}`);
      }
      tensors.set(tensor.name, { ...tensor, offset: start + tensor.offset });
    }
    start += shard.byteLength;
  }
  return { name, metadata: {}, tensors };
}
