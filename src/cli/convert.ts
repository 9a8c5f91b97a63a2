/** `edgeclip convert`: any model to a folder of packed files. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Precision } from '../engine/arithmetic.ts';
import { openModel } from '../open-model.ts';
import { UsageError, visible } from './failure.ts';
import { addSourceOptions, type SourceOptions, sourceOptions } from './model.ts';
import { standardOutput } from './output.ts';
import { writePackedFolder } from './packed-folder.ts';
import { Progress } from './progress.ts';

interface ConvertOptions extends SourceOptions {
  readonly output: string;
  readonly precision: Precision;
  readonly shardSize?: number;
  readonly json?: boolean;
  /** Refused: they are of the use of a model. */
  readonly imageSize?: string;
  readonly scaled?: boolean;
}

export function addConvert(program: Command): void {
  const command = program
    .command('convert')
    .summary("write a model in edgeclip's packed format")
    .description(
      'Writes a model in the packed format, which loads without conversion: a file per tower (or shards), the configuration, ' +
        'the tokenizer, and manifest.json with the SHA-256 of each file. The same model gives the same bytes. ' +
        'The result is read back and verified.',
    )
    .argument('<model>', "a model on a hub by its name, a model's folder, or its file of weights")
    .requiredOption('-o, --output <dir>', 'the new folder; it must not exist, or be empty')
    .addOption(new Option('--precision <kind>', 'of the weights').choices(['int8', 'f32']).default('int8'))
    .addOption(
      new Option(
        '--shard-size <size>',
        'most bytes of a file, as 24MiB or 25000000 (default: one file per tower)',
      ).argParser(byteSize),
    )
    .option('--json', 'the manifest, as one object on one line')
    .addOption(new Option('--image-size <n>').hideHelp())
    .addOption(new Option('--scaled').hideHelp());
  addSourceOptions(command).action(convert);
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
};

/** Parses a size in bytes. @throws InvalidArgumentError */
export function byteSize(text: string): number {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(text) ?? [];
  const factor = Object.hasOwn(UNITS, unit.toUpperCase()) ? UNITS[unit.toUpperCase()]! : Number.NaN;
  const bytes = Math.floor(Number(digits) * factor);
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new InvalidArgumentError('expected bytes, or a size such as 24MiB or 24MB.');
  }
  return bytes;
}

async function convert(model: string, options: ConvertOptions): Promise<void> {
  const { output, precision, shardSize, json } = options;
  if (model === '' || output === '') throw new UsageError(`${model === '' ? 'the model' : '--output'} is empty`);
  const later = options.imageSize === undefined ? options.scaled && '--scaled' : '--image-size';
  if (later)
    throw new UsageError(
      `${later} belongs to the use of a model, not to its conversion: the packed model takes it, too`,
    );
  const out = standardOutput();
  const progress = new Progress();
  try {
    const files = await openModel(model, await sourceOptions(model, options, progress));
    const manifest = await writePackedFolder(files, output, {
      precision,
      shardBytes: shardSize,
      onWarning: (warning) => progress.line(`warning: ${visible(warning)}`),
      onProgress: ({ tower, loaded, total }) => progress.show(`converting ${tower} tower`, loaded, total, 'plain'),
    });
    progress.clear();
    const lines = manifest.files.map(({ name, bytes, sha256 }) => `${sha256}  ${name}  ${bytes} bytes\n`);
    await out.write(
      json
        ? `${JSON.stringify(manifest)}\n`
        : `${visible(output)}: ${precision}, read back and verified\n${lines.join('')}`,
    );
  } catch (error) {
    // Only the command line can be at fault: shards smaller than a row.
    if (error instanceof RangeError) throw new UsageError(`--shard-size: ${error.message}`);
    throw error;
  } finally {
    progress.clear();
  }
}
