/** `edgeclip embed`: vectors of pictures and texts. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { forEachPicture } from './batch.ts';
import { EXIT_FAILED, quote, UsageError } from './failure.ts';
import { nineDigits } from './float32.ts';
import { pictureInputs } from './inputs.ts';
import { readTexts } from './labels.ts';
import { addModelOptions, loadModel, type ModelOptions } from './model.ts';
import { npyHeader, npyRow } from './npy.ts';
import { fileOutput, type Output, standardOutput } from './output.ts';
import { Progress } from './progress.ts';

interface EmbedCommandOptions extends ModelOptions {
  readonly text?: string[];
  readonly textFile?: string;
  readonly format: 'json' | 'npy';
  readonly output?: string;
  readonly index?: string;
  readonly normalize: boolean;
  readonly orient?: boolean;
}

const HELP = `
Images: files (JPEG, PNG, WebP), - for standard input, or directories: the .jpg, .jpeg, .png and .webp files in each,
sorted by name, without hidden files and subdirectories. Only the towers that are needed are loaded.

Formats:
  json  one object a line: {"file", "embedding"} or {"text", "embedding"}, numbers exact as float32
  npy   one NumPy file, float32, shape (rows, dimension): images, then texts, in the order given

An image that fails has no row and no line. Its name is on standard error, and the rows that follow move up: --index FILE
tells which row is whose, one object a line, {"row", "file"} or {"row", "text"}.

Examples:
  $ edgeclip embed photos/ --format npy --index photos.jsonl > photos.npy
  $ edgeclip embed --text "a photo of a cat" --text "a photo of a dog"

Exit code: 0 all done; 1 an image or the model failed (the other images are done, the reason is on standard error);
2 the command line cannot be used.`;

export function addEmbed(program: Command): void {
  const command = program
    .command('embed')
    .summary('turn images and texts into vectors')
    .description('Turns images and texts into vectors of one space: cosines between them tell what belongs together.')
    .argument('[images...]', 'files, directories, or - for standard input')
    .addOption(
      new Option('--text <text>', 'a text; can be repeated').argParser((text: string, before: string[] = []) => [
        ...before,
        text,
      ]),
    )
    .option('--text-file <file>', 'one text a line; blank lines are no texts')
    .addOption(new Option('--format <format>', 'what to write').choices(['json', 'npy']).default('json'))
    // JSON is what comes anyway: the switch, there for likeness with classify, only must not contradict.
    .addOption(new Option('--json', 'the same as --format json').conflicts('format'))
    .option('--output <file>', 'write to a file instead of standard output')
    .option('--index <file>', 'write which row is whose')
    .option('--no-normalize', 'leave the vectors as long as the model makes them (default: length 1)')
    .option('--orient', "turn photos upright as EXIF says (the published Python code doesn't)");
  addModelOptions(command).addHelpText('after', HELP).action(embed);
}

/** A vector and whose it is. */
type Row = { readonly file: string } | { readonly text: string };

async function embed(images: string[], options: EmbedCommandOptions): Promise<void> {
  const texts = [...(options.text ?? []), ...(options.textFile === undefined ? [] : await readTexts(options.textFile))];
  if (images.length === 0 && texts.length === 0) {
    throw new UsageError('nothing to embed: give images, --text or --text-file');
  }
  if (options.format === 'npy' && options.output === undefined && process.stdout.isTTY) {
    throw new UsageError('--format npy is binary and standard output is a terminal: give --output FILE, or redirect');
  }
  for (const name of ['output', 'index'] as const) {
    if (options[name] === '') throw new UsageError(`--${name} is empty (an unset variable of the shell?)`);
  }
  if (
    options.output !== undefined &&
    options.index !== undefined &&
    resolve(options.output) === resolve(options.index)
  ) {
    throw new UsageError(`--output and --index are the same file, ${quote(options.output)}`);
  }
  const inputs = await pictureInputs(images);
  const progress = new Progress();
  const towers = [...(inputs.length > 0 ? (['image'] as const) : []), ...(texts.length > 0 ? (['text'] as const) : [])];
  using clip = await loadModel(options, towers, progress);
  const tokens = texts.length > 0 ? clip.tokenize(texts) : []; // a model without a tokenizer says so before the pictures
  const output = options.output === undefined ? standardOutput() : await fileOutput(options.output);
  const index = options.index === undefined ? undefined : await fileOutput(options.index);
  const writer = new RowWriter(options.format, output, index, progress);

  const { orient = false, normalize } = options;
  const failed = await forEachPicture(clip, inputs, { orient, normalize }, progress, (embedding, { name }) =>
    writer.add({ file: name }, embedding),
  );
  if (tokens.length > 0) {
    const onProgress = ({ done, total }: { done: number; total: number }) => progress.show('texts', done, total);
    const embeddings = await clip.encodeTokens(tokens, { normalize, onProgress });
    progress.clear();
    for (const [i, text] of texts.entries()) await writer.add({ text }, embeddings[i]!);
  }
  await writer.end(clip.config.embedDim);
  if (failed > 0) process.exitCode = EXIT_FAILED;
}

/** Writes lines as they come. An npy file begins with the number of rows, so those wait for the end. */
class RowWriter {
  readonly #format: 'json' | 'npy';
  readonly #output: Output;
  readonly #index: Output | undefined;
  readonly #progress: Progress;
  readonly #waiting: Uint8Array[] = [];
  #count = 0;

  constructor(format: 'json' | 'npy', output: Output, index: Output | undefined, progress: Progress) {
    this.#format = format;
    this.#output = output;
    this.#index = index;
    this.#progress = progress;
  }

  async add(row: Row, embedding: Float32Array): Promise<void> {
    if (this.#format === 'npy') {
      this.#waiting.push(npyRow(embedding));
    } else {
      if (this.#output.terminal) this.#progress.clear();
      await this.#output.write(`${JSON.stringify({ ...row, embedding: Array.from(embedding, nineDigits) })}\n`);
    }
    await this.#index?.write(`${JSON.stringify({ row: this.#count, ...row })}\n`);
    this.#count++;
  }

  async end(width: number): Promise<void> {
    if (this.#format === 'npy') {
      await this.#output.write(npyHeader(this.#waiting.length, width));
      for (const row of this.#waiting) await this.#output.write(row);
    }
    await this.#output.close();
    await this.#index?.close();
  }
}
