/** `edgeclip tag`: the words of a vocabulary that fit each photo. */
import { type Command, Option } from 'commander';
import type { Classifier } from '../classifier.ts';
import { nineDigits } from '../float32.ts';
import { openPhotos } from '../search/index.ts';
import { forEachPicture } from './batch.ts';
import { readThreshold, type Tagger, type Threshold, type ThresholdOptions } from './calibration.ts';
import { describe, EXIT_FAILED, emptyOption, positiveInteger, quote, UsageError } from './failure.ts';
import { indexedModel } from './indexed-model.ts';
import { addInputOptions, INPUT_HELP, ORIENT_HELP, SCALED_HELP } from './input-options.ts';
import { type InputOptions, Pictures } from './inputs.ts';
import { addTemplatesOption, labelFiles } from './label-options.ts';
import { addMaxPixels, addModelOptions, loadModel, type ModelOptions } from './model.ts';
import { type Output, standardOutput } from './output.ts';
import { Progress } from './progress.ts';
import { checkStandardInput, STANDARD_INPUT, title } from './standard-input.ts';
import { readVocabulary, VOCABULARY_HELP } from './vocabulary.ts';
import { writeSidecar } from './xmp-sidecar.ts';

interface TagOptions extends ModelOptions, InputOptions, ThresholdOptions {
  readonly vocabulary: string;
  readonly templates?: string[];
  readonly top: number;
  readonly in?: string;
  readonly xmp?: boolean;
  readonly merge?: boolean;
  readonly orient?: boolean;
  readonly scaled?: boolean;
}

/** Options that say how images are found and prepared. */
const OF_IMAGES: ReadonlySet<string> = new Set(['recursive', 'null', 'orient', 'scaled', 'maxPixels', 'imageSize']);

const HELP = `${INPUT_HELP}
Prints one JSON object for each photo: {"file", "tags": [{"tag", "similarity"}]}, the best word first. A word is given if its cosine
with the photo reaches the threshold; how large it must be depends on the model, the words and the photos. Measure it on photos
of yours: edgeclip eval FOLDER --vocabulary FILE --json > calibration.json. Without --threshold and --calibration it is 0.2 for the
embedded model; for other models the --top words are given, whatever their cosines.

With --xmp each photo that has words gets a sidecar, photo.jpg.xmp (as darktable and digiKam name it), with the words as dc:subject. A
sidecar that is there is an error; with --merge the words are added to it and all else in it stays.

Examples:
  $ edgeclip tag photos/ --recursive --vocabulary words.txt > tags.jsonl
  $ edgeclip tag --in photos.db --vocabulary words.txt --calibration calibration.json --xmp

Exit code: 0 success; 1 a photo, a sidecar, the index or the model failed (the others are done); 2 invalid command line.`;

export function addTag(program: Command): void {
  const command = program
    .command('tag')
    .summary('find the words of a vocabulary that fit each photo')
    .description('Gives each photo the words of a vocabulary that fit it, as JSON lines or as XMP sidecars.')
    .argument('[images...]', 'files, folders, patterns, or - for standard input')
    .requiredOption('--vocabulary <file>', VOCABULARY_HELP)
    .option('--in <file>', 'all photos of an index, by the vectors that it keeps: no photo is read')
    .addOption(new Option('--top <n>', 'most words of a photo').argParser(positiveInteger('--top')).default(5))
    .addOption(new Option('--threshold <x>', 'least cosine of a word').argParser(threshold).conflicts('calibration'))
    .option('--calibration <file>', 'the threshold that edgeclip eval --vocabulary --json measured')
    .option('--xmp', 'also write XMP sidecars')
    .option('--merge', 'add the words to sidecars that are there')
    .option('--orient', ORIENT_HELP)
    .option('--scaled', SCALED_HELP);
  addTemplatesOption(command, 'single');
  addInputOptions(command);
  addMaxPixels(command);
  addModelOptions(command).addHelpText('after', HELP).action(tag);
}

