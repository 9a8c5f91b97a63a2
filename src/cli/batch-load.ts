/** `edgeclip batch load`: the parts of a batch into a photo index. */
import type { Command } from 'commander';
import { loadParts } from '../batch/load-parts.ts';
import { outputMaker } from '../batch/work.ts';
import { counted } from '../counted.ts';
import { ClipError } from '../errors.ts';
import { openPhotos } from '../search/index.ts';
import { checkPlaces, openOutput, plannedBatch, STORAGE_HELP } from './batch-options.ts';
import { emptyOption, visible } from './failure.ts';
import { standardOutput } from './output.ts';
import { Progress } from './progress.ts';

interface LoadOptions {
  readonly output: string;
  readonly to: string;
  readonly includeGone?: boolean;
  readonly endpoint?: string;
}

const HELP = `
The index is that of edgeclip index: one SQLite file, or tables in PostgreSQL with pgvector, by COPY. It is made if it is not there;
edgeclip search, duplicates and serve read it. Pictures that failed are listed by edgeclip index --errors. Run it again after more
parts were written, or after it was stopped: what is there stays. A picture of a bucket has its address as its path. Pictures that
the plan was told have moved (batch plan --moved) get their new path. Each part is read whole, and its checksum compared. A later
edgeclip index of the same folder reads each file once, and embeds those alone whose content is another one.

Where the folder of the pictures is on this machine, the index is as edgeclip index would make it: a file with several paths, by
symbolic or hard links, is one photo, and pictures whose files were removed are left out, or leave it if they were loaded before.
--include-gone loads and keeps those.
${STORAGE_HELP}

Examples:
  $ edgeclip batch load --output vectors --to photos.db
  $ edgeclip batch load --output s3://bucket/vectors --to postgres://me@localhost/photos
  $ edgeclip search "a red bicycle" --in postgres://me@localhost/photos

Exit code: 0 success; 1 the parts cannot be read or the index cannot be written; 2 invalid command line.`;

export function addBatchLoad(batch: Command): void {
  batch
    .command('load')
    .summary('load the parts into a photo index')
    .description('Loads the embeddings of a batch into a photo index, in SQLite or PostgreSQL with pgvector.')
    .requiredOption('--output <place>', 'where the plan and the parts are: a folder or s3://bucket/prefix')
    .requiredOption('--to <index>', 'the index: a file, or postgres://...')
    .option('--include-gone', 'load also pictures whose files were removed from their folder')
    .option('--endpoint <url>', 'server of s3:// addresses (default: AWS_ENDPOINT_URL, else Amazon)')
    .addHelpText('after', HELP)
    .action(load);
}

async function load(options: LoadOptions): Promise<void> {
  const { to } = options;
  if (to === '') throw emptyOption('--to');
  checkPlaces(options);
  const progress = new Progress();
  const output = await openOutput(options);
  const plan = await plannedBatch(output);
  const { head } = plan;
  if (head.layout !== 'parquet') {
    throw new ClipError('UNSUPPORTED', `${visible(output.place)} has the layout ${head.layout}: an index is loaded from parts in Parquet`); // biome-ignore format: one line
  }
  const made = await outputMaker(output, head.layout);
  if (!made) throw new ClipError('IO', `${visible(output.place)} has no parts yet: edgeclip batch work`);
  const { model, maker, dimension, prepared } = made;
  const store = await openPhotos(to, { create: { model, dimension, pictures: prepared } });
  try {
    const onPart = (done: number, total: number) => progress.show('parts', done, total);
    const { includeGone = false } = options;
    const { counts, missing } = await store.bulk(() => loadParts(output, plan, store, { maker, includeGone, onPart }));
    progress.clear();
    const { added, changed, moved, unchanged, linked, gone, failed } = counts;
    const words = Object.entries({ new: added, changed, moved, 'known before': unchanged, failed }).flatMap(([word, n]) => (n > 0 ? [`${n} ${word}`] : [])); // biome-ignore format: one line
    if (linked > 0) words.push(counted(linked, 'link'));
    if (gone > 0) progress.line(`note: ${counted(gone, 'picture')} left out, as ${gone === 1 ? 'its file was' : 'their files were'} removed: --include-gone loads ${gone === 1 ? 'it' : 'them'}, too`); // biome-ignore format: one line
    if (missing > 0) progress.line(`warning: ${counted(missing, 'shard')} ${missing === 1 ? 'has' : 'have'} no part yet: load again after edgeclip batch work`); // biome-ignore format: one line
    await standardOutput().write(`${visible(store.name)}: ${counted(await store.count(), 'photo')} (${words.join(', ') || 'no parts'})\n`); // biome-ignore format: one line
  } finally {
    progress.clear();
    await store.close();
  }
}
