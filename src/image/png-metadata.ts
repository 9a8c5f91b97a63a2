/** EXIF and XMP in the chunks of a PNG file, found where Pillow 13 finds them (PngImagePlugin, Image.getexif). */
import type { Metadata } from './orientation.ts';
import type { PngChunk } from './png.ts';

const XMP = 'XML:com.adobe.xmp';
/** ImageMagick's way of keeping EXIF: hexadecimal text after a line with the name and one with the length. */
const RAW_PROFILE = 'Raw profile type exif';
/** Maximum number of bytes of an inflated text, as in Pillow (MAX_TEXT_CHUNK). */
const MAX_TEXT = 1_048_576;

/** The last chunk of a kind counts; `eXIf` (or a text named `exif`) comes before the raw profile. */
export async function pngMetadata(chunks: readonly PngChunk[]): Promise<Metadata> {
  let exif: Uint8Array | undefined;
  let profile: Uint8Array | undefined;
  let xmp: Uint8Array | undefined;
  for (const { type, body } of chunks) {
    if (type === 'eXIf') {
      exif = body;
      continue;
    }
    const nul = body.indexOf(0);
    const keyword = latin1(body.subarray(0, Math.max(nul, 0)));
    if (keyword === 'exif' && type === 'tEXt') exif = body.subarray(nul + 1);
    if (keyword !== XMP && keyword !== RAW_PROFILE) continue;
    const text = await textOf(type, body.subarray(nul + 1));
    if (keyword === XMP) xmp = text ?? xmp;
    else profile = (text && rawProfile(latin1(text))) ?? profile;
  }
  return { exif: exif ?? profile, xmp };
}

/** The text behind the keyword of a text chunk (PNG specification, 11.3.3); undefined if it cannot be read. */
async function textOf(type: string, rest: Uint8Array): Promise<Uint8Array | undefined> {
  if (type === 'tEXt') return rest;
  if (type === 'zTXt') return rest[0] === 0 ? inflate(rest.subarray(1)) : undefined;
  // iTXt: compression flag, method, language and translated keyword, each ended by a zero byte.
  const [compressed, method] = rest;
  const language = rest.indexOf(0, 2);
  const translated = language < 0 ? -1 : rest.indexOf(0, language + 1);
  if (translated < 0) return undefined;
  const text = rest.subarray(translated + 1);
  if (compressed === 0) return text;
  return method === 0 ? inflate(text) : undefined;
}

/** The bytes of a raw profile; undefined if they are not hexadecimal. */
function rawProfile(text: string): Uint8Array | undefined {
  const hex = text.split('\n').slice(3).join('').replace(/\s/g, '');
  if (hex.length % 2 !== 0 || /[^0-9a-f]/i.test(hex)) return undefined;
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

/** Inflates a zlib stream; undefined if it is damaged or becomes too large, or where the runtime cannot inflate. */
async function inflate(bytes: Uint8Array): Promise<Uint8Array | undefined> {
  if (typeof DecompressionStream === 'undefined') return undefined;
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream('deflate'));
  const reader = stream.getReader();
  const text = new Uint8Array(MAX_TEXT);
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text.subarray(0, length);
      if (length + value.length > MAX_TEXT) {
        await reader.cancel();
        return undefined;
      }
      text.set(value, length);
      length += value.length;
    }
  } catch {
    return undefined;
  }
}

function latin1(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes);
}
