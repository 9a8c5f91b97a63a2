/** `edgeclip search`: photos of an index by words, by pictures, or by both. */
import { type Command, Option } from 'commander';
import type { Clip } from '../clip.ts';
import { toPath } from '../file-name.ts';
import { nineDigits } from '../float32.ts';
import { openPhotos, type PhotoMatch, type PhotoStore } from '../search/index.ts';
import { NOT_WEIGHT } from '../search/photo-store.ts';
import { emptyOption, positiveInteger, quote, UsageError, visible } from './failure.ts';
import { DEFAULT_INDEX } from './index-photos.ts';
import { indexedModel } from './indexed-model.ts';
import { Pictures } from './inputs.ts';
import { addMaxPixels, addModelOptions, checkTokenizer, type ModelOptions } from './model.ts';
import { type Output, standardOutput } from './output.ts';
import { photoPage } from './photo-page.ts';
import { Progress } from './progress.ts';
import { repeated } from './repeated.ts';
import { titled } from './standard-input.ts';

interface SearchCommandOptions extends ModelOptions {
  readonly in: string;
  readonly not?: string[];
  readonly image?: string[];
  readonly imageWeight: number;
  readonly notWeight: number;
  readonly top: number;
  readonly json?: boolean;
  readonly paths0?: boolean;
  readonly html?: boolean;
  readonly approximate?: boolean;
}

export const APPROXIMATE_HELP = 'in PostgreSQL: use its HNSW index, which is faster and may miss a few';

const HELP = `
The query is a weighted sum of vectors of length 1: the words count 1, each --image as --image-weight says, and each --not is taken
away with --not-weight. Scores are cosines: a few tenths for words, up to 1 for pictures.

The model is the one that made the index; give --model only if it is a folder that has moved.

Examples:
  $ edgeclip search "a red bicycle" --in photos.db
  $ edgeclip search "a beach" --not "people" --top 50 --html > beach.html
  $ edgeclip search --image query.jpg "at night" --json
  $ edgeclip search "receipts" --paths0 | xargs -0 cp -t receipts/

Exit code: 0 success, also if the index is empty; 1 the index, the model or a picture failed; 2 invalid command line.`;

export function addSearch(program: Command): void {
  const command = program
    .command('search')
    .summary('find photos of an index')
    .description('Finds the photos of an index that match words, pictures, or both.')
    .argument('[words...]', 'a description; several words are one')
    .option('--in <index>', 'the index, as edgeclip index made it', DEFAULT_INDEX)
    .addOption(new Option('--not <words>', 'what the photos should not show; can be repeated').argParser(repeated))
    .addOption(new Option('--image <file>', 'a picture that they should be like; can be repeated').argParser(repeated))
    .addOption(
      new Option('--image-weight <x>', 'weight of each --image').argParser(weight('--image-weight')).default(1),
    )
    .addOption(
      new Option('--not-weight <x>', 'weight of each --not').argParser(weight('--not-weight')).default(NOT_WEIGHT),
    )
    .addOption(new Option('--top <n>', 'number of photos').argParser(positiveInteger('--top')).default(20))
    .option('--approximate', APPROXIMATE_HELP)
    .addOption(new Option('--json', 'one object per line: {"file", "similarity"}').conflicts(['paths0', 'html']))
    .addOption(new Option('--paths0', 'paths alone, each with NUL at its end, for xargs -0').conflicts('html'))
    .option('--html', 'a page with thumbnails that needs no server');
  addMaxPixels(command);
  addModelOptions(command).addHelpText('after', HELP).action(search);
}

async function search(words: string[], options: SearchCommandOptions, command: Command): Promise<void> {
  const { in: path, top, approximate, not = [], image: images = [] } = options;
  if (path === '') throw emptyOption('--in');
  const text = words.join(' ').trim();
  if (text === '' && images.length === 0) throw new UsageError('nothing to search for: give words or --image');
  if (not.some((one) => one.trim() === '')) throw emptyOption('--not');
  const progress = new Progress();
  const output = standardOutput();
  const store = await openPhotos(path, { readOnly: true });
  try {
    const withText = text !== '' || not.length > 0;
    const towers = [...(withText ? (['text'] as const) : []), ...(images.length > 0 ? (['image'] as const) : [])];
    using clip = await indexedModel(store, options, command, towers, progress);
    const query = await queryVector(clip, store, { ...options, text, not, images }, progress);
    const found = await store.search(query, top, { approximate });
    progress.clear();
    const asked = [text, ...images.map((name) => `like ${name}`), ...not.map((one) => `not ${one}`)].filter(
      (one) => one,
    );
    await write(output, options, found, () => photoPage({ asked: asked.join(', '), found, clip, store }));
  } finally {
    await store.close();
  }
}

interface Query extends SearchCommandOptions {
  readonly text: string;
  readonly not: string[];
  readonly images: readonly string[];
}

/** The weighted sum. @throws ClipError for a picture that cannot be read or embedded */
async function queryVector(
  clip: Clip,
  store: PhotoStore,
  { text, not, images, imageWeight, notWeight }: Query,
  progress: Progress,
): Promise<Float32Array> {
  const sum = new Float32Array(store.dimension);
  const add = (vector: Float32Array, factor: number) => {
    for (const [i, value] of vector.entries()) sum[i]! += factor * value;
  };
  if (text !== '' || not.length > 0) {
    checkTokenizer(clip);
    if (text !== '') add(await clip.encodeText(text), 1);
    for (const vector of await clip.encodeText([...not])) add(vector, -notWeight);
  }
  if (images.length === 0) return sum;
  const { inputs } = await Pictures.collect(images, {}, progress, 'index');
  const { orient, scaled } = store.pictures;
  for (const { name, read } of inputs) {
    try {
      add(await clip.encodeImage(await read(), { orient, scaled }), imageWeight);
    } catch (error) {
      throw titled(name, error);
    }
  }
  return sum;
}

async function write(
  output: Output,
  { json = false, paths0 = false, html = false }: SearchCommandOptions,
  found: readonly PhotoMatch[],
  page: () => Promise<string>,
): Promise<void> {
  if (html) return output.write(await page());
  for (const { path, similarity } of found) {
    if (json) await output.write(`${JSON.stringify({ file: path, similarity: nineDigits(similarity) })}\n`);
    else if (paths0) await output.write(Buffer.concat([Buffer.from(toPath(path)), Buffer.of(0)]));
    else await output.write(`${similarity.toFixed(4).padStart(7)}  ${visible(path)}\n`);
  }
}

function weight(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value > 0 && value <= 100) return value;
    throw new UsageError(`${option} must be a number above 0 and at most 100, got ${quote(text)}`);
  };
}
