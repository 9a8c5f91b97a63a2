/** `edgeclip classify`: ranks labels for pictures. */
import { type Command, Option } from 'commander';
import { forEachPicture } from './batch.ts';
import { EXIT_FAILED, positiveInteger, UsageError } from './failure.ts';
import { nineDigits } from './float32.ts';
import { addInputOptions, INPUT_HELP, ORIENT_HELP } from './input-options.ts';
import { type InputOptions, Pictures } from './inputs.ts';
import {
  everyClassHasPrompts,
  isTemplatesFile,
  type LabelOptions,
  labelNotes,
  readLabels,
  readTemplates,
  splitList,
} from './labels.ts';
import { addMaxPixels, addModelOptions, checkTokenizer, loadModel, type ModelOptions } from './model.ts';
import { standardOutput } from './output.ts';
import { checkOverwrites } from './overwrites.ts';
import { Progress } from './progress.ts';
import { checkStandardInput } from './standard-input.ts';
import { rankingTable } from './table.ts';

interface ClassifyCommandOptions extends ModelOptions, InputOptions, LabelOptions {
  readonly templates?: string[];
  readonly top?: number;
  readonly orient?: boolean;
  readonly json?: boolean;
}

/** Rows of a table by default. */
const TOP = 5;

const HELP = `${INPUT_HELP}
Classes: {"cat": ["a photo of a cat", "a small furry animal with whiskers"], "dog": [...]}, or a list of
{"label", "prompts"} where the order matters or labels repeat; templates apply to its labels without prompts. A label's
vector is the mean of its prompts' vectors.

Examples:
  $ edgeclip classify cat.png --labels "cat, dog, cup of coffee"
  $ find photos -name '*.jpg' -print0 | edgeclip classify --files-from - --null -l cat,dog --json

Exit code: 0 success; 1 an image or the model failed (the other images are processed, errors are on standard error);
2 invalid command line.`;

export function addClassify(program: Command): void {
  const command = program
    .command('classify')
    .summary('rank labels for images')
    .description('Ranks labels for images, zero-shot: score is the softmax over all labels, similarity the cosine.')
    .argument('[images...]', 'files, folders, patterns, or - for standard input')
    .addOption(
      new Option(
        '-l, --labels <list>',
        'labels separated by commas, spaces around them removed; no other option splits at commas',
      )
        .argParser((list: string, before: string[] = []) => [...before, ...splitList(list)])
        .conflicts(['labelsFile', 'classes']),
    )
    .addOption(
      new Option(
        '--labels-file <file>',
        'one label per line, verbatim (commas too); blank lines are skipped',
      ).conflicts('classes'),
    )
    .option('--classes <file>', 'a JSON file with prompts for each label (see below)')
    .addOption(
      new Option(
        '--templates <templates>',
        'prompt templates: single, openai-7 or openai-80; or a template with {} or {label} as the placeholder; ' +
          'or a file with one template per line (default: single). Can be repeated',
      ).argParser((value: string, before: string[] = []) => [...before, value]),
    )
    .option('--top <n>', `labels to show for each image (default: ${TOP}; with --json all)`, positiveInteger('--top'))
    .option('--orient', ORIENT_HELP)
    .option('--json', 'one object per line: {"file", "labels": [{"label", "index", "score", "similarity"}]}');
  addInputOptions(command);
  addMaxPixels(command);
  addModelOptions(command).addHelpText('after', HELP).action(classify);
}

async function classify(images: string[], options: ClassifyCommandOptions): Promise<void> {
  const { labelsFile, classes: classesFile, filesFrom, json = false, orient = false } = options;
  if (images.length === 0 && filesFrom === undefined) {
    throw new UsageError("missing required argument 'images': give images, folders or --files-from");
  }
  const textFiles = [labelsFile, classesFile, filesFrom, ...(options.templates ?? []).filter(isTemplatesFile)];
  checkStandardInput([...images, ...textFiles]);
  const classes = await readLabels(options);
  const templates = await readTemplates(options.templates);
  const progress = new Progress();
  const pictures = await Pictures.collect(images, options, progress);
  checkOverwrites({}, { pictures: pictures.inputs, texts: textFiles, model: options.model });
  const output = standardOutput();
  using clip = await loadModel(options, ['image', 'text'], progress);
  checkTokenizer(clip);
  const classifier = await clip.classifier(classes, {
    ...(templates && { templates }),
    onProgress: ({ done, total }) => progress.show('prompts', done, total),
  });
  const { labels } = classifier;
  let notes = labelNotes(labels);
  if (templates && everyClassHasPrompts(classes)) {
    notes.push('--templates was not used: every class has prompts of its own');
  }
  const topK = options.top ?? (json ? labels.length : TOP);
  let tables = 0;
  const failed = await forEachPicture(clip, pictures.inputs, { orient }, progress, async (embedding, { name }) => {
    const ranked = await classifier.classify(embedding, { topK });
    for (const note of notes) progress.line(`note: ${note}`); // only once there is an answer
    notes = [];
    if (output.terminal) progress.clear();
    if (json) {
      const rows = ranked.map(({ label, index, score, similarity }) => {
        return { label, index, score: nineDigits(score), similarity: nineDigits(similarity) };
      });
      await output.write(`${JSON.stringify({ file: name, labels: rows })}\n`);
    } else {
      await output.write((tables++ > 0 ? '\n' : '') + rankingTable(name, ranked, labels.length));
    }
  });
  pictures.reportSkipped();
  if (failed > 0) process.exitCode = EXIT_FAILED;
}
