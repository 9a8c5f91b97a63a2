/** Which format a file has, by its first bytes. */

import { hasText } from '../bytes.ts';
import { ClipError } from '../errors.ts';
import type { HeifKind } from './heif.ts';

/** Formats whose decoders are in this package. */
type OwnFormat = 'jpeg' | 'png' | 'webp';

/** These, and those whose decoders are optional packages. */
export type ImageFormat = OwnFormat | HeifKind;

/**
 * The first bytes of each format in hexadecimal; two dots match any byte. Digits, as minifiers write characters above ASCII as
 * they are, and a classic script in a page without a charset reads those as others.
 */
const SIGNATURES: { readonly [format in OwnFormat]: string } = {
  jpeg: 'ff d8 ff',
  png: '89 50 4e 47 0d 0a 1a 0a',
  webp: '52 49 46 46 .. .. .. .. 57 45 42 50',
};

/**
 * The format of a picture file.
 * @throws ClipError IMAGE_FORMAT that says what the bytes look like and what to do; IMAGE_TRUNCATED if the file ends inside
 *   a signature.
 */
export async function sniffFormat(bytes: Uint8Array): Promise<ImageFormat> {
  if (bytes.length === 0) throw new ClipError('IMAGE_FORMAT', 'the image is empty (0 bytes)');
  for (const format of ['jpeg', 'png', 'webp'] as const) {
    const signature = SIGNATURES[format].split(' ');
    const matches = Math.min(signature.length, bytes.length);
    if (!signature.slice(0, matches).every((digits, i) => digits === '..' || bytes[i] === Number.parseInt(digits, 16)))
      continue;
    if (matches === signature.length) return format;
    if (matches >= 2) {
      throw new ClipError('IMAGE_TRUNCATED', `truncated image: the file ends after ${bytes.length} bytes`);
    }
  }
  if (hasText(bytes, 4, 'ftyp')) {
    const kind = (await import('./heif.ts')).heifKind(bytes);
    if (kind) return kind;
  }
  // The names of other formats are loaded for the error alone. Where they cannot be, it does without.
  const names = await import('./foreign-format.ts').catch(() => undefined);
  const what = names ? `: ${names.foreignFormat(bytes)}` : '';
  throw new ClipError('IMAGE_FORMAT', `this is not a JPEG, PNG or WebP image${what}`);
}

/** The format of a file that the package's own decoders read, or that is too short to tell; undefined for any other. */
export function ownFormat(bytes: Uint8Array): OwnFormat | undefined {
  return (['jpeg', 'png', 'webp'] as const).find((format) =>
    SIGNATURES[format]
      .split(' ')
      .every((digits, i) => i >= bytes.length || digits === '..' || bytes[i] === Number.parseInt(digits, 16)),
  );
}
