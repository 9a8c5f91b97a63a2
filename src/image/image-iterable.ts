/** What pictures can come from, one after the other: told apart from what is one picture, or the bytes of one. */
import { kindOf } from '../options.ts';

/** @throws TypeError unless pictures can come from it: a string and the bytes of one picture are iterable too */
export function checkImageIterable(images: unknown): void {
  const isOne = typeof images === 'string' || ArrayBuffer.isView(images);
  const isSource =
    Object(images) === images && (Symbol.iterator in (images as object) || Symbol.asyncIterator in (images as object));
  const advice = byteStreamAdvice(images);
  if (advice !== undefined) throw new TypeError(`encodeImages: expected an iterable of pictures, got ${advice}`);
  if (isOne || !isSource) {
    throw new TypeError(
      `encodeImages: expected an iterable of pictures, got ${kindOf(images)}: for one picture use encodeImage`,
    );
  }
}

/** A stream of one file's bytes: its chunks are not pictures. Streams of objects may be. */
function byteStreamAdvice(images: unknown): string | undefined {
  if (Object(images) !== images) return undefined;
  const { pipe, readableObjectMode, getReader, locked } = images as Record<string, unknown>;
  if (typeof pipe === 'function' && readableObjectMode === false) {
    return 'a Node.js stream of bytes: read it first, or pass [Readable.toWeb(stream)]';
  }
  if (typeof getReader !== 'function' || locked === true) return undefined;
  try {
    // Only a stream of bytes has such a reader.
    (images as ReadableStream).getReader({ mode: 'byob' }).releaseLock();
    return 'a stream of bytes: pass it to encodeImage, or in a list: encodeImages([stream])';
  } catch {
    return undefined;
  }
}
