/** `edgeclip info`: what a model is and what it takes. */
import type { Command } from 'commander';
import type { ClipInfo } from '../clip.ts';
import { visible } from './failure.ts';
import { addModelOptions, loadModel, type ModelOptions } from './model.ts';
import { standardOutput } from './output.ts';
import { Progress } from './progress.ts';
import { packageVersion } from './version.ts';

export function addInfo(program: Command): void {
  const command = program
    .command('info')
    .summary('show the model, its memory plan in bytes, and versions')
    .description('Loads a model and shows what it is, the memory it takes in bytes, and versions.')
    .option('--json', 'one object on one line');
  addModelOptions(command).action(info);
}

async function info(options: ModelOptions & { readonly json?: boolean }): Promise<void> {
  using clip = await loadModel(options, ['image', 'text'], new Progress());
  const { platform, arch, versions: own } = process;
  const versions = { edgeclip: packageVersion(), node: own.node, v8: own.v8, platform: `${platform} ${arch}` };
  const report = { ...clip.info(), versions };
  await standardOutput().write(options.json ? `${JSON.stringify(report)}\n` : sheet(report));
}

function sheet({
  model,
  towers,
  image,
  text,
  embedDim,
  precision,
  kernels,
  threads,
  memory,
  versions,
}: Report): string {
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
    ['edgeclip', versions.edgeclip],
    ['node', `${versions.node} (V8 ${versions.v8}, ${versions.platform})`],
  ];
  const width = Math.max(...Object.keys(memory.use).map((name) => name.length));
  const use = Object.entries({ ...memory.use, total: memory.total });
  return [
    ...lines.map(([name, value]) => `${name.padEnd(10)}  ${value}\n`),
    // Activations of the two towers share one place, so the parts may add up to more than the total.
    'memory in bytes (image and text activations lie in one place)\n',
    ...use.map(([name, bytes]) => `  ${name.padEnd(width)}  ${String(bytes).padStart(11)}\n`),
  ].join('');
}

type Report = ClipInfo & {
  readonly versions: {
    readonly edgeclip: string;
    readonly node: string;
    readonly v8: string;
    readonly platform: string;
  };
};