async function tag(images: string[], options: TagOptions, command: Command): Promise<void> {
  checkTagOptions(images, options, command);
  const { in: index, top, orient = false, scaled = false } = options;
  const vocabulary = await readVocabulary(options.vocabulary, options.templates);
  const thresholdFor = await readThreshold(options);
  const progress = new Progress();
  const output = standardOutput();
  const tags = (classifier: Classifier, tagger: Omit<Tagger, 'vocabulary'>) => {
    const threshold = thresholdFor({ ...tagger, vocabulary: vocabulary.hash });
    return new Tags(classifier, threshold, top, options, output, progress);
  };
  let failed = 0;
  if (index !== undefined) {
    const store = await openPhotos(index, { readOnly: true });
    try {
      using clip = await indexedModel(store, options, command, ['text'], progress);
      const { name, fingerprint } = store.model;
      const all = tags(await vocabulary.classifier(clip, progress), { model: name, fingerprint });
      const photos = await store.photos();
      for (const [i, { id, path }] of photos.entries()) {
        const vector = await store.vector(id);
        if (vector) failed += await all.give(path, vector);
        progress.show('photos', i + 1, photos.length);
      }
    } finally {
      progress.clear();
      await store.close();
    }
  } else {
    const pictures = await Pictures.collect(images, options, progress, 'tag');
    using clip = await loadModel(options, ['image', 'text'], progress);
    const { model, image } = clip.info();
    const all = tags(await vocabulary.classifier(clip, progress), { model, fingerprint: image?.fingerprint });
    let sidecars = 0;
    const bad = await forEachPicture(
      clip,
      pictures.inputs,
      { orient, scaled },
      progress,
      async (embedding, { name }) => {
        sidecars += await all.give(name, embedding);
      },
    );
    failed = bad + sidecars;
    pictures.reportSkipped();
  }
  if (failed > 0) process.exitCode = EXIT_FAILED;
}

/** @throws UsageError */
function checkTagOptions(images: readonly string[], options: TagOptions, command: Command): void {
  const { in: index, filesFrom, xmp = false, merge = false } = options;
  for (const [option, value] of Object.entries({ '--in': index, '--calibration': options.calibration })) {
    if (value === '') throw emptyOption(option);
  }
  if (index === undefined && images.length === 0 && filesFrom === undefined) {
    throw new UsageError("missing required argument 'images': give images, folders, --files-from or --in");
  }
  if (index !== undefined && (images.length > 0 || filesFrom !== undefined)) {
    throw new UsageError('--in tags all photos of an index: leave out the images');
  }
  const ofImages = command.options.find(
    (option) => OF_IMAGES.has(option.attributeName()) && command.getOptionValueSource(option.attributeName()) === 'cli',
  );
  if (index !== undefined && ofImages) {
    throw new UsageError(`${ofImages.long} is for images, which --in does not read: its vectors are as they were made`);
  }
  if (merge && !xmp) throw new UsageError('--merge is for --xmp');
  if (xmp && images.includes(STANDARD_INPUT)) throw new UsageError('- (standard input) has no place for a sidecar');
  checkStandardInput([...images, options.vocabulary, options.calibration, filesFrom, ...labelFiles(options)]);
}

/** Gives photos their words. */
class Tags {
  readonly #classifier: Classifier;
  readonly #threshold: number;
  readonly #top: number;
  readonly #sidecars: Pick<TagOptions, 'xmp' | 'merge'>;
  readonly #output: Output;
  readonly #progress: Progress;

  constructor(
    classifier: Classifier,
    { value, notes }: Threshold,
    top: number,
    sidecars: Pick<TagOptions, 'xmp' | 'merge'>,
    output: Output,
    progress: Progress,
  ) {
    this.#classifier = classifier;
    this.#threshold = value;
    this.#top = top;
    this.#sidecars = sidecars;
    this.#output = output;
    this.#progress = progress;
    for (const note of notes) progress.line(`note: ${note}`);
  }

  /** Prints a photo's words. Returns how many sidecars failed: 0 or 1. */
  async give(name: string, embedding: Float32Array): Promise<number> {
    const { xmp = false, merge = false } = this.#sidecars;
    const best = await this.#classifier.classify(embedding, { topK: this.#top });
    const tags = best
      .filter(({ similarity }) => similarity >= this.#threshold)
      .map(({ label, similarity }) => ({ tag: label, similarity: nineDigits(similarity) }));
    let sidecar: string | undefined;
    let failed = 0;
    if (xmp && tags.length > 0) {
      try {
        const words = tags.map(({ tag }) => tag);
        sidecar = await writeSidecar(name, words, merge);
      } catch (error) {
        failed = 1;
        this.#progress.line(`error: ${title(name)}: ${describe(error)}`);
      }
    }
    if (this.#output.terminal) this.#progress.clear();
    await this.#output.write(`${JSON.stringify({ file: name, tags, ...(sidecar !== undefined && { sidecar }) })}\n`);
    return failed;
  }
}

function threshold(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= -1 && value <= 1) return value;
  throw new UsageError(`--threshold must be a number from -1 to 1, got ${quote(text)}`);
}
