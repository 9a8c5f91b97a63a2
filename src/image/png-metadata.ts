/** EXIF and XMP in the chunks of a PNG file, found where Pillow 13 finds them (PngImagePlugin, Image.getexif). */
import { concatenate } from '../bytes.ts';
import { yieldIfDue } from '../scheduler.ts';
import { Inflater } from './inflater.ts';
import type { Metadata } from './orientation.ts';
import { chunkType, IEND, PngChunks } from './png-chunks.ts';
import { CHUNKS_AT_A_TIME } from './png-data.ts';
import type { Step } from './rows.ts';
import type { Workspace } from './workspace.ts';

const EXIF = chunkType('eXIf');
const TEXT = chunkType('tEXt');
const COMPRESSED_TEXT = chunkType('zTXt');
const INTERNATIONAL_TEXT = chunkType('iTXt');

const XMP = 'XML:com.adobe.xmp';
/** ImageMagick's way of keeping EXIF: hexadecimal text after a line with the name and one with the length. */
const RAW_PROFILE = 'Raw profile type exif';
/** Longest keyword (PNG specification, 11.3.3.2), and the zero behind it. */
const KEYWORD_BYTES = 80;
/** Maximum number of bytes of a text, and of all texts of a file, as in Pillow (MAX_TEXT_CHUNK, MAX_TEXT_MEMORY). */
const MAX_TEXT = 1_048_576;
const MAX_TEXTS = 67_108_864;

/**
 * Reads a whole file, of which nothing but these chunks is kept.
 * @param next the next bytes of the file; undefined after the last. They must not change until it is called again
 * @throws what `next` throws; the signal's reason
 */
export async function readPngMetadata(
  workspace: Workspace,
  next: () => Promise<Uint8Array | undefined>,
  signal: AbortSignal | undefined,
): Promise<Metadata> {
  const chunks = new PngChunks();
  const steps = pngMetadata(chunks, workspace);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (value !== 'input') {
      await yieldIfDue(signal);
      continue;
    }
    const bytes = await next();
    signal?.throwIfAborted();
    if (bytes) chunks.push(bytes);
    else chunks.end();
  }
}

/**
 * What the chunks of a whole file say. The last of a kind counts; `eXIf` (or a text named `exif`) comes before the raw profile.
 * Takes a few steps if there are many chunks.
 */
export function* pngMetadata(chunks: PngChunks, workspace: Workspace): Generator<Step, Metadata> {
  let exif: Uint8Array | undefined;
  let profile: Uint8Array | undefined;
  let xmp: Uint8Array | undefined;
  const texts = new Texts(workspace);
  for (let passed = 1; ; passed++) {
    let found = chunks.next();
    for (; !found && !chunks.isComplete; found = chunks.next()) yield 'input';
    const { type } = chunks;
    if (!found || type === IEND) break;
    if (passed % CHUNKS_AT_A_TIME === 0) yield 'busy';
    if (type !== EXIF && type !== TEXT && type !== COMPRESSED_TEXT && type !== INTERNATIONAL_TEXT) continue;
    const body = yield* wholeContent(chunks);
    if (!body) break;
    if (type === EXIF) {
      exif = body;
      continue;
    }
    const nul = body.subarray(0, KEYWORD_BYTES).indexOf(0);
    const keyword = latin1(body.subarray(0, Math.max(nul, 0)));
    if (keyword === 'exif' && type === TEXT) exif = body.subarray(nul + 1);
    if (keyword !== XMP && keyword !== RAW_PROFILE) continue;
    const text = texts.read(type, body.subarray(nul + 1));
    if (keyword === XMP) xmp = text ?? xmp;
    else profile = (text && rawProfile(latin1(text))) ?? profile;
    yield 'busy';
  }
  return { exif: exif ?? profile, xmp };
}

/** The content of the chunk; undefined if the file ends before its checksum, which is not looked at. */
function* wholeContent(chunks: PngChunks): Generator<Step, Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  while (chunks.left > 0) {
    const part = chunks.content(chunks.left);
    if (part) parts.push(part.slice());
    else if (chunks.isComplete) return undefined;
    else yield 'input';
  }
  while (chunks.sum() === undefined) {
    if (chunks.isComplete) return undefined;
    yield 'input';
  }
  return parts.length === 1 ? parts[0] : concatenate(parts);
}

/** Texts of a file, within the limits. */
class Texts {
  readonly #workspace: Workspace;
  #inflater: Inflater | undefined;
  #left = MAX_TEXTS;

  constructor(workspace: Workspace) {
    this.#workspace = workspace;
  }

  /** The text behind the keyword of a chunk (PNG specification, 11.3.3); undefined if it cannot be read or is too long. */
  read(type: number, rest: Uint8Array): Uint8Array | undefined {
    if (type === TEXT) return this.#plain(rest);
    if (type === COMPRESSED_TEXT) return rest[0] === 0 ? this.#inflate(rest.subarray(1)) : undefined;
    // iTXt: compression flag, method, language and translated keyword, each ended by a zero byte.
    const [compressed, method] = rest;
    const language = rest.indexOf(0, 2);
    const translated = language < 0 ? -1 : rest.indexOf(0, language + 1);
    if (translated < 0) return undefined;
    const text = rest.subarray(translated + 1);
    if (compressed === 0) return this.#plain(text);
    return method === 0 ? this.#inflate(text) : undefined;
  }

  #plain(text: Uint8Array): Uint8Array | undefined {
    this.#left -= text.length;
    return text.length <= MAX_TEXT && this.#left >= 0 ? text : undefined;
  }

  /** Undefined if the stream is damaged, incomplete or too long. */
  #inflate(bytes: Uint8Array): Uint8Array | undefined {
    if (this.#left <= 0) return undefined;
    this.#inflater ??= new Inflater(this.#workspace, 0);
    const inflater = this.#inflater;
    inflater.restart();
    const text = new Uint8Array(MAX_TEXT);
    let length = 0;
    for (let at = 0; ; ) {
      const fed = bytes.subarray(at, at + inflater.room);
      inflater.feed(fed, 0);
      at += fed.length;
      for (let result = inflater.run(MAX_TEXT); ; result = inflater.run(MAX_TEXT)) {
        const count = inflater.available;
        this.#left -= count;
        if (length + count > MAX_TEXT) return undefined;
        text.set(this.#workspace.bytes.subarray(inflater.at, inflater.at + count), length);
        length += count;
        inflater.take(count);
        if (result === 'done') return inflater.isIntact ? text.slice(0, length) : undefined;
        if (result === 'damaged' || (result === 'input' && at === bytes.length)) return undefined;
        if (result === 'input') break;
      }
    }
  }
}

/** The bytes of a raw profile; undefined if they are not hexadecimal. */
function rawProfile(text: string): Uint8Array | undefined {
  const hex = text.split('\n').slice(3).join('').replace(/\s/g, '');
  if (hex.length % 2 !== 0 || /[^0-9a-f]/i.test(hex)) return undefined;
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function latin1(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes);
}
