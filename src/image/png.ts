/**
 * The structure of a PNG file: size, kind, metadata; and a plain still PNG made of it for the decoder. That one has no
 * animation, no transparency (Pillow's convert("RGB") drops it and keeps the color) and nothing else that could make the
 * decoder fail.
 */
import { crc32 } from '../crc32.ts';
import { ClipError } from '../errors.ts';
import { hasText } from './bytes.ts';

/** Bytes before the first chunk, and around a chunk's data (length and type before, checksum after). */
const SIGNATURE = 8;
const BEFORE = 8;
const AFTER = 4;

/** Allowed bit depths by color type (PNG specification, table 11.1). */
const DEPTHS: { readonly [colorType: number]: readonly number[] } = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};

/** Types of chunks that may hold EXIF or XMP (png-metadata.ts). */
const METADATA: readonly string[] = ['eXIf', 'tEXt', 'zTXt', 'iTXt'];

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colorType: number;
}

export interface PngChunk {
  /** Type of the chunk, e.g. `tEXt`. */
  readonly type: string;
  readonly body: Uint8Array;
}

export interface PngContent extends PngHeader {
  /** Chunks that may hold EXIF or XMP, in the file's order. */
  readonly metadata: readonly PngChunk[];
  readonly palette: Uint8Array | undefined;
  /** Content of the IDAT chunks with the CRC in the file, undefined if the file ends before it. */
  readonly data: readonly { readonly bytes: Uint8Array; readonly sum: number | undefined }[];
  /** Whether the file ends before its IEND chunk. */
  readonly cut: boolean;
}

/** @throws ClipError IMAGE_TRUNCATED or IMAGE_FORMAT */
export function readPngHeader(bytes: Uint8Array): PngHeader {
  if (bytes.length < SIGNATURE + BEFORE + 13 + AFTER) {
    throw new ClipError(
      'IMAGE_TRUNCATED',
      `truncated PNG: the file ends after ${bytes.length} bytes, inside its header`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(SIGNATURE) !== 13 || !hasText(bytes, SIGNATURE + 4, 'IHDR'))
    throw damaged('the first chunk is not a header');
  checkSum(view, bytes, SIGNATURE, 13);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const [depth, colorType, compression, filter, interlace] = bytes.subarray(24, 29) as unknown as number[];
  if (
    !DEPTHS[colorType as number]?.includes(depth as number) ||
    compression !== 0 ||
    filter !== 0 ||
    (interlace as number) > 1
  ) {
    throw damaged(
      `a header with bit depth ${depth}, color type ${colorType}, methods ${compression}, ${filter}, ${interlace}`,
    );
  }
  return { width, height, depth: depth as number, colorType: colorType as number };
}

/** Reads all chunks. A file that ends early is reported, not refused: its picture data may still be complete. */
export function readPngContent(bytes: Uint8Array, header: PngHeader): PngContent {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data: { bytes: Uint8Array; sum: number | undefined }[] = [];
  let palette: Uint8Array | undefined;
  const metadata: PngChunk[] = [];
  let cut = true;
  for (let at = SIGNATURE; at + BEFORE <= bytes.length; ) {
    const length = view.getUint32(at);
    const start = at + BEFORE;
    const end = start + length;
    const content = bytes.subarray(start, end);
    const whole = end + AFTER <= bytes.length;
    if (hasText(bytes, at + 4, 'IDAT')) data.push({ bytes: content, sum: whole ? view.getUint32(end) : undefined });
    if (hasText(bytes, at + 4, 'IEND')) {
      cut = false;
      break;
    }
    if (!whole) break;
    if (hasText(bytes, at + 4, 'PLTE') && palette === undefined) {
      checkSum(view, bytes, at, length);
      palette = content;
    }
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + BEFORE));
    if (METADATA.includes(type)) metadata.push({ type, body: content });
    at = end + AFTER;
  }
  if (data.length === 0) {
    if (cut)
      throw new ClipError(
        'IMAGE_TRUNCATED',
        `truncated PNG: the file ends after ${bytes.length} bytes, before its picture data`,
      );
    throw damaged('no picture data');
  }
  return { ...header, metadata, palette, data, cut };
}

