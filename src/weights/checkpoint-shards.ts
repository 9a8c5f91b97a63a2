/** A published checkpoint in several files, as Hugging Face saves large ones: an index says which tensor is in which file. */
import { ClipError } from '../errors.ts';
import { isObject, show } from '../json.ts';
import type { Tower } from '../model/config.ts';
import { isOfImageTower } from './plain-name.ts';
import { type FileStore, openAll, parseIndex } from './shard-files.ts';
import { checkpointIndexName, ShardedSource } from './shards.ts';
import type { Source } from './source.ts';
import type { TensorFile, TensorInfo } from './tensor-file.ts';

/** An index has a line for each tensor: some thousands. */
const INDEX_LIMITS = { depth: 8, commas: 100_000 };
const MAX_INDEX = 10_000_000;

/** A file beside the index: no path, and nothing that an address could take for one. */
const FILE_NAME = /^\w[\w .+@=-]{0,200}\.(safetensors|bin|pt|pth)$/;

/**
 * Opens the files that have tensors of the tower.
 * @param text the index
 * @throws ClipError WEIGHTS_FORMAT for an index that cannot be used; WEIGHTS_MISSING for a file that is not there
 */
export async function checkpointShards(
  files: FileStore,
  weights: string,
  tower: Tower,
  text: string,
): Promise<ShardedSource> {
  const name = checkpointIndexName(weights);
  const map = readWeightMap(text, `"${files.name}": ${name}`);
  const wanted = new Map<string, string[]>();
  for (const [tensor, file] of map) {
    if (isOfImageTower(tensor) !== (tower === 'image')) continue;
    const tensors = wanted.get(file);
    if (tensors) tensors.push(tensor);
    else wanted.set(file, [tensor]);
  }
  if (wanted.size === 0) {
    throw new ClipError('WEIGHTS_MISSING', `"${files.name}": ${name} has no tensor of the ${tower} tower`);
  }
  const shards = await openAll(files, wanted.keys(), (file) => `${name} names ${file}, which is not there`);
  return new ShardedSource(name, shards, [...wanted.values()]);
}

/** The file of each tensor. */
function readWeightMap(text: string, name: string): [string, string][] {
  const fail = (what: string): never => {
    throw new ClipError('WEIGHTS_FORMAT', `${name} ${what}`);
  };
  const index = parseIndex(text, name, MAX_INDEX, INDEX_LIMITS);
  const map = isObject(index) ? index.weight_map : undefined;
  if (!isObject(map)) return fail(`has weight_map ${show(map)}, expected an object`);
  return Object.entries(map).map(([tensor, file]) => {
    if (typeof file === 'string' && FILE_NAME.test(file)) return [tensor, file];
    return fail(`says that ${show(tensor)} is in ${show(file)}, expected the name of a file beside it`);
  });
}

/**
 * The shards as one file. Each must have the tensors that the index says, and no tensor may be in two.
 * @param read reads which tensors a shard has
 */
export async function joinedShards(
  { name, shards }: ShardedSource,
  expected: readonly (readonly string[])[],
  read: (shard: Source) => Promise<TensorFile>,
): Promise<TensorFile> {
  const tensors = new Map<string, TensorInfo>();
  let start = 0;
  for (const [i, shard] of shards.entries()) {
    const file = await read(shard);
    const lacking = expected[i]!.find((tensor) => !file.tensors.has(tensor));
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
      tensors.set(tensor.name, moved(tensor, start));
    }
    start += shard.byteLength;
  }
  return { name, metadata: {}, tensors };
}

/** A tensor of a file that begins at `by`. */
function moved(tensor: TensorInfo, by: number): TensorInfo {
  const { entry } = tensor;
  if (!entry) return { ...tensor, offset: by + tensor.offset };
  const content = async (signal?: AbortSignal) => by + (await entry.content(signal));
  return { ...tensor, entry: { start: by + entry.start, end: by + entry.end, content } };
}
