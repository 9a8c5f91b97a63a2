/**
 * What callers may pass as a picture, and the copy that is made at the call, so that later changes do not matter. Types are
 * recognized by their tags rather than by `instanceof`, since runtimes and test runners mix realms.
 */
import { readFileUrl } from '#platform';
import { ClipError } from '../errors.ts';
import { fetchReason } from '../fetch-reason.ts';
import { type BlobLike, blobPieces } from './blob.ts';
import { type BodyLike, bodyPieces, PIECE, type Pieces, type ReadableStreamLike, streamPieces } from './body.ts';
import { checkBytes, DEFAULT_MAX_BYTES, type ImageLimits } from './limits.ts';
import { checkPixelTypes, pixelBytes, type RawPixels } from './raw-image.ts';

/** The bytes of a file in memory, e.g. a Node.js `Buffer`. A view counts for its own part of the buffer only. */
export type FileBytes =
  | Uint8Array
  | Uint8ClampedArray
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | DataView
  | ArrayBuffer
  | SharedArrayBuffer;

export type { BlobLike } from './blob.ts';

/** A `URL`: `http:`, `https:`, `data:` and `blob:` are fetched; `file:` is read where there are files. */
export interface UrlLike {
  readonly href: string;
  readonly protocol: string;
  readonly searchParams: object;
}

/**
 * A picture: a JPEG, PNG or WebP file, as bytes, `Blob`, `URL`, `ReadableStream` of bytes, `Response` or (for its body)
 * `Request`; or pixels, as {@link RawPixels} or an `ImageData`.
 */
export type ImageInput = FileBytes | BlobLike | UrlLike | ReadableStreamLike | BodyLike | RawPixels;

/** Opens a file in pieces. `most`: bytes of a piece where it is ours to choose. */
type OpenPieces = (limits: ImageLimits, signal?: AbortSignal, most?: number) => Pieces;

/** A snapshot of a picture, made by {@link takeImage}: later changes to the input do not matter. One of the first three fields is set. */
export class TakenImage {
  /** A copy of the file's bytes. */
  readonly bytes: Uint8Array | undefined;
  /** A copy of the pixels. */
  readonly pixels: RawPixels | undefined;
  /** The file in pieces: once only, for a stream or body. */
  readonly pieces: OpenPieces | undefined;
  /** Opens the file anew, from its beginning, if it can be read more than once. */
  readonly again: OpenPieces | undefined;

  constructor(content: Partial<Pick<TakenImage, 'bytes' | 'pixels' | 'pieces' | 'again'>>) {
    this.bytes = content.bytes;
    this.pixels = content.pixels;
    this.pieces = content.pieces;
    this.again = content.again;
  }
}

/**
 * Takes a picture at the call: checks its type and copies what the caller could change later. Bytes and pixels are copied
 * (bytes beyond `maxBytes` are not: decoding refuses them), and so is a URL's address. A `Blob`, stream, `Response` or
 * `Request` is held and read when the picture is decoded; nothing else should read from it.
 *
 * @param maxBytes maximum number of bytes of a file that are copied. Default 134,217,728
 * @throws TypeError for anything else, saying what came and what to do; for a stream or body that is locked or used
 * @example
 * const taken = takeImage(frame);
 * frame.fill(0); // changes nothing
 * const image = await decodeImage(taken);
 */
export function takeImage(input: ImageInput, maxBytes: number = DEFAULT_MAX_BYTES): TakenImage {
  const bytes = bytesOf(input);
  if (bytes) return new TakenImage({ bytes: bytes.length > maxBytes ? bytes : new Uint8Array(bytes) });
  const pieces = readerOf(input);
  if (pieces) return new TakenImage({ pieces, again: isKept(input) ? pieces : undefined });
  const pixels = pixelsOf(input);
  return new TakenImage({ pixels: { ...pixels, data: new Uint8Array(pixelBytes(pixels.data)) } });
}

/**
 * The pixels of `input`, not copied, if it has any: for a caller that uses them at once.
 * @throws TypeError if `input` is none of the accepted types
 */
export function pixelsAtOnce(input: ImageInput): RawPixels | undefined {
  return bytesOf(input) || readerOf(input) ? undefined : pixelsOf(input);
}

/** The tag of a value, e.g. `Uint8Array`: the same for another realm's. */
function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** A view of a file's bytes in memory. A float array is refused: it holds pixels or an embedding, never a file. */
function bytesOf(input: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(input)) {
    const tag = tagOf(input);
    if (/^Float/.test(tag)) throw refused(`a ${tag}`, 'for pixels, pass { data, width, height } with values 0..255');
    return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  }
  const tag = tagOf(input);
  return tag === 'ArrayBuffer' || tag === 'SharedArrayBuffer' ? new Uint8Array(input as ArrayBuffer) : undefined;
}

/** Whether a file that is not in memory is kept where it is, a `Blob` or a `file:` URL, so that it can be read again. */
const isKept = (input: unknown): boolean =>
  tagOf(input) === 'URL' ? (input as URL).protocol === 'file:' : isFunction(input as object, 'slice');

