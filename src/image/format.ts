/** Which format bytes are in, by their first bytes; and a name for what they are instead. */
import { ClipError } from '../errors.ts';

export type ImageFormat = 'jpeg' | 'png' | 'webp';

/** Signatures of formats that people try and this package does not read. `at` is the offset of the text. */
const OTHERS: readonly { name: string; at: number; texts: readonly string[] }[] = [
  { name: 'GIF', at: 0, texts: ['GIF87a', 'GIF89a'] },
  { name: 'AVIF', at: 4, texts: ['ftypavif', 'ftypavis'] },
  { name: 'HEIC', at: 4, texts: ['ftyphei', 'ftyphev', 'ftypmif1', 'ftypmsf1'] },
  { name: 'MP4 video', at: 4, texts: ['ftyp'] },
  { name: 'TIFF', at: 0, texts: ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'] },
  { name: 'JPEG XL', at: 0, texts: ['\xff\x0a', '\0\0\0\x0cJXL '] },
  { name: 'JPEG 2000', at: 0, texts: ['\0\0\0\x0cjP  ', '\xff\x4f\xff\x51'] },
  { name: 'icon (ICO)', at: 0, texts: ['\0\0\x01\0'] },
  { name: 'Photoshop (PSD)', at: 0, texts: ['8BPS'] },
  { name: 'PDF', at: 0, texts: ['%PDF'] },
  { name: 'ZIP', at: 0, texts: ['PK\x03\x04'] },
  { name: 'gzip', at: 0, texts: ['\x1f\x8b'] },
  { name: 'BMP', at: 0, texts: ['BM'] },
];

/**
 * The format of a picture file.
 * @throws ClipError IMAGE_FORMAT that says what the bytes look like; IMAGE_TRUNCATED if they are the beginning of a signature.
 */
export function sniffFormat(bytes: Uint8Array): ImageFormat {
  if (bytes.length === 0) throw new ClipError('IMAGE_FORMAT', 'the image is empty (0 bytes)');
  if (hasText(bytes, 0, '\xff\xd8\xff')) return 'jpeg';
  if (hasText(bytes, 0, '\x89PNG\r\n\x1a\n')) return 'png';
  if (hasText(bytes, 0, 'RIFF') && hasText(bytes, 8, 'WEBP')) return 'webp';
  throw new ClipError('IMAGE_FORMAT', `this is not a JPEG, PNG or WebP image: ${describe(bytes)}`);
}

/** Whether the Latin-1 `text` stands at `at`. */
export function hasText(bytes: Uint8Array, at: number, text: string): boolean {
  if (at + text.length > bytes.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

function describe(bytes: Uint8Array): string {
  for (const { name, at, texts } of OTHERS) {
    if (texts.some((text) => hasText(bytes, at, text))) return `it looks like ${name}`;
  }
  const start = String.fromCharCode(...bytes.subarray(0, 512)).replace(/^\xef\xbb\xbf/, '');
  const tag = /^\s*</.test(start) ? /<(!doctype\s+)?(svg|html|head|body)\b/i.exec(start)?.[2] : undefined;
  if (tag !== undefined) return /svg/i.test(tag) ? 'it looks like SVG' : 'it looks like an HTML page';
  const hex = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const printable = /^[\t\r\n\x20-\x7e]+$/.test(start);
  return `${printable ? 'it looks like text' : 'unknown format'} (${bytes.length} bytes, beginning ${hex})`;
}
