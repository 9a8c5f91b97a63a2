/** Files that come in pieces, collected before they are decoded elsewhere. */

import { concatenate } from '../bytes.ts';
import { firstBytes, joinPieces, type Pieces } from './body.ts';
import { TakenImage } from './input.ts';
import type { ImageLimits } from './limits.ts';

/** Bytes that are collected at most: a photo of 12 megapixels has three million. */
const MOST_BYTES = 16 << 20;
/** Bytes to ask for at once, so that most files are read in one go. */
const PIECE_BYTES = 4 << 20;
/** A file that pauses for this long is not collected any more. */
const PAUSE_MS = 1000;

/**
 * Collects the pieces of a file.
 * @returns its bytes; or its pieces, those that came and those that will, if it is large, slow, without an end, or fails
 */
export async function collectPieces(
  { pieces, again }: TakenImage,
  limits: ImageLimits,
  signal?: AbortSignal,
): Promise<TakenImage> {
  const source = pieces!(limits, signal, PIECE_BYTES);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < MOST_BYTES) {
    const next = source.next();
    const result = await soon(next);
    if (result === undefined) return unfinished(parts, source, again, next);
    if (result.done) return new TakenImage({ bytes: parts.length === 1 ? parts[0]! : concatenate(parts) });
    parts.push(result.value.slice()); // it is only valid until the next
    bytes += result.value.length;
  }
  return unfinished(parts, source, again);
}

/**
 * Collects a file that is to be decoded as a whole.
 * @param isWhole tells so by its first bytes
 * @returns its bytes; or the pieces of any other file
 */
export async function collectWhole(
  { pieces, again }: TakenImage,
  limits: ImageLimits,
  signal: AbortSignal | undefined,
  isWhole: (first: Uint8Array) => boolean | Promise<boolean>,
): Promise<TakenImage> {
  const source = pieces!(limits, signal);
  const first = await firstBytes(source);
  return (await isWhole(first))
    ? new TakenImage({ bytes: await joinPieces(source, first) })
    : unfinished([first], source, again);
}

/** What comes without a pause; undefined for what fails or comes later. */
async function soon<T>(next: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PAUSE_MS);
  });
  try {
    return await Promise.race([next, late]);
  } catch {
    return undefined; // whoever asks for the pieces gets the error in its place
  } finally {
    clearTimeout(timer);
  }
}

/** @param next the piece that was asked for */
function unfinished(
  parts: readonly Uint8Array[],
  source: Pieces,
  again: TakenImage['again'],
  next?: ReturnType<Pieces['next']>,
): TakenImage {
  next?.catch(() => {});
  const pieces = async function* (): Pieces {
    try {
      yield* parts;
      const result = await next;
      if (result?.done) return;
      if (result) yield result.value;
      yield* source;
    } finally {
      await source.return();
    }
  };
  return new TakenImage({ pieces, again });
}
