/** The options of `classify` and `embed` that name images. */
import { type Command, Option } from 'commander';

export const INPUT_HELP = `
Images: files (JPEG, PNG, WebP), - for standard input, directories, or patterns such as "photos/*.jpg" that the shell did
not expand. A directory means the .jpg, .jpeg, .png and .webp files in it, sorted by name, without hidden files, and
without subdirectories unless --recursive is given. Only regular files are read; FIFOs, sockets and devices in directories
and lists are skipped with a message, and files of other image formats are counted.

Text files are UTF-8, or UTF-16 with a byte order mark. - as a file name is standard input, once per command.
`;

export function addInputOptions(command: Command): Command {
  return command
    .option(
      '-r, --recursive',
      'also images in subdirectories; symbolic links are followed, each directory is visited once',
    )
    .option('--files-from <file>', 'more images: a file with one name per line')
    .addOption(new Option('-0, --null', 'names in --files-from end with NUL, as by find -print0'));
}
