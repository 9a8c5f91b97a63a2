/** `edgeclip classify`: ranks labels for pictures. */
import { type Command, Option } from 'commander';
import { forEachPicture } from './batch.ts';
import { EXIT_FAILED, positiveInteger } from './failure.ts';
import { nineDigits } from './float32.ts';
import { pictureInputs } from './inputs.ts';
import { readLabels, readTemplates, splitList } from './labels.ts';
import { addModelOptions, loadModel, type ModelOptions } from './model.ts';
import { standardOutput } from './output.ts';
import { Progress } from './progress.ts';
import { rankingTable } from './table.ts';

interface ClassifyCommandOptions extends ModelOptions {
  readonly labels?: string[];
  readonly labelsFile?: string;
  readonly templates?: string[];
  readonly top: number;
  readonly orient?: boolean;
  readonly json?: boolean;
}

const HELP = `
Images: files (JPEG, PNG, WebP), - for standard input, or directories: the .jpg, .jpeg, .png and .webp files in each,
sorted by name, without hidden files and subdirectories.

Example:
  $ edgeclip classify cat.png --labels "cat, dog, cup of coffee"

Exit code: 0 all done; 1 an image or the model failed (the other images are done, the reason is on standard error);
2 the command line cannot be used.`;

export function addClassify(program: Command): void {
  const command = program
    .command('classify')
    .summary('rank labels for images')
    .description('Ranks labels for images, zero-shot: score is the softmax over all labels, similarity the cosine.')
    .argument('<images...>', 'files, directories, or - for standard input')
    .addOption(
      new Option('--labels <list>', 'labels between commas, blanks around them left out; the only option that splits')
        .argParser((list: string, before: string[] = []) => [...before, ...splitList(list)])
        .conflicts('labelsFile'),
    )
    .option('--labels-file <file>', 'one label a line, word for word (commas too); blank lines are no labels')
    .addOption(
      new Option(
        '--templates <templates>',
        'prompts around the labels: single, openai-7 or openai-80; else a template with {} or {label} in the ' +
          "label's place; else a file with one template a line (default: single). Can be repeated",
      ).argParser((value: string, before: string[] = []) => [...before, value]),
    )
    .option('--top <n>', 'labels to show for each image', positiveInteger, 5)
    .option('--orient', "turn photos upright as EXIF says (the published Python code doesn't)")
    .option('--json', 'one object a line: {"file", "labels": [{"label", "index", "score", "similarity"}]}');
  addModelOptions(command).addHelpText('after', HELP).action(classify);
}

async function classify(images: string[], options: ClassifyCommandOptions): Promise<void> {
  const labels = await readLabels(options.labels, options.labelsFile);
  const templates = await readTemplates(options.templates);
  const inputs = await pictureInputs(images);
  const progress = new Progress();
  using clip = await loadModel(options, ['image', 'text'], progress);
  const classifier = await clip.classifier(labels, {
    ...(templates && { templates }),
    onProgress: ({ done, total }) => progress.show('prompts', done, total),
  });
  const output = standardOutput();
  const { top: topK, orient = false } = options;
  let tables = 0;
  const failed = await forEachPicture(clip, inputs, { orient }, progress, async (embedding, { name }) => {
    const ranked = await classifier.classify(embedding, { topK });
    if (output.terminal) progress.clear();
    if (options.json) {
      const rows = ranked.map(({ label, index, score, similarity }) => {
        return { label, index, score: nineDigits(score), similarity: nineDigits(similarity) };
      });
      await output.write(`${JSON.stringify({ file: name, labels: rows })}\n`);
    } else {
      await output.write((tables++ > 0 ? '\n' : '') + rankingTable(name, ranked));
    }
  });
  if (failed > 0) process.exitCode = EXIT_FAILED;
}
