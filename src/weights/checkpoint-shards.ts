/** A published checkpoint in several files, as Hugging Face saves large ones: an index says which tensor is in which file. */
import { ClipError } from '../errors.ts';
import { isObject, show } from '../json.ts';
import type { Tower } from '../model/config.ts';
import { parseIndex } from './json-limits.ts';
import { plainName } from './plain-name.ts';
import { type FileStore, openAll, ShardedSource } from './shards.ts';
import type { Source } from './source.ts';

/** An index has a line for each tensor: some thousands. */
const INDEX_LIMITS = { depth: 8, commas: 100_000 };
const MAX_INDEX = 10_000_000;

/** The files of a checkpoint that have tensors of a tower. */
export class CheckpointShards extends ShardedSource {
  /** By shard, the names of the tensors that the index says are in it. */
  readonly expected: readonly (readonly string[])[];

  constructor(name: string, shards: readonly Source[], expected: readonly (readonly string[])[]) {
    super(name, shards);
    this.expected = expected;
  }
}

/** The index of a checkpoint that would be `weights` if it were one file. */
export const checkpointIndexName = (weights: string) => `${weights}.index.json`;

/** A file beside the index: no path, and nothing that an address could take for one. */
const FILE_NAME = /^\w[\w .+@=-]{0,200}\.(safetensors|bin|pt|pth)$/;

/** Names of the image tower; all others are the text tower's. */
const IMAGE = /^(visual|vision_model|visual_projection)\./;

/**
 * Opens the files that have tensors of the tower, or returns undefined if there is no index.
 * @throws ClipError WEIGHTS_FORMAT for an index that cannot be used; WEIGHTS_MISSING for a file that is not there
 */
export async function checkpointShards(
  files: FileStore,
  weights: string,
  tower: Tower,
): Promise<CheckpointShards | undefined> {
  const name = checkpointIndexName(weights);
  const text = await files.text(name);
  if (text === undefined) return undefined;
  const map = readWeightMap(text, `"${files.name}": ${name}`);
  const wanted = new Map<string, string[]>();
  for (const [tensor, file] of map) {
    if (IMAGE.test(plainName(tensor)) !== (tower === 'image')) continue;
    const tensors = wanted.get(file);
    if (tensors) tensors.push(tensor);
    else wanted.set(file, [tensor]);
  }
  if (wanted.size === 0) {
    throw new ClipError('WEIGHTS_MISSING', `"${files.name}": ${name} has no tensor of the ${tower} tower`);
  }
  const shards = await openAll(files, wanted.keys(), (file) => `${name} names ${file}, which is not there`);
  return new CheckpointShards(name, shards, [...wanted.values()]);
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
