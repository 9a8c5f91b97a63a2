/** The options that name labels and prompts. */
import { type Command, Option } from 'commander';
import { isTemplatesFile, type LabelOptions } from './labels.ts';
import { repeated, repeatedList } from './repeated.ts';

/** Labels as `readLabels` takes them, and their templates. */
export function addLabelOptions(command: Command): Command {
  command
    .addOption(
      new Option(
        '-l, --labels <list>',
        'labels separated by commas, spaces around them removed; no other option splits at commas',
      )
        .argParser(repeatedList)
        .conflicts(['labelsFile', 'classes']),
    )
    .addOption(
      new Option(
        '--labels-file <file>',
        'one label per line, verbatim (commas too); blank lines are skipped',
      ).conflicts('classes'),
    )
    .option('--classes <file>', 'a JSON file with prompts for each label: {"cat": ["a photo of a cat", ...], ...}');
  return addTemplatesOption(command, 'single');
}

/** @param or what is taken without it, in words */
export function addTemplatesOption(command: Command, or: string): Command {
  return command.addOption(
    new Option(
      '--templates <templates>',
      'prompt templates: single, openai-7 or openai-80; or a template with {} or {label} as the placeholder; ' +
        `or a file with one template per line (default: ${or}). Can be repeated`,
    ).argParser(repeated),
  );
}

/** The files that these options name, for `checkStandardInput`. */
export const labelFiles = ({ labelsFile, classes, templates = [] }: LabelOptions): (string | undefined)[] => [
  labelsFile,
  classes,
  ...templates.filter(isTemplatesFile),
];
