/** The command line of `edgeclip eval`. */
import { type Command, Option } from 'commander';
import type { Precision } from '../engine/arithmetic.ts';
import { datasetNames, findDataset } from '../eval/datasets.ts';
import { positiveInteger, quote, UsageError } from './failure.ts';
import { ORIENT_HELP, SCALED_HELP } from './input-options.ts';
import { addTemplatesOption } from './label-options.ts';
import { addMaxPixels, addModelOptions, type ModelOptions } from './model.ts';
import { VOCABULARY_HELP } from './vocabulary.ts';

export interface EvalOptions extends ModelOptions {
  readonly dataset?: string;
  readonly labelsFile?: string;
  readonly classes?: string;
  readonly templates?: string[];
  readonly captions?: string;
  readonly vocabulary?: string;
  readonly tags?: string;
  readonly targetPrecision: number;
  readonly linearProbe?: boolean;
  readonly shots?: number;
  readonly train?: string;
  readonly C: number;
  readonly seed: number;
  readonly compare?: Precision;
  readonly keep?: string;
  readonly html?: string;
  readonly orient?: boolean;
  readonly scaled?: boolean;
  readonly json?: boolean;
}

/** C of the linear probe in OpenAI's README, chosen there by a search on a validation set. */
const DEFAULT_C = 0.316;
const DEFAULT_TARGET = 0.9;

const HELP = `
FOLDER has a folder for each class, whose name is the label, word for word (in prompts, underscores become spaces). Pictures in
subfolders of a class folder count. With --captions or only --compare, FOLDER has pictures anywhere.

Without a task, zero-shot: each picture is ranked against all classes, in prompts of the templates.
--captions FILE: retrieval. JSON lines or a list of {"file", "captions": [...]}, COCO's annotations, or a table of file and
  caption (.tsv, .csv). Files are relative to FOLDER. Recall: the share of queries whose right answer is among the first k.
--vocabulary FILE: from which cosine on the words of a file are right, for edgeclip tag --calibration. A picture's right word is
  the name of its folder, or those that --tags says; all other words are wrong for it. The least threshold whose words have
  the --target-precision, and what one chosen on half of the pictures gives the other half.
--linear-probe: logistic regression on the embeddings before normalization, as in the CLIP paper. Trained on --train, or on
  half of each class.
--shots K: each class is the mean of K embeddings, from --train or taken from FOLDER; the others are the test.
--compare f32 (or int8): embeds all again in the other precision: cosines, pictures whose first label differs, and which.
  Without class folders, the labels are ImageNet's. A packed model, as the embedded one is, has int8 weights in both: give its
  published weights to see what these cost.

Datasets by name, with the class names and templates that OpenAI published:
${wrap(datasetNames.join(', '), 120)}

Examples:
  $ edgeclip eval photos/ --compare f32 --html report.html
  $ edgeclip eval cifar10/test --dataset cifar10 --model models/ViT-B-32 --keep runs/cifar10
  $ edgeclip eval flickr8k/images --captions flickr8k/captions.csv --json
  $ edgeclip eval photos/ --vocabulary words.txt --json > calibration.json
  $ edgeclip eval pets/test --train pets/train --linear-probe

Exit code: 0 success; 1 a picture or the model failed (the other pictures count); 2 invalid command line.`;

/** Words in lines of at most `width` characters. */
function wrap(text: string, width: number): string {
  return text.replace(new RegExp(`(.{1,${width - 2}})(?: |$)`, 'g'), '  $1\n').trimEnd();
}

