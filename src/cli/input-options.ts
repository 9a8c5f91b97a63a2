/** The options of `classify` and `embed` that name images. */
import { type Command, Option } from 'commander';

export const INPUT_HELP = `
Images: files (JPEG, PNG, WebP), - for standard input, directories, or patterns such as "photos/*.jpg" that the shell left
as they are. A directory stands for the .jpg, .jpeg, .png and .webp files in it, sorted by name, without hidden files, and
without subdirectories unless --recursive. Only regular files are read there; what else is found is named on standard
error, and pictures of other kinds are counted. Text files are UTF-8, or UTF-16 with a byte order mark; - as the file reads
standard input, which can be given once.
`;

export function addInputOptions(command: Command): Command {
  return command
    .option('-r, --recursive', 'the images in subdirectories too; links are followed, each directory is visited once')
    .option('--files-from <file>', 'more images: a file with one name a line')
    .addOption(new Option('-0, --null', 'names in --files-from end with NUL, as find -print0 writes them'));
}
