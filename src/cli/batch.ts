/** Pictures as many at a time as there are threads: a bad one is reported and the rest go on. */
import type { Clip } from '../clip.ts';
import type { EncodeImageOptions } from '../encoding.ts';
import { describe } from './failure.ts';
import { inputTitle, type PictureInput } from './inputs.ts';
import type { Progress } from './progress.ts';

/** What became of a picture. */
type Outcome = { readonly embedding: Float32Array } | { readonly error: unknown };

/** Reads and embeds the pictures together; should that fail, each by itself. */
async function embedTogether(
  clip: Clip,
  inputs: readonly PictureInput[],
  options: EncodeImageOptions,
): Promise<Outcome[]> {
  const read = await Promise.allSettled(inputs.map((input) => input.bytes()));
  const pictures = read.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const together = pictures.length > 1 ? await clip.encodeImage(pictures, options).catch(() => undefined) : undefined;
  const outcomes: Outcome[] = [];
  let taken = 0;
  for (const one of read) {
    try {
      if (one.status === 'rejected') throw one.reason;
      outcomes.push({ embedding: together?.[taken++] ?? (await clip.encodeImage(one.value, options)) });
    } catch (error) {
      outcomes.push({ error });
    }
  }
  return outcomes;
}

/**
 * Embeds each picture and delivers it, in order. A picture that cannot be read or embedded is reported on standard error;
 * what `deliver` throws ends the batch.
 * @returns how many pictures failed
 */
export async function forEachPicture(
  clip: Clip,
  inputs: readonly PictureInput[],
  options: EncodeImageOptions,
  progress: Progress,
  deliver: (embedding: Float32Array, input: PictureInput) => Promise<void>,
): Promise<number> {
  const together = clip.info().threads.count;
  let failed = 0;
  for (let first = 0; first < inputs.length; first += together) {
    progress.show('images', first, inputs.length);
    const some = inputs.slice(first, first + together);
    for (const [i, outcome] of (await embedTogether(clip, some, options)).entries()) {
      const input = some[i]!;
      if ('embedding' in outcome) {
        await deliver(outcome.embedding, input);
        continue;
      }
      failed++;
      progress.clear();
      process.stderr.write(`error: ${inputTitle(input.name)}: ${describe(outcome.error)}\n`);
    }
  }
  progress.clear();
  return failed;
}
