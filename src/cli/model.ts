/** The options that choose a model, and its loading under a progress bar. */
import { type Command, Option } from 'commander';
import { type Clip, loadClip } from '../clip.ts';
import type { Precision } from '../engine/arithmetic.ts';
import type { Tower } from '../weights/names.ts';
import { UsageError } from './failure.ts';
import type { Progress } from './progress.ts';

export interface ModelOptions {
  readonly model?: string;
  readonly precision: Precision;
}

export function addModelOptions(command: Command): Command {
  return command
    .option('--model <dir>', "a model's directory (OpenCLIP or Hugging Face layout); without it, the embedded model")
    .addOption(new Option('--precision <kind>', 'arithmetic').choices(['int8', 'f32']).default('int8'));
}

/** Loads the towers that are needed, once a run. */
export async function loadModel(options: ModelOptions, towers: readonly Tower[], progress: Progress): Promise<Clip> {
  const { model, precision } = options;
  if (model === '') throw new UsageError('--model is empty (an unset variable of the shell?)');
  try {
    return await loadClip(model, {
      precision,
      towers,
      onProgress: ({ tower, loaded, total }) => progress.show(`loading ${tower} tower`, loaded, total),
    });
  } finally {
    progress.clear();
  }
}
