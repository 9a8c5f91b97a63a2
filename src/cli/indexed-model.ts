/** The model of an index: what made its vectors, unless the command line names another copy. */
import type { Command } from 'commander';
import type { Clip } from '../clip.ts';
import type { Tower } from '../model/config.ts';
import { DEFAULT_MODEL } from '../platform/default-model.ts';
import type { PhotoStore } from '../search/index.ts';
import { checkPictures } from '../search/pictures.ts';
import { loadModel, type ModelOptions } from './model.ts';
import type { Progress } from './progress.ts';

/**
 * The command line's options with what the index says of its model.
 * @throws ClipError INDEX_MODEL for another size of pictures than the index has
 */
export function withIndexedModel<T extends ModelOptions>(store: PhotoStore, options: T, command: Command): T {
  const { name, revision, precision } = store.model;
  const given = (option: string) => command.getOptionValueSource(option) === 'cli';
  if (given('imageSize')) {
    checkPictures(`"${store.name}"`, store.pictures, { ...store.pictures, imageSize: options.imageSize });
  }
  const { imageSize } = store.pictures;
  return {
    ...options,
    ...(!given('model') && name !== DEFAULT_MODEL && { model: name, ...(revision !== undefined && { revision }) }),
    ...(!given('precision') && { precision }),
    ...(imageSize !== undefined && { imageSize }),
  };
}

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
  const ofIndex = withIndexedModel(store, options, command);
  const isEmbedded = ofIndex.model === undefined;
  const all = isEmbedded ? towers : [...new Set([...towers, 'image' as const])];
  const clip = await loadModel(ofIndex, all, progress);
  try {
    store.checkModel(clip);
    return clip;
  } catch (error) {
    clip.dispose();
    throw error;
  }
}
