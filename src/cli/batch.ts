/** Embeds pictures in order; bad ones are reported and skipped. */

import type { Clip } from '../clip.ts';
import { describe } from './failure.ts';
import type { PictureInput } from './inputs.ts';
import type { Progress } from './progress.ts';
import { title } from './standard-input.ts';

/**
 * Embeds each picture and delivers it, in order. A picture that cannot be read or embedded is reported on standard error;
 * errors of `deliver` end the batch. Pictures are read shortly before they are needed, so memory does not grow with their
 * number.
 * @returns how many pictures failed
 */
export async function forEachPicture<T extends PictureInput>(
  clip: Clip,
  inputs: readonly T[],
  options: { readonly normalize?: boolean; readonly orient?: boolean; readonly scaled?: boolean },
  progress: Progress,
  deliver: (embedding: Float32Array, input: T) => Promise<void>,
): Promise<number> {
  if (inputs.length === 0) return 0;
  let failed = 0;
  progress.show('images', 0, inputs.length);
  for await (const { index, embedding, error } of clip.encodeImages(reads(inputs), options)) {
    const input = inputs[index]!;
    if (embedding) await deliver(embedding, input);
    else {
      failed++;
      progress.line(`error: ${title(input.name)}: ${describe(error)}`);
    }
    progress.show('images', index + 1, inputs.length);
  }
  progress.clear();
  return failed;
}

function* reads(inputs: readonly PictureInput[]): Generator<() => Promise<Uint8Array>> {
  for (const input of inputs) yield () => input.read();
}