/** How to read a file that is not in memory. */
function readerOf(input: unknown): OpenPieces | undefined {
  if (typeof input !== 'object' || input === null) return undefined;
  const tag = tagOf(input);
  if (tag === 'URL') return urlReader((input as URL).href);
  if ('body' in input && isFunction(input, 'arrayBuffer')) {
    const body = input as BodyLike;
    const what = tag === 'Request' || 'method' in input ? 'Request' : 'Response';
    if (what === 'Request' && !body.body)
      throw refused('a Request without a body', 'fetch it first and pass the Response');
    checkUnused(what, body);
    return (limits, signal, most) => {
      checkUnused(what, body);
      return bodyPieces(body, `the ${what}`, limits, signal, most);
    };
  }
  if (isFunction(input, 'getReader')) {
    const stream = input as ReadableStreamLike;
    checkUnlocked('stream', stream);
    return (limits, signal, most) => {
      checkUnlocked('stream', stream);
      return streamPieces(stream, 'the stream', limits, signal, most);
    };
  }
  if (isFunction(input, 'arrayBuffer') && typeof (input as BlobLike).size === 'number') {
    return (limits, signal, most) => blobPieces(input as BlobLike, limits, signal, most);
  }
  return undefined;
}

function urlReader(href: string): OpenPieces {
  const { protocol } = new URL(href);
  if (protocol === 'file:')
    return (limits, _, most = PIECE) => readFileUrl(href, most, (bytes) => checkBytes(bytes, limits));
  if (!/^(https?|data|blob):$/.test(protocol)) {
    throw refused(`a URL that begins with ${protocol}`, 'use http:, https:, data:, blob: or file:');
  }
  return async function* (limits, signal, most) {
    const shown = href.length > 200 ? `${href.slice(0, 200)}...` : href;
    const response = await fetch(href, signal ? { signal } : {}).catch((cause) => {
      signal?.throwIfAborted();
      throw new ClipError('IO', `cannot fetch "${shown}": ${fetchReason(cause)}`, { cause });
    });
    yield* bodyPieces(response, `"${shown}"`, limits, signal, most);
  };
}

function checkUnused(what: string, { body, bodyUsed }: BodyLike): void {
  if (bodyUsed) throw refused(`a ${what} whose body was read already`, 'pass a clone() made before, or the bytes');
  if (body) checkUnlocked(`${what} body`, body);
}

function checkUnlocked(what: string, { locked }: Partial<ReadableStreamLike>): void {
  if (locked) throw refused(`a ${what} that is locked by another reader`, 'release it, or pass the bytes');
}

/** @throws TypeError unless `input` has the fields of raw pixels, with the right types */
function pixelsOf(input: unknown): RawPixels {
  const wrong = misuse(input);
  if (wrong) throw refused(...wrong);
  const { data, width, height, channels } = input as RawPixels;
  const pixels = channels === undefined ? { data, width, height } : { data, width, height, channels };
  checkPixelTypes(pixels);
  return pixels;
}

/** What is wrong with a value that is not a picture, and what to do; undefined if it has the fields of raw pixels. */
function misuse(input: unknown): [found: string, advice: string] | undefined {
  const pass = 'pass the bytes of a file, a Blob, URL, Response or ReadableStream, or { data, width, height }';
  if (typeof input === 'string') return [`a string (${quote(input)})`, stringAdvice(input)];
  if (input === null || input === undefined) return [String(input), pass];
  if (typeof input === 'function')
    return ['a function', 'call it and pass its result, or pass it to encodeImages in a list'];
  if (typeof input !== 'object') return [`a ${typeof input}`, pass];
  const tag = tagOf(input);
  if (Array.isArray(input)) {
    const numbers = typeof input[0] === 'number';
    return numbers
      ? ['an array of numbers', 'use Uint8Array.from(..) for the bytes of a file']
      : ['an array', 'pass one picture here'];
  }
  if (isFunction(input, 'then')) return ['a Promise', 'await it'];
  if (/^HTML|^SVG|^OffscreenCanvas$|^ImageBitmap$|^VideoFrame$/.test(tag) || isFunction(input, 'getContext')) {
    const name = tag === 'Object' ? 'a canvas' : `an ${tag}`;
    return [name, 'draw it on a canvas and pass getImageData(..), or pass the file it came from'];
  }
  if (isFunction(input, 'pipe')) return ['a Node.js stream', 'pass Readable.toWeb(stream), or read it first'];
  if (isFunction(input, 'readFile') && isFunction(input, 'stat')) {
    return ['a FileHandle', 'pass await handle.readFile()'];
  }
  const fields = ['data', 'width', 'height'].filter((name) => !(name in input));
  if (fields.length === 0) return undefined;
  if ('data' in input && 'info' in input) return ['{ data, info }', 'pass { data, ...info }'];
  if ('data' in input && 'type' in input && input.type === 'Buffer') {
    return ['a Buffer that went through JSON', 'use Uint8Array.from(image.data)'];
  }
  if (fields.length < 3) return [`raw pixels without ${fields.join(' and ')}`, 'pass { data, width, height }'];
  return [tag === 'Object' ? `an object with ${fieldNames(input)}` : `a ${tag}`, pass];
}

function stringAdvice(text: string): string {
  if (/^(https?|data|blob|file):/i.test(text)) return 'pass new URL(..) of it to have it read';
  return 'read the file first, e.g. await readFile(path), or pass a URL';
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}

function fieldNames(value: object): string {
  const names = Object.keys(value);
  if (names.length === 0) return 'no fields';
  return `the fields ${names.slice(0, 5).join(', ')}${names.length > 5 ? ', ...' : ''}`;
}

function isFunction(value: object, name: string): boolean {
  return typeof (value as Record<string, unknown>)[name] === 'function';
}

function refused(found: string, advice: string): TypeError {
  return new TypeError(`an image cannot be ${found}: ${advice}`);
}
