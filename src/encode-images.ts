/** Pictures to embeddings: read ahead, decoded, resized, cropped and computed in batches, each with its own result. */

import type { EncodedImage, EncodeImagesOptions } from './encoding.ts';
import { ClipError } from './errors.ts';
import { cropImage } from './image/crop.ts';
import type { TakenImage } from './image/input.ts';
import { type ImageLimits, imageLimits } from './image/limits.ts';
import { Lookahead, READ_AHEAD } from './lookahead.ts';
import type { PictureFlow, ReadPicture } from './picture-threads/flow.ts';
import { isForThread, isWholeForThread } from './picture-threads/formats.ts';
import type { Preparation } from './picture-threads/picture-thread.ts';
import { onAbort, untilAborted, yieldIfDue } from './scheduler.ts';
import type { Session } from './session.ts';

/**
 * Each picture's embedding or error, in order; the next are read meanwhile. Where there are threads that decode, a batch flows over
 * them; else what is computed together is read together, and decoded by this thread.
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
  // Aborted by the signal, and when the consumer leaves.
  const stop = new AbortController();
  const forget = signal && onAbort(signal, () => stop.abort(signal.reason));
  const call = { ...options, signal: stop.signal };
  const ahead = new Lookahead(source, READ_AHEAD * slots, async (item: I) =>
    readAhead(session, await open(item), call, total > 1),
  );
  const flow = total > 1 ? pictureFlow(session, ahead, call) : undefined;
  let flowing: Promise<void> | undefined;
  try {
    for (let index = 0; ; ) {
      signal?.throwIfAborted();
      const done = flow?.take(index);
      if (done) {
        if (done.status === 'rejected') session.alive(); // that it was disposed of is not the picture's own failure
        yield encoded(index++, done);
        continue;
      }
      if (flow && flowing) {
        await untilAborted(flow.progress(flowing), signal);
        continue;
      }
      await ahead.gather(1, signal);
      const first = index === 0 && !isLarge(ahead.peek());
      const wanted = session.images().next(Math.min(slots, total - index), first);
      const ready = await ahead.gather(wanted, signal);
      if (ready === 0) return;
      const images = session.images();
      const together = images.next(ready, first);
      if (flow?.usable && together > 1) {
        flowing = runFlow(session, flow, index, stop.signal).finally(() => {
          flowing = undefined;
        });
        flowing.catch(() => {}); // it is awaited above, unless the consumer leaves
        continue;
      }
      const group = Array.from({ length: together }, () => ahead.shift()!);
      for (const outcome of await session.run(() => encodeGroup(session, group, call), signal)) {
        yield encoded(index++, outcome);
      }
    }
  } finally {
    forget?.();
    stop.abort(new DOMException('the pictures are not wanted any more', 'AbortError'));
    await ahead.close();
  }
}

/** Bytes of a file that takes longer to decode than to compute. */
const LARGE_FILE = 1 << 20;

/** Whether a picture would keep threads waiting if it were alone, more than the measured products are worth. */
const isLarge = (picture: PromiseSettledResult<ReadPicture> | undefined): boolean =>
  picture?.status === 'fulfilled' &&
  !(picture.value instanceof Uint8Array) &&
  (picture.value.bytes?.length ?? 0) >= LARGE_FILE;

const encoded = (index: number, outcome: PromiseSettledResult<Float32Array>): EncodedImage =>
  outcome.status === 'fulfilled' ? { index, embedding: outcome.value } : { index, error: outcome.reason };

/** The batch on the threads that decode, where there are any. */
function pictureFlow(
  session: Session,
  ahead: Pick<Lookahead<unknown, ReadPicture>, 'shift' | 'head' | 'isOver'>,
  options: EncodeImagesOptions & { readonly signal: AbortSignal },
): PictureFlow | undefined {
  const { signal, normalize } = options;
  return session.images().threads?.flow({
    ahead,
    preparation: preparation(session, options),
    signal,
    take: (embedding) => session.take(session.images().receive(embedding), normalize),
  });
}

/** Lets the batch flow, from this picture on, while no other call waits for the model. */
function runFlow(session: Session, flow: PictureFlow, index: number, signal: AbortSignal): Promise<void> {
  return session.run(async () => {
    const { scheduler } = session;
    scheduler.onWaiting = () => flow.wake();
    try {
      const slots = session.images().batchSlots(session.alive().config.embedDim);
      await flow.run(index, slots, () => scheduler.isAwaited);
    } finally {
      scheduler.onWaiting = undefined;
    }
  }, signal);
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

/**
 * Files that are elsewhere are read before the model is occupied. Where there are threads, one decodes what is collected first: the
 * files of a batch, and a lone file that is decoded in one call. All else is decoded here as it comes: without threads, or what is
 * large, slow or of a format that a thread does not know. (A thread that read it would wait for the network, and other calls for it.)
 */
async function readAhead(
  session: Session,
  image: TakenImage,
  options: EncodeImagesOptions,
  inBatch: boolean,
): Promise<ReadPicture> {
  if (inBatch && session.images().threads) return readForThread(session, image, options);
  if (!image.pieces) return image;
  if (!session.images().threads) return cropOf(session, image, options);
  const { collectWhole } = await import('./model/threading.ts');
  const picture = await collectWhole(image, limitsOf(session, options), options.signal, isWholeForThread);
  return picture.bytes ? picture : cropOf(session, picture, options);
}

async function readForThread(session: Session, image: TakenImage, options: EncodeImagesOptions): Promise<ReadPicture> {
  if (image.pixels) return image;
  if (image.bytes) return (await isForThread(image.bytes)) ? image : cropOf(session, image, options);
  const { collectPieces } = await import('./model/threading.ts');
  const picture = await collectPieces(image, limitsOf(session, options), options.signal);
  return picture.bytes && (await isForThread(picture.bytes)) ? picture : cropOf(session, picture, options);
}

async function cropOf(session: Session, image: TakenImage, options: EncodeImagesOptions): Promise<Uint8Array> {
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
  if (picture instanceof Uint8Array) {
    place().set(picture);
    return;
  }
  const { threads } = session.images();
  if (threads && picture.bytes && (await isWholeForThread(picture.bytes))) {
    const crop = await threads.withOne((thread) =>
      thread.take(picture, preparation(session, options), undefined, options.signal),
    );
    if (crop) {
      place().set(crop);
      return;
    }
  }
  await cropTo(place, session, picture, options);
}

/** Decodes, resizes and crops a picture to RGB bytes at `to`. */
async function cropTo(
  to: Uint8Array | (() => Uint8Array),
  session: Session,
  image: TakenImage,
  options: EncodeImagesOptions,
): Promise<void> {
  const { options: decoding, config } = preparation(session, options);
  await cropImage(image, { ...decoding, signal: options.signal }, config, (write) =>
    write(typeof to === 'function' ? to() : to),
  );
}

function preparation(session: Session, options: EncodeImagesOptions): Preparation {
  const { orient, scaled } = options;
  return { options: { orient, scaled, ...limitsOf(session, options) }, config: session.alive().preprocess };
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
