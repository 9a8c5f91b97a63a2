/** Embeds the pictures of an evaluation, in order; those that an earlier run kept are taken from there. */
import type { Clip } from '../clip.ts';
import { describe } from './failure.ts';
import type { PictureInput } from './inputs.ts';
import { KeptEmbeddings } from './kept-embeddings.ts';
import { rowMakers } from './maker.ts';
import type { Progress } from './progress.ts';
import { title } from './standard-input.ts';

export interface EmbeddedPictures {
  /** By the picture's place, as the tower gives them (not of length 1); undefined for one that failed. */
  readonly embeddings: readonly (Float32Array | undefined)[];
  readonly failed: readonly { readonly file: string; readonly error: unknown }[];
}

/**
 * A bad picture is reported and passed over.
 * @param reported pictures that were reported before
 * @throws ClipError IO if embeddings cannot be kept, WORKER, UNSUPPORTED
 */
export async function embedPictures(
  clip: Clip,
  pictures: readonly PictureInput[],
  {
    keep,
    orient = false,
    scaled = false,
  }: { readonly keep?: string; readonly orient?: boolean; readonly scaled?: boolean },
  progress: Progress,
  reported: EmbeddedPictures['failed'] = [],
): Promise<EmbeddedPictures> {
  const { precision } = clip.info();
  const maker = keep === undefined ? '' : (await rowMakers(clip, { normalize: false, orient, scaled })).file;
  const kept = keep === undefined ? undefined : await KeptEmbeddings.open(keep, precision, maker);
  const embeddings = pictures.map(({ name }) => kept?.get(name));
  const missing = embeddings.flatMap((embedding, i) => (embedding ? [] : [i]));
  const done = pictures.length - missing.length;
  if (done > 0) progress.line(`resuming: ${done} of ${pictures.length} embeddings in ${precision} are kept`);
  const failed: { file: string; error: unknown }[] = [];
  try {
    const reads = missing.map((i) => () => pictures[i]!.read());
    progress.show(`images, ${precision}`, done, pictures.length);
    for await (const { index, embedding, error } of clip.encodeImages(reads, { normalize: false, orient, scaled })) {
      const i = missing[index]!;
      const { name } = pictures[i]!;
      if (embedding) {
        embeddings[i] = embedding;
        await kept?.add(name, embedding);
      } else {
        failed.push({ file: name, error });
        if (!reported.some(({ file }) => file === name)) progress.line(`error: ${title(name)}: ${describe(error)}`);
      }
      progress.show(`images, ${precision}`, done + index + 1, pictures.length);
    }
  } finally {
    await kept?.close();
    progress.clear();
  }
  return { embeddings, failed };
}
