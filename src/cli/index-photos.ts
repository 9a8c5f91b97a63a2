/** `edgeclip index`: a photo index of files and folders, kept up to date. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { counted } from '../counted.ts';
import { RealPaths } from '../real-paths.ts';
import { openPhotos, type PhotoStore } from '../search/index.ts';
import { isGone } from '../search/photo-file.ts';
import { isPostgres } from '../search/postgres-address.ts';
import { describe, EXIT_FAILED, emptyOption, UsageError, visible } from './failure.ts';
import { IndexedFolders } from './indexed-folders.ts';
import { ORIENT_HELP, SCALED_HELP } from './input-options.ts';
import { type InputOptions, type PictureInput, Pictures } from './inputs.ts';
import { addMaxPixels, addModelOptions, loadModel, type ModelOptions } from './model.ts';
import { type Output, standardOutput } from './output.ts';
import { checkOverwrites } from './overwrites.ts';
import { type Counts, PhotoUpdates } from './photo-updates.ts';
import { Progress } from './progress.ts';
import { STANDARD_INPUT, title } from './standard-input.ts';
import { fileKind } from './walk.ts';

interface IndexOptions extends ModelOptions, InputOptions {
  readonly to: string;
  readonly errors?: boolean;
  readonly allowEmpty?: boolean;
  readonly orient?: boolean;
  readonly scaled?: boolean;
}

/** Where an index is if nothing else is said. */
export const DEFAULT_INDEX = 'edgeclip.db';

const HELP = `
Photos: files (JPEG, PNG, WebP, and AVIF and HEIC where icodec and libheif-js are installed), folders with their subfolders, or
patterns. Run it again after changes: files of the same size and time are not read, a file that was renamed or moved keeps its
vector (by a hash of its content), and photos of the folders given whose files are gone leave the index. Photos of a folder that has
none now stay, as its disk may not be mounted: --allow-empty says that it is meant to be empty, or gone. Each photo is stored when it
is done: after Ctrl-C the next run goes on. A file with several paths, by symbolic or hard links, is one photo.

The index records the model, which later runs and searches must have. It is one SQLite file (on Node.js before 22.13 install the
package libsql), or tables in PostgreSQL with pgvector (install pg and pg-copy-streams): postgres://USER@HOST/DATABASE, with
?index=NAME for a further index there. Keep the password out of the command: PGPASSWORD and ~/.pgpass are read.

Examples:
  $ edgeclip index ~/Pictures --to photos.db
  $ edgeclip search "a red bicycle" --in photos.db
  $ edgeclip index --errors --to photos.db
  $ edgeclip index /srv/photos --to postgres://me@localhost/photos

Exit code: 0 success; 1 a photo or the model failed (the others are indexed); 2 invalid command line.`;

export function addIndex(program: Command): void {
  const command = program
    .command('index')
    .summary('make or update an index of photos')
    .description('Embeds photos into an index that search, duplicates and serve read.')
    .argument('[photos...]', 'files, folders or patterns')
    .option('--to <index>', 'the index: a file, or postgres://...', DEFAULT_INDEX)
    .option('--errors', 'list the files that could not be read or embedded, and do nothing else')
    .option(
      '--allow-empty',
      'remove the photos of a folder that is empty or gone; they stay otherwise, as its disk may not be mounted',
    )
    .option('--no-recursive', 'leave out subfolders')
    .option('--files-from <file>', 'more photos: a file with one name per line')
    .option('-0, --null', 'names in --files-from end with NUL, as by find -print0')
    .option('--orient', ORIENT_HELP)
    .option('--scaled', SCALED_HELP);
  addMaxPixels(command);
  addModelOptions(command).addHelpText('after', HELP).action(index);
}

async function index(photos: string[], options: IndexOptions): Promise<void> {
  const { to, errors = false, allowEmpty = false, orient = false, scaled = false, imageSize } = options;
  if (to === '') throw emptyOption('--to');
  const output = standardOutput();
  if (errors) {
    if (photos.length > 0) throw new UsageError('--errors lists what is in the index: leave out the photos');
    return listErrors(to, output);
  }
  if (photos.length === 0 && options.filesFrom === undefined) {
    throw new UsageError("missing required argument 'photos': give files, folders or --files-from");
  }
  if (photos.includes(STANDARD_INPUT)) throw new UsageError('- (standard input) has no path that an index could keep');
  const progress = new Progress();
  const pictures = await Pictures.collect(photos, options, progress, 'index');
  checkOverwrites(isPostgres(to) ? {} : { to }, {
    pictures: pictures.inputs,
    texts: [options.filesFrom],
    model: options.model,
  });
  using clip = await loadModel(options, ['image'], progress);
  const create = {
    model: clip,
    dimension: clip.config.embedDim,
    pictures: { orient, scaled, ...(imageSize !== undefined && { imageSize }) },
  };
  // Without a file no index is made; one that is there forgets what is gone.
  const hasFiles = pictures.inputs.some(({ name, isFile }) => isFile && fileKind(name) !== undefined);
  const store = await openPhotos(to, hasFiles ? { create } : {}).catch(async (error) => {
    if (!hasFiles) await reportAll(pictures.inputs, progress);
    throw error;
  });
  try {
    const real = new RealPaths();
    const updates = await PhotoUpdates.open(store, clip, { orient, scaled }, progress, real);
    const isEmptied = ({ name }: PictureInput) => allowEmpty && isGone(name) && updates.hasIn(resolve(name));
    await updates.update(pictures.inputs.filter((input) => !isEmptied(input)));
    await updates.removeGone(new IndexedFolders(photos, pictures.inputs, allowEmpty, real));
    pictures.reportSkipped();
    await output.write(`${visible(store.name)}: ${await summary(store, updates.counts)}\n`);
    if (updates.counts.failed > 0) process.exitCode = EXIT_FAILED;
  } finally {
    await store.close();
  }
}

/** Says of each input why there is nothing to read. */
async function reportAll(inputs: readonly PictureInput[], progress: Progress): Promise<void> {
  for (const { name, read } of inputs) {
    await read().catch((error) => progress.line(`error: ${title(name)}: ${describe(error)}`));
  }
}

async function listErrors(path: string, output: Output): Promise<void> {
  const store = await openPhotos(path, { readOnly: true });
  try {
    for (const { path, error } of await store.failures()) await output.write(`${visible(path)}: ${error}\n`);
  } finally {
    await store.close();
  }
}

/** "1204 photos (12 new, 3 moved, 1 removed, 2 failed)", "4 photos (nothing new, 1 link)" */
async function summary(store: PhotoStore, counts: Counts): Promise<string> {
  const { added, copied, moved, removed, linked, failed } = counts;
  const words = { new: added + copied, moved, removed, failed };
  const list = Object.entries(words).flatMap(([word, n]) => (n > 0 ? [`${n} ${word}`] : []));
  if (list.length === 0) list.push('nothing new');
  if (linked > 0) list.push(counted(linked, 'link'));
  return `${counted(await store.count(), 'photo')} (${list.join(', ')})`;
}
