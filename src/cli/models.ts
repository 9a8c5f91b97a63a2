/** `edgeclip models`: the published models that have a short name. */
import { type Command, Option } from 'commander';
import { ClipError } from '../errors.ts';
import type { PublishedName } from '../hub/published.ts';
import { quote } from './failure.ts';
import { standardOutput } from './output.ts';

export function addModels(program: Command): void {
  program
    .command('models')
    .summary("list OpenCLIP's published models, with size and license")
    .description(
      "Lists OpenCLIP's published models by the names that --model takes, with their size in F32, their license where the " +
        'publisher states one, and the repository on the hub. Any other CLIP model on the hub is loaded by org/name.',
    )
    .argument('[text]', 'only names and repositories with this text in them')
    .option('--all', 'also the models that are not supported, with the reason')
    .addOption(new Option('--json', 'one JSON object per line'))
    .action(models);
}

async function models(text: string | undefined, { all, json }: { all?: boolean; json?: boolean }): Promise<void> {
  const { publishedModels } = await import('../hub/published.ts');
  const wanted = (text ?? '').toLowerCase();
  const found = publishedModels().filter(({ name, repository }) =>
    `${name} ${repository}`.toLowerCase().includes(wanted),
  );
  if (found.length === 0) {
    throw new ClipError('CONFIG', `no published model has ${quote(text!)} in its name or repository; any other on the hub is loaded by org/name`); // biome-ignore format: one line
  }
  const supported = found.filter(({ unsupported }) => unsupported === undefined);
  // Who looks for one that is not supported gets the reason, not an empty list.
  const shown = all || supported.length === 0 ? found : supported;
  const output = standardOutput();
  await output.write(json ? shown.map((one) => `${JSON.stringify(row(one))}\n`).join('') : table(shown));
}

/** Bytes of the weights in F32, as most of them are published. */
const bytesOf = ({ parameters }: PublishedName): number | null =>
  parameters === undefined ? null : Math.round(parameters * 4e6);

function row(one: PublishedName): object {
  const { name, repository, license = null, unsupported = null, file = null } = one;
  return { name, repository, bytes: bytesOf(one), license, unsupported, file };
}

function table(shown: readonly PublishedName[]): string {
  const rows = shown.map((one) => {
    const bytes = bytesOf(one);
    const size = bytes === null ? '-' : `${(bytes / 1e6).toFixed(0)} MB`;
    return [
      one.name,
      size,
      one.license ?? 'unknown',
      one.repository,
      one.unsupported ? `not supported: ${one.unsupported}` : '',
    ];
  });
  const head = ['name', 'size', 'license', 'repository', ''];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((cells) => cells[i]!.length)));
  const line = (cells: readonly string[]) =>
    `${cells.map((cell, i) => (i === 1 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  ')}`.trimEnd();
  return [head, ...rows].map((cells) => `${line(cells)}\n`).join('');
}
