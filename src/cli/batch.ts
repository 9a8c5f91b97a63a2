/** Pictures one after the other: a bad one is reported and the rest go on. */
import { describe } from './failure.ts';
import { inputTitle, type PictureInput } from './inputs.ts';
import type { Progress } from './progress.ts';

/**
 * Computes something of each picture and delivers it, in order. What `compute` throws is that picture's failure and goes to
 * standard error; what `deliver` throws ends the batch.
 * @returns how many pictures failed
 */
export async function forEachPicture<T>(
  inputs: readonly PictureInput[],
  progress: Progress,
  compute: (bytes: Uint8Array) => Promise<T>,
  deliver: (result: T, input: PictureInput) => Promise<void>,
): Promise<number> {
  let failed = 0;
  for (const [i, input] of inputs.entries()) {
    progress.show('images', i, inputs.length);
    let result: T;
    try {
      result = await compute(await input.bytes());
    } catch (error) {
      failed++;
      progress.clear();
      process.stderr.write(`error: ${inputTitle(input.name)}: ${describe(error)}\n`);
      continue;
    }
    await deliver(result, input);
  }
  progress.clear();
  return failed;
}
