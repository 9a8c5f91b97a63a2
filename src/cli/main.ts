#!/usr/bin/env node
/** The `edgeclip` command. */
import { Command, CommanderError, Option } from 'commander';
import { alsoFindPackagesIn } from '../platform/node-packages.ts';
import { addBatch } from './batches.ts';
import { addClassify } from './classify.ts';
import { addConvert } from './convert.ts';
import { addDuplicates } from './duplicates.ts';
import { addEmbed } from './embed.ts';
import { addEval } from './eval.ts';
import { describe, EXIT_FAILED, EXIT_USAGE, UsageError, visible } from './failure.ts';
import { addIndex } from './index-photos.ts';
import { addInfo } from './info.ts';
import { addModels } from './models.ts';
import { checkStandardOutput, watchStandardOutput } from './output.ts';
import { addSearch } from './search.ts';
import { addServe } from './serve.ts';
import { addSort } from './sort.ts';
import { addTag } from './tag.ts';
import { packageVersion } from './version.ts';
import { isPictureName } from './walk.ts';

const HINT = 'Run with --help for usage.';

const EXAMPLES = `
Examples:
  $ edgeclip classify cat.png --labels "cat, dog, cup of coffee"
  $ edgeclip classify photos/ --recursive --labels-file labels.txt --json > ranked.jsonl
  $ edgeclip embed photos/ --format npy --output photos.npy --index photos.jsonl
  $ edgeclip embed --text "a photo of a cat"
  $ edgeclip classify cat.png --labels "cat, dog" --model openai/clip-vit-base-patch32
  $ edgeclip convert ViT-B-32.pt --output vit-b-32 --shard-size 24MiB

edgeclip COMMAND --help lists the options of a command.`;

function fail(error: unknown): void {
  process.exitCode = EXIT_FAILED;
  process.stderr.write(`error: ${describe(error)}\n`);
}

function write(text: string): void {
  checkStandardOutput();
  process.stdout.write(text);
}

watchStandardOutput(fail);
alsoFindPackagesIn(process.cwd());

const program = new Command('edgeclip')
  .description('CLIP on the CPU: classify and embed images and texts.')
  .version(packageVersion(), '-V, --version', 'output the version number (also -v)')
  .addOption(new Option('-v').hideHelp())
  .on('option:v', () => {
    write(`${packageVersion()}\n`);
    throw new CommanderError(0, 'commander.version', packageVersion());
  })
  .configureOutput({ writeOut: write })
  .showHelpAfterError(HINT)
  .exitOverride()
  .addHelpText('after', EXAMPLES);
addClassify(program);
addEmbed(program);
addEval(program);
addIndex(program);
addSearch(program);
addDuplicates(program);
addSort(program);
addTag(program);
addInfo(program);
addConvert(program);
addModels(program);
addServe(program);
addBatch(program);
program
  .helpCommand(false)
  .command('help [command]')
  .summary('show help for a command')
  .description('Shows help for a command.')
  .action(async (name?: string) => {
    const command = name === undefined ? program : program.commands.find((one) => one.name() === name);
    if (command) command.help();
    await program.parseAsync([name!], { from: 'user' }); // an unknown command: reported with a suggestion
  });

/** `edgeclip cat.png`: a command was forgotten. */
function checkCommand([first, ...others]: readonly string[]): void {
  if (first === undefined || program.commands.some((one) => one.name() === first)) return;
  if (first !== '-' && (first.startsWith('-') || !isPictureName(first))) return;
  const rest = others.length > 0 ? ' ...' : '';
  throw new UsageError(
    `unknown command '${visible(first)}' (did you mean: edgeclip classify ${visible(first)}${rest})`,
  );
}

try {
  checkCommand(process.argv.slice(2));
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed the message; --help and --version end here too.
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  } else if (error instanceof UsageError) {
    process.exitCode = EXIT_USAGE;
    process.stderr.write(`error: ${describe(error)}\n${HINT}\n`);
  } else {
    fail(error);
  }
}
