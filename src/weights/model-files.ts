/** A model as a folder of files: which names are looked for, and what their contents mean together. */

import { ClipError } from '../errors.ts';
import { clipDefaults, type PreprocessConfig, preprocessConfigFromOpenClip } from '../image/preprocess-config.ts';
import { type ClipConfig, configTowers, type Tower } from '../model/config.ts';
import { withImageSize } from '../model/image-size.ts';
import { isHuggingFace, parseTowers } from '../model/parse-config.ts';
import { imageTower } from '../model/registry.ts';
import type { SizeStep } from '../model/tower.ts';
import { CheckedFiles } from './checked-files.ts';
import { inFile, readJson } from './config-file.ts';
import { readTensorFile } from './headers.ts';
import { checkpointIndexName, indexName } from './shards.ts';
import type { ModelFiles, Source } from './source.ts';

/**
 * Published weights hold both towers; a packed tower is a file of its own. Each may be in several files, with an index.
 * Safetensors come before PyTorch's files of the same model.
 */
const WEIGHTS = [
  'open_clip_model.safetensors',
  'model.safetensors',
  'open_clip_pytorch_model.bin',
  'pytorch_model.bin',
] as const;

/** Where sentence-transformers keeps the model of a CLIP (its `modules.json`). */
const SENTENCE_TRANSFORMERS = '0_CLIPModel';

