/** What a model in Hugging Face's layout has beside its weights: `config.json` and the image processor's settings. */

import { ClipError } from '../errors.ts';
import { clipDefaults, type PreprocessConfig, preprocessConfigFromHuggingFace } from '../image/preprocess-config.ts';
import { isObject } from '../json.ts';
import type { CheckedFiles } from './checked-files.ts';
import { inFile, readJson } from './config-file.ts';

export { parseHuggingFace } from '../model/config-huggingface.ts';

/**
 * The image processor's settings, from the file that transformers 5 takes (image_processing_base.py,
 * get_image_processor_dict): `image_processor` inside `processor_config.json`, then `preprocessor_config.json`. A
 * `processor_config.json` with the settings at its top level comes last, as in transformers 4.57.
 */
export async function huggingFacePreprocess(
  files: CheckedFiles,
  config: Record<string, unknown>,
  imageSize: number,
  warn: (warning: string) => void,
): Promise<PreprocessConfig> {
  const processor = await readJson(files, 'processor_config.json');
  const nested = isObject(processor) ? (processor.image_processor ?? undefined) : undefined;
  if (nested !== undefined) {
    const preprocess = imageProcessor(files, processor, 'processor_config.json');
    const older = await olderPreprocess(files).catch(() => undefined);
    if (older !== undefined && JSON.stringify(older) !== JSON.stringify(preprocess)) {
      warn('preprocessor_config.json differs from processor_config.json, which is taken, as transformers 5 does');
    }
    return preprocess;
  }
  const older = await olderPreprocess(files);
  if (older) return older;
  if (isObject(processor) && ('image_mean' in processor || 'image_processor_type' in processor)) {
    return imageProcessor(files, processor, 'processor_config.json');
  }
  const pages = files.pagesNote('processor_config.json', 'preprocessor_config.json');
  const none = `there is no preprocessor_config.json and no image_processor in processor_config.json${pages}`;
  if (typeof config.model_type !== 'string') {
    throw new ClipError(
      'CONFIG',
      `"${files.name}": ${none}; without a model_type in config.json no defaults are known`,
    );
  }
  warn(`${none}; images are prepared with CLIP's defaults`);
  return clipDefaults(imageSize);
}

async function olderPreprocess(files: CheckedFiles): Promise<PreprocessConfig | undefined> {
  const json = await readJson(files, 'preprocessor_config.json');
  return json === undefined ? undefined : imageProcessor(files, json, 'preprocessor_config.json');
}

function imageProcessor(files: CheckedFiles, json: unknown, name: string): PreprocessConfig {
  return inFile(files, name, () => preprocessConfigFromHuggingFace(json, name));
}