/** Gray of 16 bits: its two bytes per pixel pass through the decoder as gray and alpha, see {@link stillPng}. */
export function isGray16({ depth, colorType }: PngHeader): boolean {
  return depth === 16 && colorType === 0;
}

/**
 * A PNG with header, palette and data only. The data keep the file's checksums, which the decoder does not look at.
 *
 * Gray of 16 bits is relabelled as 8-bit gray with alpha: PNG's filters and interlacing work on bytes, so the decoder
 * returns both bytes of each sample unchanged. Both are needed because Pillow clips such samples at 255 (its I;16 to L)
 * where other decoders take the high byte.
 */
export function stillPng(original: Uint8Array, content: PngContent): Uint8Array {
  const palette = content.colorType === 3 ? fullPalette(content) : undefined;
  const size = content.data.reduce((sum, part) => sum + BEFORE + part.bytes.length + AFTER, 0);
  const bytes = new Uint8Array(33 + (palette ? BEFORE + palette.length + AFTER : 0) + size + BEFORE + AFTER);
  const view = new DataView(bytes.buffer);
  let at = SIGNATURE;
  const put = (type: string, body: Uint8Array, sum?: number) => {
    view.setUint32(at, body.length);
    for (let i = 0; i < 4; i++) bytes[at + 4 + i] = type.charCodeAt(i);
    bytes.set(body, at + BEFORE);
    const end = at + BEFORE + body.length;
    view.setUint32(end, sum ?? crc32(bytes.subarray(at + 4, end)));
    at = end + AFTER;
  };
  bytes.set(original.subarray(0, SIGNATURE));
  const header = new Uint8Array(original.subarray(16, 29)); // a copy
  if (isGray16(content)) header.set([8, 4], 8);
  put('IHDR', header);
  if (palette) put('PLTE', palette);
  for (const part of content.data) put('IDAT', part.bytes, part.sum ?? 0);
  put('IEND', new Uint8Array(0));
  return bytes;
}

/** One entry for each value of the bit depth. Entries that the file does not define are black, as in Pillow. */
function fullPalette({ palette, depth }: PngContent): Uint8Array {
  const full = new Uint8Array(3 * 2 ** depth);
  if (palette)
    full.set(palette.subarray(0, full.length - (full.length % 3)).subarray(0, palette.length - (palette.length % 3)));
  return full;
}

function damaged(what: string): ClipError {
  return new ClipError('IMAGE_FORMAT', `damaged PNG: ${what}`);
}

function checkSum(view: DataView, bytes: Uint8Array, chunk: number, length: number): void {
  const end = chunk + BEFORE + length;
  if (view.getUint32(end) !== crc32(bytes.subarray(chunk + 4, end))) {
    throw damaged(`wrong checksum in chunk ${String.fromCharCode(...bytes.subarray(chunk + 4, chunk + 8))}`);
  }
}

/**
 * Whether the picture data is intact. The decoder checks nothing, so flipped bits would become wrong pixels. As with
 * Pillow, a wrong CRC of a chunk is ignored if the checksum inside the compressed data (Adler-32) is right; that costs
 * inflating it once more, so it is checked only then.
 */
export async function isDataIntact({ data, cut }: PngContent): Promise<boolean> {
  const wrong = data.some(({ bytes, sum }) => sum !== undefined && crc32(bytes, IDAT_CRC) !== sum);
  if (!wrong) return true;
  if (cut || typeof DecompressionStream === 'undefined') return false;
  const inflated = new Blob(data.map(({ bytes }) => bytes as Uint8Array<ArrayBuffer>))
    .stream()
    .pipeThrough(new DecompressionStream('deflate'))
    .getReader();
  try {
    while (!(await inflated.read()).done);
    return true;
  } catch {
    return false;
  }
}

/** The CRC register behind the letters IDAT: a chunk's sum covers its type and its content. */
const IDAT_CRC = 0x35af061e;
