/** Model options, and loading with a progress bar. */
import { type Command, Option } from 'commander';
import type { Clip } from '../clip.ts';
import type { Precision } from '../engine/arithmetic.ts';
import { ClipError } from '../errors.ts';
import { loadClip, MAX_THREADS } from '../load.ts';
import type { Tower } from '../model/config.ts';
import { emptyOption, positiveInteger, quote, UsageError, visible } from './failure.ts';
import type { Progress } from './progress.ts';

export interface ModelOptions {
  readonly model?: string;
  readonly precision: Precision;
  readonly threads: number | 'auto';
  readonly maxPixels?: number;
  readonly imageSize?: number;
}

function threads(text: string): number | 'auto' {
  if (text === 'auto') return text;
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > MAX_THREADS) {
    throw new UsageError(`--threads must be auto or a whole number from 1 to ${MAX_THREADS}, got ${quote(text)}`);
  }
  return count;
}

export function addModelOptions(command: Command): Command {
  return command
    .option(
      '--model <path>',
      "a model's folder (OpenCLIP or Hugging Face layout), or its file of weights; without it, the embedded model",
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
    const clip = await loadClip(model, {
      precision,
      threads,
      ...(towers && { towers }),
      ...(maxPixels !== undefined && { maxPixels }),
      ...(imageSize !== undefined && { imageSize }),
      onProgress: ({ tower, loaded, total }) => progress.show(`loading ${tower} tower`, loaded, total, false),
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
    `${quote(model)} has no tokenizer.json: put the model's tokenizer.json into the folder`,
  );
}
