/** `edgeclip duplicates`: photos of an index that are copies of each other, or nearly. */
import { dirname } from 'node:path';
import { type Command, Option } from 'commander';
import { counted } from '../counted.ts';
import { fileIdentity } from '../file-identity.ts';
import { nineDigits } from '../float32.ts';
import { type DuplicateGroup, type DuplicatePhoto, duplicateGroups } from '../search/duplicates.ts';
import { EmptyFolders } from '../search/empty-folders.ts';
import { openPhotos } from '../search/index.ts';
import { hasChanged, isGone } from '../search/photo-file.ts';
import { emptyOption, quote, UsageError, visible } from './failure.ts';
import { DEFAULT_INDEX } from './index-photos.ts';
import { standardOutput } from './output.ts';
import { Progress } from './progress.ts';
import { APPROXIMATE_HELP } from './search.ts';

interface DuplicatesOptions {
  readonly in: string;
  readonly threshold: number;
  readonly approximate?: boolean;
  readonly json?: boolean;
}

/** Measured on edits of ten photos (docs/search.md): higher ones miss crops and flips, lower ones join photos of one scene. */
export const THRESHOLD = 0.92;

const HELP = `
Groups of exact copies (the same bytes) come first, then groups of photos whose vectors have a cosine of at least --threshold.
1 lists little more than copies. Links to one file are not copies. Nothing is changed or removed.

Exit code: 0 success; 1 the index cannot be read; 2 invalid command line.`;

export function addDuplicates(program: Command): void {
  program
    .command('duplicates')
    .summary('find photos of an index that are nearly equal')
    .description('Lists groups of photos of an index that are copies of each other, or nearly.')
    .option('--in <index>', 'the index, as edgeclip index made it', DEFAULT_INDEX)
    .addOption(new Option('--threshold <x>', 'least cosine of two photos').argParser(threshold).default(THRESHOLD))
    .option('--approximate', APPROXIMATE_HELP)
    .option('--json', 'one group per line: {"exact", "photos": [{"file", "similarity"}]}')
    .addHelpText('after', HELP)
    .action(duplicates);
}

async function duplicates({ in: path, threshold, approximate, json = false }: DuplicatesOptions): Promise<void> {
  if (path === '') throw emptyOption('--in');
  const output = standardOutput();
  const progress = new Progress();
  const store = await openPhotos(path, { readOnly: true });
  try {
    const onProgress = (done: number, total: number) => progress.show('photos', done, total);
    const { groups, changed } = await presentGroups(
      await duplicateGroups(store, { threshold, approximate, onProgress }),
    );
    progress.clear();
    if (changed > 0) progress.line(`note: left out as changed since they were indexed: ${counted(changed, 'photo')}; run edgeclip index again`); // biome-ignore format: one line
    if (groups.length === 0) progress.line('no duplicates');
    for (const [i, { exact, photos }] of groups.entries()) {
      if (json) {
        const list = photos.map(({ path, similarity }) => ({ file: path, similarity: nineDigits(similarity) }));
        await output.write(`${JSON.stringify({ exact, photos: list })}\n`);
        continue;
      }
      const lines = photos.map(
        ({ path, similarity }) => `${exact ? '  copy' : similarity.toFixed(4)}  ${visible(path)}\n`,
      );
      await output.write((i > 0 ? '\n' : '') + lines.join(''));
    }
  } finally {
    progress.clear();
    await store.close();
  }
}

/**
 * An index may have further paths of a file, if they became links after it was made, and files that were removed or changed since:
 * whoever deletes all but one of a group must not keep one that is gone, or delete one that is another photo now. A file whose folder
 * is not there, or empty, may be on a disk that is not mounted.
 */
async function presentGroups(
  groups: readonly DuplicateGroup[],
): Promise<{ readonly groups: DuplicateGroup[]; readonly changed: number }> {
  const folders = new EmptyFolders();
  const present: DuplicateGroup[] = [];
  let changed = 0;
  for (const { exact, photos } of groups) {
    const byFile = new Map<string | undefined, DuplicatePhoto>();
    for (const photo of photos) {
      const { path } = photo;
      const wasRemoved = isGone(path) && (await folders.hasOthers(path, (folder) => folder === dirname(path)));
      const file = fileIdentity(path);
      if (wasRemoved || byFile.has(file)) continue;
      if (hasChanged(photo)) changed++;
      else byFile.set(file, photo);
    }
    if (byFile.size > 1) present.push({ exact, photos: [...byFile.values()] });
  }
  return { groups: present, changed };
}

function threshold(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value <= 1) return value;
  throw new UsageError(`--threshold must be a number above 0 and at most 1, got ${quote(text)}`);
}
