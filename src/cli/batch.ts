/** Pictures one after the other: a bad one is reported and the rest go on. */
import type { Clip, EncodeImageOptions } from '../clip.ts';
import { encodeImages } from './encode-images.ts';
import { describe } from './failure.ts';
import type { PictureInput } from './inputs.ts';
import type { Progress } from './progress.ts';
import { title } from './standard-input.ts';

/**
 * Embeds each picture and delivers it, in order. A picture that cannot be read or embedded is reported on standard error;
 * what `deliver` throws ends the batch. Pictures are read when their turn comes, so any number take the memory of a few.
 * @returns how many pictures failed
 */
export async function forEachPicture<T extends PictureInput>(
  clip: Clip,
  inputs: readonly T[],
  options: EncodeImageOptions,
  progress: Progress,
  deliver: (embedding: Float32Array, input: T) => Promise<void>,
): Promise<number> {
  let failed = 0;
  progress.show('images', 0, inputs.length);
  const pictures = inputs.map((input) => () => input.read());
  for await (const outcome of encodeImages(clip, pictures, options)) {
    const input = inputs[outcome.index]!;
    if ('embedding' in outcome) await deliver(outcome.embedding, input);
    else {
      failed++;
      progress.line(`error: ${title(input.name)}: ${describe(outcome.error)}`);
    }
    progress.show('images', outcome.index + 1, inputs.length);
  }
  progress.clear();
  return failed;
}
