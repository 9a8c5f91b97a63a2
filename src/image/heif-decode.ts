/** AVIF and HEIC, decoded as a whole by packages that the user installs. */
import { ClipError } from '../errors.ts';
import { type HeifKind, PACKAGES, readHeifHeader } from './heif.ts';
import { openIcodec } from './icodec.ts';
import { openLibheif } from './libheif.ts';
import { checkSize, checkWhole, type ImageLimits, mostWholePixels } from './limits.ts';
import { type RawImage, rejectEmpty } from './raw-image.ts';

/**
 * Decodes a file; `deliver` runs before the promise resolves, and its errors pass as they are.
 *
 * The pixels are those of Pillow 13: an AVIF as it is stored, with its `orientation`; a HEIC
 * turned already, as libheif does it, whatever its EXIF says.
 *
 * @throws ClipError IMAGE_DECODER with what to install if the format's package is missing or does not start; UNSUPPORTED if it lacks
 *   memory; IMAGE_FORMAT, IMAGE_TRUNCATED, IMAGE_TOO_LARGE
 */
export async function decodeHeif(
  kind: HeifKind,
  bytes: Uint8Array,
  limits: ImageLimits,
  deliver: (image: RawImage, orientation: () => number) => void,
): Promise<void> {
  const name = kind.toUpperCase();
  const check = (width: number, height: number) => {
    checkSize(name, width, height, limits);
    checkWhole(name, { width, height }, limits);
  };
  const { largest, orientation } = readHeifHeader(kind, bytes);
  check(largest.width, largest.height);
  const decode = await (kind === 'avif' ? openIcodec() : openLibheif(mostWholePixels(limits))).catch((error) => {
    throw missing(kind, error);
  });
  let image: RawImage;
  try {
    image = decode(bytes);
  } catch (error) {
    throw refused(name, error);
  }
  rejectEmpty(name, image.width, image.height);
  check(image.width, image.height);
  deliver(image, kind === 'avif' ? orientation : () => 1);
}

function missing(kind: HeifKind, cause: unknown): ClipError {
  if (cause instanceof ClipError) return cause;
  const camera = kind === 'heic' ? ' (iPhone photos)' : '';
  const [name] = PACKAGES[kind].split('@');
  // Where it was looked for helps nobody, and a server's answer must not tell its folders.
  const isAbsent = /NOT_FOUND/.test((cause as { code?: string })?.code ?? '');
  const reason = isAbsent ? '' : ` (${(cause as Error)?.message?.split('\n')[0]})`;
  return new ClipError(
    'IMAGE_DECODER',
    `${kind.toUpperCase()}${camera} is decoded by the package ${name}, which is missing or cannot be used: npm install ${PACKAGES[kind]}, or convert the picture to JPEG${reason}`,
    { cause },
  );
}

/** Without the cause: a trap's stack would keep the decoder with all of its memory as long as the error. */
function refused(name: string, error: unknown): ClipError {
  const message = error instanceof Error ? error.message : String(error);
  // libheif's "Memory allocation error" is about sizes in damaged boxes, too.
  if (/out of memory|OOM|allocation fail|could not allocate|bad_alloc/i.test(message)) {
    return new ClipError('UNSUPPORTED', `the decoder of ${name} has not enough memory for the picture (${message})`);
  }
  const opaque = !(error instanceof Error) || error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
  const reason = opaque ? '' : ` (${message})`;
  if (/truncated|end of file/i.test(message)) return new ClipError('IMAGE_TRUNCATED', `truncated ${name}${reason}`);
  return new ClipError('IMAGE_FORMAT', `damaged ${name}: its picture data cannot be decoded${reason}`);
}
