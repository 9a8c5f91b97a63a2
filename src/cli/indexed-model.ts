/** The model of an index: what made its vectors, unless the command line names another copy. */
import type { Command } from 'commander';
import type { Clip } from '../clip.ts';
import type { Tower } from '../model/config.ts';
import { DEFAULT_MODEL } from '../platform/default-model.ts';
import type { PhotoStore } from '../search/index.ts';
import { loadModel, type ModelOptions } from './model.ts';
import type { Progress } from './progress.ts';

/**
 * Loads it with these towers; with the image tower too where only its fingerprint can tell that it is the same.
 * @throws ClipError INDEX_MODEL if another model made the index; and as `loadModel`
 */
export async function indexedModel(
  store: PhotoStore,
  options: ModelOptions,
  command: Command,
  towers: readonly Tower[],
  progress: Progress,
): Promise<Clip> {
  const { name, revision, precision } = store.model;
  const isDefault = name === DEFAULT_MODEL;
  const given = (option: string) => command.getOptionValueSource(option) === 'cli';
  const { imageSize } = store.pictures;
  const clip = await loadModel(
    {
      ...options,
      ...(!given('model') && !isDefault && { model: name, ...(revision !== undefined && { revision }) }),
      ...(!given('precision') && { precision }),
      ...(imageSize !== undefined && { imageSize }),
    },
    isDefault && !given('model') ? towers : [...new Set([...towers, 'image' as const])],
    progress,
  );
  try {
    store.checkModel(clip);
    return clip;
  } catch (error) {
    clip.dispose();
    throw error;
  }
}
