/** Which format a file has, by its first bytes. */
import { ClipError } from '../errors.ts';
import { foreignFormat } from './foreign-format.ts';

export type ImageFormat = 'jpeg' | 'png' | 'webp';

/** The first bytes of each format; a dot matches any byte. */
const SIGNATURES: { readonly [format in ImageFormat]: string } = {
  jpeg: '\xff\xd8\xff',
  png: '\x89PNG\r\n\x1a\n',
  webp: 'RIFF....WEBP',
};

/**
 * The format of a picture file.
 * @throws ClipError IMAGE_FORMAT that says what the bytes look like and what to do; IMAGE_TRUNCATED if the file ends inside
 *   a signature.
 */
export function sniffFormat(bytes: Uint8Array): ImageFormat {
  if (bytes.length === 0) throw new ClipError('IMAGE_FORMAT', 'the image is empty (0 bytes)');
  for (const format of ['jpeg', 'png', 'webp'] as const) {
    const signature = SIGNATURES[format];
    const matches = Math.min(signature.length, bytes.length);
    if (!Array.from(signature.slice(0, matches)).every((c, i) => c === '.' || bytes[i] === c.charCodeAt(0))) continue;
    if (matches === signature.length) return format;
    if (matches >= 2) {
      throw new ClipError('IMAGE_TRUNCATED', `truncated image: the file ends after ${bytes.length} bytes`);
    }
  }
  throw new ClipError('IMAGE_FORMAT', `this is not a JPEG, PNG or WebP image: ${foreignFormat(bytes)}`);
}
