/** A model that is given as its one file of weights; what describes it lies in the same folder. */
import type { ModelFiles } from './source.ts';

const WEIGHTS_FILE = /^(.*[/\\])?([^/\\?#]+\.(?:safetensors|bin|pt|pth|ckpt))$/is;

/** Whether a path ends as a file of weights does. */
export const isWeightsName = (path: string): boolean => WEIGHTS_FILE.test(path);

/**
 * The model's files, if `path` ends as a file of weights does; undefined for a folder's.
 * @param folder gives the files of a folder
 */
export function singleFile(path: string, folder: (directory: string) => ModelFiles): ModelFiles | undefined {
  const [, directory = './', weights] = WEIGHTS_FILE.exec(path) ?? [];
  if (weights === undefined) return undefined;
  const files = folder(directory);
  return { name: path, weights, text: (name) => files.text(name), source: (name) => files.source(name) };
}
