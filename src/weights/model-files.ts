/** A model as a folder of files: which names are looked for, and what their contents mean together. */

import { ClipError } from '../errors.ts';
import {
  type PreprocessConfig,
  preprocessConfigFromHuggingFace,
  preprocessConfigFromOpenClip,
} from '../image/preprocess-config.ts';
import { type ClipConfig, parseConfig, type Tower } from '../model/config.ts';
import { checkTowers } from '../model/registry.ts';
import { describeForeign } from './foreign.ts';
import type { Source } from './source.ts';

/** Where a model's files come from: a folder, the package itself, or a caller's own store. */
export interface ModelFiles {
  /** What error messages call the model. */
  readonly name: string;
  /** A text file by its name, or undefined if there is none. */
  text(name: string): Promise<string | undefined>;
  /** A binary file by its name, or undefined if there is none. */
  source(name: string): Promise<Source | undefined>;
}

/** Published weights hold both towers; a packed tower is a file of its own. Torch's own form is only found to be refused. */
const WEIGHTS = [
  'open_clip_model.safetensors',
  'model.safetensors',
  'open_clip_pytorch_model.bin',
  'pytorch_model.bin',
] as const;

/** A model's description, without its weights. */
export interface ModelDescription {
  readonly config: ClipConfig;
  readonly preprocess: PreprocessConfig;
}

/**
 * Reads `open_clip_config.json`, or `config.json` with `preprocessor_config.json`.
 * @throws ClipError CONFIG if there is neither, or one cannot be used.
 */
export async function readDescription(files: ModelFiles): Promise<ModelDescription> {
  const openclip = await readJson(files, 'open_clip_config.json');
  const json = openclip ?? (await readJson(files, 'config.json'));
  if (json === undefined) {
    throw new ClipError('CONFIG', `"${files.name}": there is no open_clip_config.json and no config.json`);
  }
  const config = parseConfig(json);
  checkTowers(config);
  const { imageSize } = config.vision;
  let preprocess: PreprocessConfig;
  if (config.source === 'huggingface') {
    const defaults = { size: imageSize, crop_size: imageSize };
    preprocess = preprocessConfigFromHuggingFace((await readJson(files, 'preprocessor_config.json')) ?? defaults);
  } else {
    preprocess = preprocessConfigFromOpenClip((json as { preprocess_cfg?: unknown }).preprocess_cfg, imageSize);
  }
  if (preprocess.size !== imageSize) {
    throw new ClipError(
      'CONFIG',
      `"${files.name}": the pictures are cropped to ${preprocess.size} pixels, but the image tower takes ${imageSize}`,
    );
  }
  return { config, preprocess };
}

/**
 * The file with a tower's weights: `image.safetensors` or `text.safetensors` (packed), or a published checkpoint.
 * @throws ClipError WEIGHTS_MISSING if there is none.
 */
export async function towerSource(files: ModelFiles, tower: Tower): Promise<Source> {
  for (const name of [`${tower}.safetensors`, ...WEIGHTS]) {
    const source = await files.source(name);
    if (source) return source;
  }
  throw new ClipError(
    'WEIGHTS_MISSING',
    `"${files.name}": no weights for the ${tower} tower; looked for ${tower}.safetensors, ${WEIGHTS.slice(0, 2).join(', ')}`,
  );
}

async function readJson(files: ModelFiles, name: string): Promise<unknown> {
  const text = await files.text(name);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (cause) {
    // What begins as JSON is the right kind of file, but damaged.
    const foreign = /^\s*[{[]/.test(text) ? undefined : describeForeign(new TextEncoder().encode(text.slice(0, 4096)));
    throw new ClipError('CONFIG', `"${files.name}": ${name} ${foreign ?? `is not JSON: ${(cause as Error).message}`}`, {
      cause,
    });
  }
}
