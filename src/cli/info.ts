/** `edgeclip info`: describes a model and its memory plan, without reading its weights. */
import type { Command } from 'commander';
import { defaultFiles } from '#platform';
import { openModel } from '../open-model.ts';
import { EXIT_FAILED, emptyOption, UsageError, visible } from './failure.ts';
import { addModelOptions, type ModelOptions, sourceOptions } from './model.ts';
import { type ModelReport, reportModel, type TowerReport } from './model-report.ts';
import { standardOutput } from './output.ts';
import { Progress } from './progress.ts';
import { runtimeVersions } from './runtime.ts';
import { packageVersion } from './version.ts';

const HELP = `
Only the configuration and the headers of the weights are read, and of a model on a hub no more is fetched. What the weights hold is checked when they are loaded.

Exit code: 0 if every tower of the model loads; 1 if one does not, with the reason, or the model cannot be described;
2 invalid command line.`;

export function addInfo(program: Command): void {
  const command = program
    .command('info')
    .summary('show a model, which of its towers load, its memory plan in bytes, and versions')
    .description(
      "Shows a model's structure, sizes and precision, which of its towers load and why one does not, the memory plan in " +
        'bytes, and versions.',
    )
    .argument('[model]', 'as --model')
    .option('--json', 'print one JSON object on one line');
  addModelOptions(command).addHelpText('after', HELP).action(info);
}

async function info(argument: string | undefined, options: ModelOptions & { readonly json?: boolean }): Promise<void> {
  if (argument !== undefined && options.model !== undefined) {
    throw new UsageError('the model is given twice: as an argument and as --model');
  }
  const model = argument ?? options.model;
  if (model === '') throw argument === '' ? new UsageError('the model is empty') : emptyOption('--model');
  const output = standardOutput();
  const progress = new Progress();
  const source = await sourceOptions(model, options, progress);
  const files = model === undefined ? defaultFiles() : await openModel(model, { ...source, inParts: true });
  const report = await reportModel(files, options)
    .catch((error) => {
      if (!(error instanceof RangeError)) throw error;
      throw new UsageError(error.message.replace(/^imageSize/, '--image-size'), { cause: error });
    })
    .finally(() => progress.clear());
  const runtime = runtimeVersions();
  const platform = `${process.platform} ${process.arch}`;
  const versions = { edgeclip: packageVersion(), ...runtime.versions, platform };
  await output.write(options.json ? `${JSON.stringify({ ...report, versions })}\n` : sheet(report, runtime, platform));
  if (Object.keys(report.refused).length > 0) process.exitCode = EXIT_FAILED;
}

const SOURCES = { openclip: "OpenCLIP's", huggingface: "Hugging Face's" } as const;

function sheet(report: ModelReport, runtime: ReturnType<typeof runtimeVersions>, platform: string): string {
  const { model, source, towers, image, text, refused, embedDim, precision, kernels, threads, memory, warnings } =
    report;
  const [version, ...engine] = Object.entries(runtime.versions);
  const lines: [string, string | number][] = [
    ['model', `${visible(model)} (${SOURCES[source]} configuration)`],
    ['towers', towers.join(', ') || 'none loads'],
    ...towerLines(
      'image',
      refused.image,
      image,
      image &&
        `${image.size} x ${image.size} pixels${image.trainedSize === undefined ? '' : `, trained with ${image.trainedSize}`}`,
    ),
    ...towerLines(
      'text',
      refused.text,
      text,
      text && `${text.contextLength} tokens of ${text.vocabSize}${text.tokenizer ? '' : ', no tokenizer'}`,
    ),
    ['embedding', `${embedDim} numbers`],
    ['precision', precision],
    ['kernels', kernels],
    ['threads', threads.reason === undefined ? threads.count : `${threads.count} (${threads.reason})`],
    ['edgeclip', packageVersion()],
    [
      'runtime',
      `${runtime.name} ${version![1]} (${[...engine.map(([name, own]) => `${name.toUpperCase()} ${own}`), platform].join(', ')})`,
    ],
    ...warnings.map((warning): [string, string] => ['warning', visible(warning)]),
  ];
  const width = Math.max(...Object.keys(memory.use).map((name) => name.length));
  const use = Object.entries({ ...memory.use, total: memory.total });
  return [
    ...lines.map(([name, value]) => `${name.padEnd(10)}  ${value}\n`),
    // Activations of the two towers overlap, so the parts may add up to more than the total.
    'memory in bytes (image and text activations share memory)\n',
    ...use.map(([name, bytes]) => `  ${name.padEnd(width)}  ${String(bytes).padStart(11)}\n`),
  ].join('');
}

/** What a tower is, then what its weights are; or why it does not load. */
function towerLines(
  tower: string,
  refused: string | undefined,
  report: TowerReport | undefined,
  input: string | undefined,
): [string, string][] {
  if (refused !== undefined) return [[tower, `does not load: ${visible(refused)}`]];
  if (!report) return [[tower, 'none']];
  const { kind, shape, parameters, stored, file } = report;
  return [
    [tower, `${kind}, ${input}`],
    ['', `${shape}; ${parameters.toLocaleString('en-US')} parameters, ${stored.join(' and ')} in ${visible(file)}`],
  ];
}
