/** `edgeclip info`: describes a model and its memory plan. */
import type { Command } from 'commander';
import type { ClipInfo } from '../clip.ts';
import { visible } from './failure.ts';
import { addModelOptions, loadModel, type ModelOptions } from './model.ts';
import { standardOutput } from './output.ts';
import { Progress } from './progress.ts';
import { runtimeVersions } from './runtime.ts';
import { packageVersion } from './version.ts';

export function addInfo(program: Command): void {
  const command = program
    .command('info')
    .summary('show the model, its memory plan in bytes, and versions')
    .description('Loads a model and shows its structure, its memory plan in bytes, and versions.')
    .option('--json', 'print one JSON object on one line');
  addModelOptions(command).action(info);
}

async function info(options: ModelOptions & { readonly json?: boolean }): Promise<void> {
  const output = standardOutput();
  using clip = await loadModel(options, ['image', 'text'], new Progress());
  const runtime = runtimeVersions();
  const platform = `${process.platform} ${process.arch}`;
  const versions = { edgeclip: packageVersion(), ...runtime.versions, platform };
  const report = clip.info();
  await output.write(options.json ? `${JSON.stringify({ ...report, versions })}\n` : sheet(report, runtime, platform));
}

function sheet(
  { model, towers, image, text, embedDim, precision, kernels, threads, memory, warnings }: ClipInfo,
  runtime: ReturnType<typeof runtimeVersions>,
  platform: string,
): string {
  const [version, ...engine] = Object.entries(runtime.versions);
  const lines: [string, string | number][] = [
    ['model', visible(model)],
    ['towers', towers.join(', ')],
    ['image', image ? `${image.kind}, ${image.size} x ${image.size} pixels` : 'none'],
    [
      'text',
      text ? `${text.contextLength} tokens of ${text.vocabSize}${text.tokenizer ? '' : ', no tokenizer'}` : 'none',
    ],
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