export function addEvalCommand(program: Command): Command {
  const command = program
    .command('eval')
    .summary('measure accuracy: zero-shot, retrieval, linear probe, few-shot, int8 against f32')
    .description('Measures a model on pictures of known classes or with known captions.')
    .argument('<folder>', 'a folder of class folders, or of pictures')
    .addOption(
      new Option('--dataset <name>', 'class names and templates of a published dataset (see below)').argParser(dataset),
    )
    .addOption(
      new Option(
        '--labels-file <file>',
        'labels of the class folders in the order of their names, one per line',
      ).conflicts(['dataset', 'classes']),
    )
    .addOption(
      new Option('--classes <file>', 'a JSON file with prompts for each class folder, by its name').conflicts(
        'dataset',
      ),
    )
    .addOption(
      new Option('--captions <file>', 'retrieval with the captions of a file').conflicts(['linearProbe', 'shots']),
    )
    .addOption(
      new Option('--vocabulary <file>', `measure a threshold for edgeclip tag: ${VOCABULARY_HELP}`).conflicts([
        'captions',
        'linearProbe',
        'shots',
        'dataset',
        'labelsFile',
        'classes',
      ]),
    )
    .option(
      '--tags <file>',
      'right words of pictures in FOLDER: JSON lines {"file", "tags"}, as edgeclip tag prints them',
    )
    .addOption(
      new Option('--target-precision <x>', 'how many of the words that are given are to be right')
        .argParser(share)
        .default(DEFAULT_TARGET),
    )
    .addOption(new Option('--linear-probe', 'logistic regression on embeddings').conflicts('shots'))
    .option('--shots <k>', 'prototypes of k pictures of each class', positiveInteger('--shots'))
    .option('--train <folder>', 'class folders to train on, with the same names')
    .addOption(
      new Option('--C <number>', 'inverse strength of the penalty of the linear probe')
        .argParser(positive)
        .default(DEFAULT_C),
    )
    .addOption(new Option('--seed <n>', 'of the choice of training pictures').argParser(seed).default(0))
    .addOption(
      new Option('--compare <precision>', 'embed again in this precision, and compare').choices(['f32', 'int8']),
    )
    .option('--keep <folder>', 'keep embeddings there; the same command continues a stopped run')
    .option('--html <file>', 'write a report of one file, with the confusion matrix and the worst pictures')
    .option('--orient', ORIENT_HELP)
    .option('--scaled', SCALED_HELP)
    .option('--json', 'print one JSON object on one line');
  addTemplatesOption(command, "the dataset's, or single");
  addMaxPixels(command);
  return addModelOptions(command).addHelpText('after', HELP);
}

function dataset(name: string): string {
  if (findDataset(name)) return name;
  throw new UsageError(`--dataset must be one of ${datasetNames.join(', ')}, got ${quote(name)}`);
}

function positive(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && Number.isFinite(value)) return value;
  throw new UsageError(`--C must be a positive number, got ${quote(text)}`);
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value <= 1) return value;
  throw new UsageError(`--target-precision must be a number above 0 and at most 1, got ${quote(text)}`);
}

function seed(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value < 2 ** 32) return value;
  throw new UsageError(`--seed must be a whole number from 0 to 4294967295, got ${quote(text)}`);
}

/** @throws UsageError for options that do not go together */
export function checkEvalOptions(options: EvalOptions, precision: Precision): void {
  const { captions, vocabulary, tags, linearProbe, shots, train, compare, keep, html } = options;
  for (const [option, value] of Object.entries({ captions, vocabulary, tags, train, keep, html })) {
    if (value === '') throw new UsageError(`--${option} is empty (an unset variable of the shell?)`);
  }
  const trains = linearProbe || shots !== undefined;
  if (train !== undefined && !trains) throw new UsageError('--train is for --linear-probe and --shots');
  if (tags !== undefined && vocabulary === undefined) throw new UsageError('--tags is for --vocabulary');
  const ofLabels = {
    dataset: options.dataset,
    'labels-file': options.labelsFile,
    classes: options.classes,
    templates: options.templates,
  };
  for (const [option, value] of Object.entries(ofLabels)) {
    if (value !== undefined && captions !== undefined) throw new UsageError(`--${option} is not for --captions`);
    if (value !== undefined && trains)
      throw new UsageError(`--${option} is for zero-shot, which --${linearProbe ? 'linear-probe' : 'shots'} is not`);
  }
  if (compare === precision) throw new UsageError(`--compare ${compare} is the precision of --precision`);
}
