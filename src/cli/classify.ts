/** `edgeclip classify`: ranks labels for pictures. */
import { type Command, Option } from 'commander';
import type { Classifier } from '../classifier.ts';
import type { Clip } from '../clip.ts';
import { nineDigits } from '../float32.ts';
import type { Tower } from '../model/config.ts';
import { forEachPicture } from './batch.ts';
import { readClassifierFile, saveClassifier } from './classifier-files.ts';
import { EXIT_FAILED, emptyOption, positiveInteger, UsageError } from './failure.ts';
import { addInputOptions, INPUT_HELP, ORIENT_HELP, SCALED_HELP } from './input-options.ts';
import { type InputOptions, Pictures } from './inputs.ts';
import { addLabelOptions, labelFiles } from './label-options.ts';
import { everyClassHasPrompts, type LabelOptions, labelNotes, readLabels, readTemplates } from './labels.ts';
import { addMaxPixels, addModelOptions, checkTokenizer, loadModel, type ModelOptions } from './model.ts';
import { isDirect, type Output, standardOutput } from './output.ts';
import { checkOverwrites } from './overwrites.ts';
import { checkWritable } from './partial-file.ts';
import { Progress } from './progress.ts';
import { checkStandardInput } from './standard-input.ts';
import { rankingTable } from './table.ts';

interface ClassifyCommandOptions extends ModelOptions, InputOptions, LabelOptions {
  readonly classifier?: string;
  readonly saveClassifier?: string;
  readonly top?: number;
  readonly orient?: boolean;
  readonly scaled?: boolean;
  readonly json?: boolean;
}

/** Rows of a table by default. */
const TOP = 5;

const HELP = `${INPUT_HELP}
Classes: {"cat": ["a photo of a cat", "a small furry animal with whiskers"], "dog": [...]}, or a list of
{"label", "prompts"} where the order matters or labels repeat; templates apply to its labels without prompts. A label's
vector is the mean of its prompts' vectors.

A classifier file holds labels and vectors, so that pictures need only the image tower: here with --classifier, in programs
with Classifier.fromBytes. It belongs to the model that made it, in either precision. With --save-classifier images may be
absent. It is written as FILE.partial and renamed when complete.

Examples:
  $ edgeclip classify cat.png --labels "cat, dog, cup of coffee"
  $ edgeclip classify --labels-file labels.txt --templates openai-80 --save-classifier classifier.bin
  $ edgeclip classify photos/ --classifier classifier.bin --json
  $ find photos -name '*.jpg' -print0 | edgeclip classify --files-from - --null -l cat,dog --json

Exit code: 0 success; 1 an image or the model failed (the other images are processed, errors are on standard error);
2 invalid command line.`;

export function addClassify(program: Command): void {
  const command = program
    .command('classify')
    .summary('rank labels for images')
    .description('Ranks labels for images, zero-shot: score is the softmax over all labels, similarity the cosine.')
    .argument('[images...]', 'files, folders, patterns, or - for standard input');
  addLabelOptions(command)
    .option('--save-classifier <file>', 'write the labels and their vectors to a classifier file')
    .addOption(
      new Option('--classifier <file>', 'take labels and vectors from a classifier file of the same model').conflicts([
        'labels',
        'labelsFile',
        'classes',
        'templates',
        'saveClassifier',
      ]),
    )
    .option('--top <n>', `labels to show for each image (default: ${TOP}; with --json all)`, positiveInteger('--top'))
    .option('--orient', ORIENT_HELP)
    .option('--scaled', SCALED_HELP)
    .option('--json', 'one object per line: {"file", "labels": [{"label", "index", "score", "similarity"}]}');
  addInputOptions(command);
  addMaxPixels(command);
  addModelOptions(command).addHelpText('after', HELP).action(classify);
}

/** Where the labels come from, read before the model is loaded. */
interface LabelSource {
  /** The towers that it needs beside the image tower. */
  readonly towers: readonly Tower[];
  classifier(clip: Clip): Promise<Classifier>;
  /** For standard error. */
  notes(classifier: Classifier): string[];
}

async function classify(images: string[], options: ClassifyCommandOptions): Promise<void> {
  const { filesFrom, classifier: labelledFile, saveClassifier: saveTo } = options;
  const withImages = images.length > 0 || filesFrom !== undefined;
  if (!withImages && saveTo === undefined) {
    throw new UsageError("missing required argument 'images': give images, folders or --files-from");
  }
  if (saveTo === '') throw emptyOption('--save-classifier');
  const files = [...labelFiles(options), labelledFile, filesFrom];
  checkStandardInput([...images, ...files]);
  const progress = new Progress();
  const source = labelledFile === undefined ? await givenLabels(options, progress) : await savedLabels(labelledFile);
  const pictures = await Pictures.collect(images, options, progress);
  checkOverwrites(
    { ...(saveTo !== undefined && { saveClassifier: saveTo }) },
    { pictures: pictures.inputs, texts: files, model: options.model },
  );
  if (saveTo !== undefined && !isDirect(saveTo)) await checkWritable(saveTo);
  const output = standardOutput();
  // Without images, a model that is a text tower alone will do.
  using clip = await loadModel(options, withImages ? ['image', ...source.towers] : undefined, progress);
  const classifier = await source.classifier(clip);
  if (saveTo !== undefined) await saveClassifier(saveTo, classifier);
  const notes = source.notes(classifier);
  if (withImages) return await rankPictures(pictures, { clip, classifier, notes, output, progress, options });
  progress.clear();
  for (const note of notes) progress.line(`note: ${note}`);
}

/** Labels with templates or prompts. */
async function givenLabels(options: ClassifyCommandOptions, progress: Progress): Promise<LabelSource> {
  const classes = await readLabels(options);
  const templates = await readTemplates(options.templates);
  return {
    towers: ['text'],
    async classifier(clip) {
      checkTokenizer(clip);
      return clip.classifier(classes, {
        ...(templates && { templates }),
        onProgress: ({ done, total }) => progress.show('prompts', done, total),
      });
    },
    notes({ labels }) {
      const unused = templates && everyClassHasPrompts(classes);
      const note = '--templates was not used: every class has prompts of its own';
      return [...labelNotes(labels), ...(unused ? [note] : [])];
    },
  };
}

/** Labels with their vectors. */
async function savedLabels(path: string): Promise<LabelSource> {
  const classifierFor = await readClassifierFile(path);
  return {
    towers: [],
    classifier: async (clip) => classifierFor(clip),
    notes: ({ labels }) => labelNotes(labels),
  };
}

interface Ranking {
  readonly clip: Clip;
  readonly classifier: Classifier;
  readonly notes: readonly string[];
  readonly output: Output;
  readonly progress: Progress;
  readonly options: ClassifyCommandOptions;
}

/** Prints the ranked labels of each picture as it comes. */
async function rankPictures(pictures: Pictures, ranking: Ranking): Promise<void> {
  const { clip, classifier, output, progress } = ranking;
  const { json = false, orient = false, scaled = false, top } = ranking.options;
  const { labels } = classifier;
  let { notes } = ranking;
  const topK = top ?? (json ? labels.length : TOP);
  let tables = 0;
  const failed = await forEachPicture(
    clip,
    pictures.inputs,
    { orient, scaled },
    progress,
    async (embedding, { name }) => {
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
    },
  );
  pictures.reportSkipped();
  if (failed > 0) process.exitCode = EXIT_FAILED;
}
