/** The options of `classify` and `embed` that name images. */
import { type Command, Option } from 'commander';
import { PACKAGES } from '../image/heif.ts';

export const ORIENT_HELP =
  "rotate images upright as Pillow's ImageOps.exif_transpose does: by EXIF, or by XMP if EXIF has no orientation " +
  '(the published Python code does not)';

export const SCALED_HELP =
  "decode large JPEGs at 1/2, 1/4 or 1/8 of their size, as Pillow's Image.draft does: faster, with slightly other numbers";

export const INPUT_HELP = `
Images: files (JPEG, PNG, WebP), - for standard input, folders, or patterns such as "photos/*.jpg" that the shell did not
expand. A folder means the .jpg, .jpeg, .png and .webp files in it, sorted by name, without hidden files, and without
subfolders unless --recursive is given. AVIF and HEIC files (.avif, .heic, .heif, .hif) are read, and taken from folders, where
the packages icodec and libheif-js are installed: npm install ${PACKAGES.avif} ${PACKAGES.heic}. Of files named on the command line, regular files and named pipes (also those of
the shell's <(...)) are read; sockets and devices are refused. In folders, lists and patterns only regular files are read:
pipes, sockets and devices are skipped with a message, and files of other image formats are counted.

Text files are UTF-8, or UTF-16 with a byte order mark. - as a file name means standard input and can be given only once.
`;

export function addInputOptions(command: Command): Command {
  return command
    .option('-r, --recursive', 'also images in subfolders; symbolic links are followed, each folder is visited once')
    .option('--files-from <file>', 'more images: a file with one name per line')
    .addOption(new Option('-0, --null', 'names in --files-from end with NUL, as by find -print0'));
}
