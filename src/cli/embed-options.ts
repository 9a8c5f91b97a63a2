/** The command line of `edgeclip embed`. */
import { type Command, Option } from 'commander';
import { emptyOption, quote, UsageError } from './failure.ts';
import { addInputOptions, INPUT_HELP, ORIENT_HELP, SCALED_HELP } from './input-options.ts';
import type { InputOptions } from './inputs.ts';
import { addMaxPixels, addModelOptions, type ModelOptions } from './model.ts';
import { isDirect } from './output.ts';
import { partialPath } from './partial-file.ts';
import { repeated } from './repeated.ts';
import { storedFormat } from './stored-rows.ts';

export interface EmbedOptions extends ModelOptions, InputOptions {
  readonly text?: string[];
  readonly textFile?: string;
  readonly format: 'json' | 'npy';
  readonly output?: string;
  readonly index?: string;
  readonly resume?: boolean;
  readonly normalize: boolean;
  readonly orient?: boolean;
  readonly scaled?: boolean;
  readonly stream?: boolean;
}

const HELP = `${INPUT_HELP}
Only the towers that are needed are loaded.

Formats:
  json  one object per line: {"file", "embedding"} or {"text", "embedding"}, numbers exact as float32
  npy   one NumPy file, float32, shape (rows, dimension): images, then texts, in the order given

An image that fails has no row; the rows after it move up, and the error is on standard error. --index FILE records which
input each row belongs to, one object per line: {"row", "file", "size", "mtime", "check"} or {"row", "text",
"check"}. Bytes of a file name that are not UTF-8 become U+DC80 to U+DCFF, as in Python.

Files are written as FILE.partial and renamed when complete; until then an existing file is untouched. If a run with
--output and --index is interrupted, its partial files stay, and the same command with --resume continues from there.
--resume also reuses rows of a finished run, if the file still has the size and time in the index, and model, options and
version are the same ("check" covers them). The result is the same as without --resume.

--stream is for programs that keep a process and give it work. A line of input is a path or an http(s) address, or a JSON object with
"path", "url", "base64" or "text" and an "id" of any kind, which the answer repeats as it is written. Each line, an empty one too, gets
one line: {"id", "embedding"}, or {"id", "error", "code"}, in the same order; a bad line does not end the run. Nothing is read beyond
what is being computed.

Examples:
  $ edgeclip embed photos/ --format npy --output photos.npy --index photos.jsonl
  $ edgeclip embed photos/ --format npy --output photos.npy --index photos.jsonl --resume
  $ edgeclip embed --text "a photo of a cat" --text "a photo of a dog"

Exit code: 0 success, with --stream also if lines failed; 1 an image or the model failed (the other images are processed, errors are
on standard error); 2 invalid command line.`;

export function addEmbedCommand(program: Command): Command {
  const command = program
    .command('embed')
    .summary('embed images and texts')
    .description(
      'Embeds images and texts as vectors in one space; the cosine of two vectors measures how well they match.',
    )
    .argument('[images...]', 'files, folders, patterns, or - for standard input')
    .addOption(new Option('--text <text>', 'a text; can be repeated').argParser(repeated))
    .option('--text-file <file>', 'one text per line; blank lines are skipped')
    .addOption(new Option('--format <format>', 'what to write').choices(['json', 'npy']).default('json'))
    // JSON is the default; the option exists for symmetry with classify.
    .addOption(new Option('--json', 'the same as --format json').conflicts('format'))
    .option('--output <file>', 'write to a file instead of standard output')
    .option('--index <file>', 'write which input each row belongs to')
    .option('--resume', 'reuse rows that earlier runs wrote to --output and --index')
    .addOption(
      new Option('--stream', 'answer lines of standard input, one by one, until it ends').conflicts([
        'text',
        'textFile',
        'format',
        'output',
        'index',
        'resume',
        'filesFrom',
        'recursive',
      ]),
    )
    .option('--no-normalize', 'do not scale the vectors to length 1')
    .option('--orient', ORIENT_HELP)
    .option('--scaled', SCALED_HELP);
  addInputOptions(command);
  addMaxPixels(command);
  return addModelOptions(command).addHelpText('after', HELP);
}

/** @throws UsageError if the options cannot be used together */
export function checkEmbedOptions(options: EmbedOptions, images: readonly string[]): void {
  const { text, textFile, filesFrom, format, output, index, resume, stream } = options;
  if (stream) {
    if (images.length > 0) throw new UsageError('--stream takes its images from standard input: leave out the others');
    return;
  }
  if (images.length === 0 && text === undefined && textFile === undefined && filesFrom === undefined) {
    throw new UsageError('nothing to embed: give images, --files-from, --text or --text-file');
  }
  if (format === 'npy' && output === undefined && process.stdout.isTTY) {
    throw new UsageError('--format npy is binary and standard output is a terminal: give --output FILE, or redirect');
  }
  if (text?.some((one) => one.trim() === '')) throw emptyOption('--text');
  for (const [name, path] of Object.entries({ output, index })) {
    if (path === '') throw emptyOption(`--${name}`);
  }
  if (!resume) return;
  if (output === undefined || index === undefined) {
    throw new UsageError('--resume needs --output and --index: the index tells which rows exist');
  }
  for (const [name, path] of Object.entries({ output, index })) {
    if (isDirect(path)) throw new UsageError(`--resume: --${name} ${quote(path)} is not a regular file`);
  }
  for (const path of [output, partialPath(output)]) {
    const found = storedFormat(path);
    if (found === undefined || found === format) continue;
    throw new UsageError(
      `--resume: ${quote(path)} has the format ${found}, not ${format}: add --format ${found}, or run without --resume`,
    );
  }
}
