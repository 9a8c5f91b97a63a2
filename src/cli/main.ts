#!/usr/bin/env node
/** The `edgeclip` command. */
import { Command, CommanderError } from 'commander';
import { addClassify } from './classify.ts';
import { addEmbed } from './embed.ts';
import { describe, EXIT_FAILED, EXIT_USAGE, UsageError } from './failure.ts';
import { addInfo } from './info.ts';
import { watchStandardOutput } from './output.ts';
import { packageVersion } from './version.ts';

const HINT = 'Add --help to see what can be given.';

function fail(error: unknown): void {
  process.exitCode = EXIT_FAILED;
  process.stderr.write(`error: ${describe(error)}\n`);
}

watchStandardOutput(fail);

const program = new Command('edgeclip')
  .description('CLIP on the CPU: classify and embed images and texts.')
  .version(packageVersion(), '-V, --version')
  .showHelpAfterError(HINT)
  .exitOverride();
addClassify(program);
addEmbed(program);
addInfo(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has said what is wrong; help and version that were asked for come here too.
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  } else if (error instanceof UsageError) {
    process.exitCode = EXIT_USAGE;
    process.stderr.write(`error: ${error.message}\n${HINT}\n`);
  } else {
    fail(error);
  }
}