/** A model's description, without its weights. */
export interface ModelDescription {
  readonly config: ClipConfig;
  /** How images are prepared. Of a model without an image tower: CLIP's defaults, which nothing uses. */
  readonly preprocess: PreprocessConfig;
  /** What a user should know about a model that loads, a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Reads `open_clip_config.json`, or `config.json` with `processor_config.json` or `preprocessor_config.json`. OpenAI's own
 * files (TorchScript) need none: there the tensors' shapes say it.
 * @param size side of the pictures, if not that of the configuration
 * @throws ClipError CONFIG if there is no configuration, or one cannot be used; IO if a file cannot be read; RangeError for a size that the
 *   image tower cannot take
 */
export async function readDescription(modelFiles: ModelFiles, size?: number): Promise<ModelDescription> {
  const files = CheckedFiles.of(modelFiles);
  const openclip = await readJson(files, 'open_clip_config.json');
  const json = openclip ?? (await readJson(files, 'config.json')) ?? (await configOfWeights(files));
  if (json === undefined && files.weights === undefined && (await files.text(`${SENTENCE_TRANSFORMERS}/config.json`))) {
    files.enter(SENTENCE_TRANSFORMERS);
    return readDescription(files, size);
  }
  if (json === undefined) {
    const pages = files.pagesNote('open_clip_config.json', 'config.json');
    const beside =
      files.weights === undefined ? '' : " beside it, and it is not OpenAI's own (TorchScript), which needs none";
    const give = pages === '' ? ': give one as loadClip(model, { config }), or --config FILE' : '';
    throw new ClipError(
      'CONFIG',
      `"${files.name}": there is no open_clip_config.json and no config.json${beside}${pages}${give}`,
    );
  }
  const warnings: string[] = [];
  const warn = (warning: string) => void warnings.push(`"${files.name}": ${warning}`);
  const file = openclip === undefined ? 'config.json' : 'open_clip_config.json';
  // What OpenCLIP's and packed models do not need is loaded for the others.
  const huggingFace = isHuggingFace(json) ? await import('./huggingface-files.ts') : undefined;
  const config = inFile(files, file, () => parseTowers(json, warn, huggingFace?.parseHuggingFace));
  const imageSize = config.vision?.imageSize;
  const sized = size === undefined ? config : withImageSize(config, size, await sizesOf(config));
  if (imageSize === undefined) return { config, preprocess: clipDefaults(224), warnings };
  const preprocess =
    config.source === 'openclip'
      ? inFile(files, file, () =>
          preprocessConfigFromOpenClip((json as { preprocess_cfg?: unknown }).preprocess_cfg, imageSize),
        )
      : await huggingFace!.huggingFacePreprocess(files, json as Record<string, unknown>, imageSize, warn);
  if (preprocess.size !== imageSize) {
    throw new ClipError(
      'CONFIG',
      `"${files.name}": images are cropped to ${preprocess.size} pixels, but the image tower takes ${imageSize}`,
    );
  }
  return { config: sized, preprocess: { ...preprocess, size: sized.vision!.imageSize }, warnings };
}

/** The sizes of pictures that a model takes; undefined without an image tower. */
async function sizesOf(config: ClipConfig): Promise<SizeStep | undefined> {
  return config.vision && (await imageTower(config)).sizes;
}

/**
 * The towers to load: those that are wanted, default all that the model has.
 * @throws ClipError WEIGHTS_MISSING for a tower that the model does not have, CONFIG for one that cannot be built
 */
export function towersToLoad({ name }: ModelFiles, config: ClipConfig, wanted?: readonly Tower[]): readonly Tower[] {
  const present = configTowers(config);
  const refused = (wanted ?? (['image', 'text'] as const)).find((tower) => config.refused?.[tower] !== undefined);
  if (refused !== undefined) {
    const file = config.source === 'openclip' ? 'open_clip_config.json' : 'config.json';
    throw new ClipError(
      'CONFIG',
      `"${name}": ${file}: ${config.refused![refused]}; the ${present[0]} tower loads alone: towers: ['${present[0]}']`,
    );
  }
  const missing = wanted?.find((tower) => !present.includes(tower));
  if (missing === undefined) return wanted ?? present;
  throw new ClipError('WEIGHTS_MISSING', `"${name}": the model has no ${missing} tower, only the ${present[0]} tower`);
}

/**
 * The file with a tower's weights: the one that was named, or else `image.safetensors` or `text.safetensors` (packed; it may
 * end in `.bin`), shards of it, or a published checkpoint.
 * @throws ClipError WEIGHTS_MISSING if there is none; WEIGHTS_FORMAT for an index that cannot be used; IO if one cannot be opened
 */
export async function towerSource(modelFiles: ModelFiles, tower: Tower): Promise<Source> {
  const files = CheckedFiles.of(modelFiles);
  const packed = `${tower}.safetensors`;
  const source = (await packedSource(files, tower)) ?? (await checkpointSource(files, tower));
  if (source) return source;
  const looked = files.weights === undefined ? [packed, ...WEIGHTS] : [files.weights];
  const indexes = [indexName(tower), ...WEIGHTS.map(checkpointIndexName)];
  throw new ClipError(
    'WEIGHTS_MISSING',
    `"${files.name}": no weights for the ${tower} tower; looked for ` +
      `${looked.join(', ')}${files.pagesNote(...looked, ...indexes)}`,
  );
}

/** A packed tower: a file, or its shards. */
async function packedSource(files: CheckedFiles, tower: Tower): Promise<Source | undefined> {
  if (files.weights !== undefined) return undefined;
  const whole = await files.source(`${tower}.safetensors`);
  if (whole) return whole;
  const index = await files.text(indexName(tower));
  if (index === undefined) return files.source(`${tower}.bin`);
  const { packedShards } = await import('./packed-shards.ts');
  return packedShards(files, tower, index);
}

/** A published checkpoint: a file, or those with the tower's tensors. */
async function checkpointSource(files: CheckedFiles, tower: Tower): Promise<Source | undefined> {
  if (files.weights !== undefined) return files.source(files.weights);
  for (const name of WEIGHTS) {
    const source = await files.source(name);
    if (source) return source;
    const index = await files.text(checkpointIndexName(name));
    if (index === undefined) continue;
    const { checkpointShards } = await import('./checkpoint-shards.ts');
    return checkpointShards(files, name, tower, index);
  }
  return undefined;
}

/** The configuration that follows from the weights, if the model is one file of OpenAI's own: an OpenCLIP configuration. */
export async function configOfWeights(modelFiles: ModelFiles): Promise<unknown> {
  const files = CheckedFiles.of(modelFiles);
  if (files.weights === undefined) return undefined;
  const source = await files.source(files.weights);
  try {
    if (source === undefined) return undefined;
    const { openaiConfig } = await import('./openai-config.ts');
    return openaiConfig(await readTensorFile(source));
  } finally {
    await source?.close?.();
  }
}
