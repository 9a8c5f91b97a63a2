/** Pictures to embeddings: read ahead, decoded, resized, cropped and computed in batches, each with its own result. */

import type { EncodedImage, EncodeImagesOptions } from './encoding.ts';
import { ClipError } from './errors.ts';
import { cropImage } from './image/crop.ts';
import type { TakenImage } from './image/input.ts';
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
  limitsOf(session, options); // wrong ones are refused before anything is read
  const { slots } = session.images();
  const ahead = new Lookahead(source, READ_AHEAD * slots, async (item: I) =>
    readAhead(session, await open(item), options),
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
  group: readonly PromiseSettledResult<ReadPicture>[],
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
      await prepare(session, picture.value, prepared.length, options);
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

/** A picture in memory, or the crop of one that came as a stream: u8[size, size, 3]. */
type ReadPicture = TakenImage | Uint8Array;

/** Files that are elsewhere are read before the model is occupied: decoded as they come, so that none is held as a whole. */
async function readAhead(session: Session, image: TakenImage, options: EncodeImagesOptions): Promise<ReadPicture> {
  if (!image.pieces) return image;
  const { size } = session.alive().preprocess;
  const crop = new Uint8Array(size * size * 3);
  await cropTo(crop, session, image, options);
  return crop;
}

/** Puts the crop of a picture where its slot's pixels go. */
async function prepare(
  session: Session,
  picture: ReadPicture,
  slot: number,
  options: EncodeImagesOptions,
): Promise<void> {
  const { size } = session.alive().preprocess;
  const place = () => {
    const at = session.images().pixels(slot);
    return session.alive().engine.bytes.subarray(at, at + size * size * 3);
  };
  if (picture instanceof Uint8Array) place().set(picture);
  else await cropTo(place, session, picture, options);
}

/** Decodes, resizes and crops a picture to RGB bytes at `to`. */
async function cropTo(
  to: Uint8Array | (() => Uint8Array),
  session: Session,
  image: TakenImage,
  options: EncodeImagesOptions,
): Promise<void> {
  const { orient, scaled, signal } = options;
  const limits = limitsOf(session, options);
  await cropImage(image, { orient, scaled, signal, ...limits }, session.alive().preprocess, (write) =>
    write(typeof to === 'function' ? to() : to),
  );
}

/** The call's limits, which cannot exceed those of loading. */
function limitsOf(session: Session, options: EncodeImagesOptions): ImageLimits {
  const loaded = session.alive().maxPixels; // may be above the default
  const { maxPixels, maxBytes } = imageLimits({ ...options, maxPixels: options.maxPixels ?? loaded });
  return { maxPixels: Math.min(maxPixels, loaded), maxBytes };
}

/** The result of a picture whose worker died; the next call starts new workers. */
function lost(cause?: ClipError): ClipError {
  const why = cause === undefined ? 'with a worker thread that died' : `(${cause.message})`;
  return new ClipError('WORKER', `the embedding was lost ${why}`, { cause });
}
