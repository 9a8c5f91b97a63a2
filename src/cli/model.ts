/** The options that choose a model, and its loading under a progress bar. */
import { stat } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Clip } from '../clip.ts';
import type { Precision } from '../engine/arithmetic.ts';
import { ClipError } from '../errors.ts';
import { loadClip, MAX_THREADS } from '../load.ts';
import type { Tower } from '../model/config.ts';
import { quote, UsageError } from './failure.ts';
import type { Progress } from './progress.ts';

export interface ModelOptions {
  readonly model?: string;
  readonly precision: Precision;
  readonly threads: number | 'auto';
}

function threads(text: string): number | 'auto' {
  if (text === 'auto') return text;
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > MAX_THREADS) {
    throw new InvalidArgumentError(`expected auto or a whole number from 1 to ${MAX_THREADS}.`);
  }
  return count;
}

export function addModelOptions(command: Command): Command {
  return command
    .option('--model <dir>', "a model's directory (OpenCLIP or Hugging Face layout); without it, the embedded model")
    .addOption(new Option('--precision <kind>', 'arithmetic').choices(['int8', 'f32']).default('int8'))
    .addOption(
      new Option('--threads <n>', 'threads that compute; auto: one a processor, at most 8. The results are the same')
        .argParser(threads)
        .default('auto'),
    );
}

/** Loads the towers that are needed, once a run. */
export async function loadModel(options: ModelOptions, towers: readonly Tower[], progress: Progress): Promise<Clip> {
  const { model, precision, threads } = options;
  if (model === '') throw new UsageError('--model is empty (an unset variable of the shell?)');
  const directory =
    model === undefined ||
    (await stat(model).then(
      (found) => found.isDirectory(),
      () => false,
    ));
  if (!directory) throw new ClipError('IO', `--model ${quote(model)}: there is no such directory`);
  try {
    return await loadClip(model, {
      precision,
      threads,
      towers,
      onProgress: ({ tower, loaded, total }) => progress.show(`loading ${tower} tower`, loaded, total),
    });
  } finally {
    progress.clear();
  }
}
