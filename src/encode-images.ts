/** Pictures to embeddings: read ahead, decoded, resized, cropped and computed in batches, each with its own result. */

import type { EncodedImage, EncodeImagesOptions } from './encoding.ts';
import type { Pointer } from './engine/kernels.ts';
import { ClipError } from './errors.ts';
import { cropImage } from './image/crop.ts';
import { TakenImage } from './image/input.ts';
import { type ImageLimits, imageLimits } from './image/limits.ts';
import { Lookahead, READ_AHEAD } from './lookahead.ts';
import { yieldIfDue } from './scheduler.ts';
import type { Session } from './session.ts';

/**
 * Each picture's embedding or error, in order: what is computed together is read together, and the next are read meanwhile.
 * @param open gets the picture of an item; its failure is that picture's own
 * @param total how many items will come, if that is known
 * @throws what the source throws, after all pictures before it; ClipError WORKER, DISPOSED; the signal's reason
 */
export async function* encodeEach<I>(
  session: Session,
  source: Iterable<I> | AsyncIterable<I>,
  open: (item: I) => TakenImage | PromiseLike<TakenImage>,
  options: EncodeImagesOptions,
  total = Number.POSITIVE_INFINITY,
): AsyncGenerator<EncodedImage, void, undefined> {
  const { signal } = options;
  const limits = limitsOf(session, options);
  const { slots } = session.images();
  const ahead = new Lookahead(source, READ_AHEAD * slots, async (item: I) =>
    readBytes(await open(item), limits, signal),
  );
  try {
    for (let index = 0; ; ) {
      const wanted = session.images().next(Math.min(slots, total - index), index === 0);
      const some = await ahead.take(wanted, signal);
      if (some.length === 0) return;
      while (some.length > 0) {
        const group = some.splice(0, session.images().next(some.length, index === 0));
        for (const outcome of await session.run(() => encodeGroup(session, group, options), signal)) {
          if (outcome.status === 'fulfilled') yield { index: index++, embedding: outcome.value };
          else yield { index: index++, error: outcome.reason };
        }
      }
    }
  } finally {
    await ahead.close();
  }
}

/** Pictures that are computed together: each has its own result. */
async function encodeGroup(
  session: Session,
  group: readonly PromiseSettledResult<TakenImage>[],
  options: EncodeImagesOptions,
): Promise<PromiseSettledResult<Float32Array>[]> {
  const outcomes: PromiseSettledResult<Float32Array>[] = [];
  const prepared: number[] = [];
  for (const [i, picture] of group.entries()) {
    if (picture.status === 'rejected') {
      outcomes[i] = picture;
      continue;
    }
    await yieldIfDue(options.signal);
    try {
      await prepare(session, picture.value, session.images().pixels(prepared.length), options);
      prepared.push(i);
    } catch (reason) {
      session.alive(); // that it was disposed of is not the picture's own failure
      outcomes[i] = { status: 'rejected', reason };
    }
  }
  await yieldIfDue(options.signal);
  const images = session.images();
  if (prepared.length === 0) return outcomes;
  try {
    for (const [slot, embedding] of images.encode(prepared.length).entries()) {
      outcomes[prepared[slot]!] =
        embedding === undefined
          ? { status: 'rejected', reason: lost() }
          : { status: 'fulfilled', value: session.take(embedding, options.normalize) };
    }
  } catch (error) {
    const reason = error instanceof ClipError && error.code === 'WORKER' ? lost(error) : error;
    for (const i of prepared) outcomes[i] = { status: 'rejected', reason };
  }
  return outcomes;
}

/** Decodes, resizes and crops a picture to RGB bytes at `pixels`. */
async function prepare(
  session: Session,
  image: TakenImage,
  pixels: Pointer,
  options: EncodeImagesOptions,
): Promise<void> {
  const { preprocess } = session.alive();
  const { size } = preprocess;
  await cropImage(
    image,
    { orient: options.orient, scaled: options.scaled, ...limitsOf(session, options) },
    preprocess,
    (write) => write(session.alive().engine.bytes.subarray(pixels, pixels + size * size * 3)),
  );
}

/** The call's limits, which cannot exceed those of loading. */
function limitsOf(session: Session, options: EncodeImagesOptions): ImageLimits {
  const loaded = session.alive().maxPixels; // may be above the default
  const { maxPixels, maxBytes } = imageLimits({ ...options, maxPixels: options.maxPixels ?? loaded });
  return { maxPixels: Math.min(maxPixels, loaded), maxBytes };
}

/** The picture in memory: files that are elsewhere are read before the model is occupied. */
async function readBytes(image: TakenImage, limits: ImageLimits, signal?: AbortSignal): Promise<TakenImage> {
  return image.read ? new TakenImage({ bytes: await image.read(limits, signal) }) : image;
}

/** The result of a picture whose worker died; the next call starts new workers. */
function lost(cause?: ClipError): ClipError {
  const why = cause === undefined ? 'with a worker thread that died' : `(${cause.message})`;
  return new ClipError('WORKER', `the embedding was lost ${why}`, { cause });
}
