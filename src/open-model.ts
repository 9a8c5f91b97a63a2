/** What a caller gives as a model (a name, a path, an address, a file, files of its own) as its files. */

import { modelAt } from '#platform';
import type { OpenOptions } from './hub/access.ts';
import { isObject } from './json.ts';
import { kindOf } from './options.ts';
import {
  blobSource,
  isSliceable,
  type ModelFiles,
  type Sliceable,
  type Source,
  sliceSource,
} from './weights/source.ts';

/** A model as `loadClip` takes it. */
export type Model = string | ModelFiles | Sliceable;

export interface OpenModelOptions extends OpenOptions {
  readonly config?: object | undefined;
  readonly tokenizer?: object | undefined;
}

/**
 * Opens a model; no weights are read, and of a model with a name nothing is fetched but the list of its files.
 * @throws ClipError IO, CONFIG; TypeError for what is not a model; the signal's reason if aborted
 */
export async function openModel(model: Model, options: OpenModelOptions = {}): Promise<ModelFiles> {
  const files = typeof model === 'string' ? await modelAt(model, options) : isSliceable(model) ? oneFile(model) : model;
  const { config, tokenizer } = options;
  if (config === undefined && tokenizer === undefined) return files;
  checkParsed('config', config);
  checkParsed('tokenizer', tokenizer);
  const given = new Map<string, string>();
  if (config !== undefined) {
    // OpenCLIP's form is looked for first.
    const isOpenClip = isObject(config) && ('model_cfg' in config || 'vision_cfg' in config || 'text_cfg' in config);
    given.set(isOpenClip ? 'open_clip_config.json' : 'config.json', JSON.stringify(config));
  }
  if (tokenizer !== undefined) given.set('tokenizer.json', JSON.stringify(tokenizer));
  return {
    name: files.name,
    ...(files.weights !== undefined && { weights: files.weights }),
    ...(files.note !== undefined && { note: files.note }),
    openaiTokenizer: async () => files.openaiTokenizer?.(),
    text: async (name) => {
      if (config !== undefined && CONFIGS.includes(name)) return given.get(name);
      return given.get(name) ?? files.text(name);
    },
    source: (name) => files.source(name),
  };
}

function checkParsed(option: string, value: unknown): void {
  if (value === undefined || isObject(value)) return;
  throw new TypeError(`loadClip: ${option} must be an object, the parsed JSON of the file, got ${kindOf(value)}`);
}

/** A given configuration stands for both. */
const CONFIGS: readonly string[] = ['open_clip_config.json', 'config.json'];

/** A model in one file. What is not in it (its configuration, unless it is OpenAI's own file) comes by options. */
export function oneFile(file: Sliceable): ModelFiles {
  const { name } = file as { name?: unknown };
  const weights = typeof name === 'string' && name !== '' ? name : 'the file';
  const open = (): Source => (file instanceof Blob ? blobSource(file, weights) : sliceSource(file, weights));
  open(); // so that what has no size is refused at the call
  return {
    name: weights,
    weights,
    note: '; nothing is beside a single file: give its configuration as loadClip(file, { config })',
    text: async () => undefined,
    source: async (wanted) => (wanted === weights ? open() : undefined),
  };
}
