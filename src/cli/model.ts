/** Model options, and loading with a progress bar. */
import { type Command, Option } from 'commander';
import type { Clip } from '../clip.ts';
import type { Precision } from '../engine/arithmetic.ts';
import { ClipError } from '../errors.ts';
import { loadClip, MAX_THREADS } from '../load.ts';
import type { Tower } from '../model/config.ts';
import type { OpenModelOptions } from '../open-model.ts';
import { readTextFile } from '../platform/node.ts';
import type { LoadProgress } from '../weights/load-progress.ts';
import { emptyOption, positiveInteger, quote, UsageError, visible } from './failure.ts';
import type { Progress } from './progress.ts';

export interface ModelOptions extends SourceOptions {
  readonly model?: string;
  readonly precision: Precision;
  readonly threads: number | 'auto';
  readonly maxPixels?: number;
  readonly imageSize?: number;
}

/** How a model is found and fetched. */
export interface SourceOptions {
  readonly revision?: string;
  readonly cacheDir?: string;
  readonly offline?: boolean;
  readonly config?: string;
  readonly tokenizer?: string;
}

/** The options of every command that takes a model. */
export function addSourceOptions(command: Command): Command {
  return command
    .option('--revision <name>', 'branch, tag or commit of a model on a hub, as NAME@REVISION (default: main)')
    .option('--cache-dir <dir>', 'folder of downloaded models (default: HF_HUB_CACHE, or ~/.cache/huggingface/hub)')
    .option('--offline', 'use only downloaded models, as HF_HUB_OFFLINE=1 does')
    .option('--config <file>', "the model's config.json or open_clip_config.json, if it is not beside the weights")
    .option('--tokenizer <file>', "the model's tokenizer.json, if it is not beside the weights");
}

/**
 * The options of `loadClip` for them.
 * @param model the embedded one if it is not given
 * @throws UsageError for an empty one, one of a model that is not given, or a file that is not JSON; ClipError IO if it cannot
 *   be read
 */
export async function sourceOptions(
  model: string | undefined,
  options: SourceOptions,
  progress: Progress,
): Promise<OpenModelOptions> {
  const { revision, cacheDir, offline, config, tokenizer } = options;
  for (const [name, value] of Object.entries({
    '--config': config,
    '--tokenizer': tokenizer,
    '--revision': revision,
  })) {
    if (model === undefined && value !== undefined) {
      throw new UsageError(`${name} belongs to a model, and none is given: the embedded model has its own`);
    }
  }
  for (const [name, value] of Object.entries({ '--revision': revision, '--cache-dir': cacheDir })) {
    if (value === '') throw emptyOption(name);
  }
  const parsed = async (name: string, path: string | undefined) => {
    if (path === undefined) return undefined;
    if (path === '') throw emptyOption(name);
    try {
      return JSON.parse(await readTextFile(path)) as object;
    } catch (error) {
      if (error instanceof ClipError) throw error;
      throw new UsageError(`${name}: ${quote(path)} is not JSON: ${(error as Error).message}`);
    }
  };
  const download = ({ file, loaded, total }: Parameters<LoadProgress>[0]) => {
    if (file !== undefined) progress.show(`fetching ${visible(file)}`, loaded, total, 'bytes');
  };
  return {
    onProgress: download,
    ...(revision !== undefined && { revision }),
    ...(cacheDir !== undefined && { cacheDir }),
    ...(offline && { localFilesOnly: true }),
    ...without({ config: await parsed('--config', config), tokenizer: await parsed('--tokenizer', tokenizer) }),
  };
}

/** Without what is undefined: the options of `loadClip` that were not given. */
const without = <T extends object>(options: T): Partial<T> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;

function threads(text: string): number | 'auto' {
  if (text === 'auto') return text;
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > MAX_THREADS) {
    throw new UsageError(`--threads must be auto or a whole number from 1 to ${MAX_THREADS}, got ${quote(text)}`);
  }
  return count;
}

export function addModelOptions(command: Command): Command {
  return addSourceOptions(
    command.option(
      '--model <model>',
      "a model on a hub by its name (org/name, or one that 'edgeclip models' lists), a folder (OpenCLIP or Hugging Face " +
        'layout), or a file of weights; without it, the embedded model',
    ),
  )
    .addOption(new Option('--precision <kind>', 'arithmetic').choices(['int8', 'f32']).default('int8'))
    .addOption(
      new Option('--threads <n>', 'number of threads; auto: one per processor, at most 8. Results do not depend on it')
        .argParser(threads)
        .default('auto'),
    )
    .addOption(
      new Option(
        '--image-size <n>',
        "side of the pictures that the tower takes, a multiple of its patch or of 32: smaller is faster (default: the model's)",
      ).argParser(positiveInteger('--image-size')),
    );
}

export function addMaxPixels(command: Command): Command {
  return command.addOption(
    new Option('--max-pixels <n>', 'refuse images with more pixels, width times height (default: 100000000)').argParser(
      positiveInteger('--max-pixels'),
    ),
  );
}

/**
 * Loads the given towers, or all that the model has; the model's warnings go to standard error.
 * @throws UsageError for an empty `--model`; ClipError as `loadClip`
 */
export async function loadModel(
  options: ModelOptions,
  towers: readonly Tower[] | undefined,
  progress: Progress,
): Promise<Clip> {
  const { model, precision, threads, maxPixels, imageSize } = options;
  if (model === '') throw emptyOption('--model');
  try {
    const source = await sourceOptions(model, options, progress);
    const clip = await loadClip(model, {
      ...source,
      precision,
      threads,
      ...(towers && { towers }),
      ...(maxPixels !== undefined && { maxPixels }),
      ...(imageSize !== undefined && { imageSize }),
      onProgress: (event) => {
        source.onProgress!(event);
        if (event.tower) progress.show(`loading ${event.tower} tower`, event.loaded, event.total, 'plain');
      },
    });
    for (const warning of clip.info().warnings) progress.line(`warning: ${visible(warning)}`);
    return clip;
  } catch (error) {
    // Only the command line can be at fault: a size that the tower cannot take.
    if (error instanceof RangeError)
      throw new UsageError(error.message.replace(/^imageSize/, '--image-size'), { cause: error });
    throw error;
  } finally {
    progress.clear();
  }
}

/**
 * Checks before any work that texts can be embedded.
 * @throws ClipError TOKENIZER
 */
export function checkTokenizer(clip: Clip): void {
  const { model, text } = clip.info();
  if (!text || text.tokenizer) return;
  throw new ClipError(
    'TOKENIZER',
    `${quote(model)} has no tokenizer.json, nor vocab.json with merges.txt: give the model's own by --tokenizer FILE`,
  );
}
