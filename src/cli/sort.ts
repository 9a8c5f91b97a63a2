/** `edgeclip sort`: photos into a folder for each label. */
import {
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { ClipError } from '../errors.ts';
import { fileIdentity, realPath } from '../file-identity.ts';
import { toPath } from '../file-name.ts';
import { ioReason } from '../platform/io-reason.ts';
import { makeFolder } from '../platform/make-folder.ts';
import { RealPaths } from '../real-paths.ts';
import { forEachPicture } from './batch.ts';
import { EXIT_FAILED, emptyOption, quote, UsageError, visible } from './failure.ts';
import { addInputOptions, INPUT_HELP, ORIENT_HELP, SCALED_HELP } from './input-options.ts';
import { type InputOptions, type PictureInput, Pictures } from './inputs.ts';
import { addLabelOptions, labelFiles } from './label-options.ts';
import { type LabelOptions, labelNotes, readLabels, readTemplates } from './labels.ts';
import { addMaxPixels, addModelOptions, checkTokenizer, loadModel, type ModelOptions } from './model.ts';
import { onePathEach } from './one-path-each.ts';
import { standardOutput } from './output.ts';
import { Progress } from './progress.ts';
import { checkStandardInput, STANDARD_INPUT } from './standard-input.ts';

interface SortOptions extends ModelOptions, InputOptions, LabelOptions {
  readonly into: string;
  readonly link?: boolean;
  readonly copy?: boolean;
  readonly move?: boolean;
  readonly dryRun?: boolean;
  readonly orient?: boolean;
  readonly scaled?: boolean;
}

const HELP = `${INPUT_HELP}
Each photo goes into the folder of its first label, DIR/LABEL/NAME. Files are copied unless --link or --move says otherwise.
Nothing is overwritten: where another photo of that name is, "-2", "-3" ... is added; the same file is not put there twice.
With --move links go with the file they lead to.
Characters of a label that cannot be in a folder's name become "_". What is done is printed, one line for each photo.

Examples:
  $ edgeclip sort photos/ --labels "cat, dog, other animal" --into sorted --dry-run
  $ edgeclip sort photos/ --recursive --labels-file labels.txt --into sorted --link

Exit code: 0 success; 1 a photo failed (the others are sorted); 2 invalid command line.`;

export function addSort(program: Command): void {
  const command = program
    .command('sort')
    .summary('put photos into a folder for each label')
    .description('Sorts photos into class folders, zero-shot. Copies by default; never overwrites.')
    .argument('[images...]', 'files, folders or patterns');
  addLabelOptions(command)
    .requiredOption('--into <dir>', 'where the folders are made')
    .addOption(new Option('--copy', 'copy the files (the default)').conflicts(['link', 'move']))
    .addOption(new Option('--link', 'make symbolic links to the files').conflicts('move'))
    .option('--move', 'move the files: they leave their folders')
    .option('--dry-run', 'print what would be done, and do nothing')
    .option('--orient', ORIENT_HELP)
    .option('--scaled', SCALED_HELP);
  addInputOptions(command);
  addMaxPixels(command);
  addModelOptions(command).addHelpText('after', HELP).action(sort);
}

async function sort(images: string[], options: SortOptions): Promise<void> {
  const { into, orient = false, scaled = false, dryRun = false } = options;
  if (into === '') throw emptyOption('--into');
  if (images.length === 0 && options.filesFrom === undefined) {
    throw new UsageError("missing required argument 'images': give images, folders or --files-from");
  }
  if (images.includes(STANDARD_INPUT))
    throw new UsageError('- (standard input) is not a file that could be put into a folder');
  checkStandardInput([...labelFiles(options), options.filesFrom]);
  const progress = new Progress();
  const output = standardOutput();
  const classes = await readLabels(options);
  const templates = await readTemplates(options.templates);
  const folders = checkFolders(classes.map((entry) => (typeof entry === 'string' ? entry : entry.label)));
  const pictures = await Pictures.collect(images, options, progress, 'sort');
  using clip = await loadModel(options, ['image', 'text'], progress);
  checkTokenizer(clip);
  const classifier = await clip.classifier(classes, templates ? { templates } : {});
  for (const note of labelNotes(classifier.labels)) progress.line(`note: ${note}`);
  const { inputs, links } = options.move
    ? movedTogether(pictures.inputs)
    : { inputs: pictures.inputs, links: new Map<string, string[]>() };
  const taken = new Set<string>();
  let refused = 0;
  const failed = await forEachPicture(clip, inputs, { orient, scaled }, progress, async (embedding, { name }) => {
    const [best] = await classifier.classify(embedding, { topK: 1 });
    const folder = join(into, folders[best!.index]!);
    let moved: string | undefined;
    for (const path of [name, ...(links.get(name) ?? [])]) {
      try {
        if (!dryRun) await makeFolder(folder);
        const to = place(path, folder, taken, options, moved);
        moved ??= to;
        if (output.terminal) progress.clear();
        await output.write(`${visible(path)} -> ${to === undefined ? `${visible(folder)}: is there` : visible(to)}\n`);
      } catch (error) {
        refused++;
        progress.line(`error: ${quote(path)}: ${ioReason(error)}`);
      }
    }
  });
  pictures.reportSkipped();
  if (dryRun) progress.line('nothing was done: --dry-run');
  if (failed + refused > 0) process.exitCode = EXIT_FAILED;
}

/**
 * Inputs that are moved, one for each file, and by their names the links to it, which go where it goes. A path through a link to a
 * folder is not a link of its own.
 */
function movedTogether(inputs: readonly PictureInput[]): { inputs: PictureInput[]; links: Map<string, string[]> } {
  const names = new Map(inputs.map(({ name }) => [resolve(name), name]));
  const once = onePathEach(inputs, () => false, new RealPaths());
  const byFile = new Map(once.inputs.map(({ name }) => [fileIdentity(name), name]));
  const entries = new Set(once.inputs.map(({ name }) => entryOf(name)));
  const links = new Map<string, string[]>();
  for (const path of once.others) {
    const name = byFile.get(fileIdentity(path));
    const entry = entryOf(path);
    if (name === undefined || entries.has(entry)) continue;
    entries.add(entry);
    links.set(name, [...(links.get(name) ?? []), names.get(path)!]);
  }
  return { inputs: once.inputs, links };
}

/** Where an entry of a folder is, be it a file or a link. */
const entryOf = (path: string): string => join(realPath(dirname(resolve(path))), basename(path));

/** The folders' names. @throws UsageError if two labels would share one */
function checkFolders(labels: readonly string[]): string[] {
  const names = labels.map((label) => {
    // What Windows, macOS or Linux refuse in names, and names of dots.
    const safe = label
      .replace(/[\p{Cc}<>:"/\\|?*]/gu, '_')
      .replace(/^\.+|[. ]+$/g, '_')
      .trim();
    return safe === '' ? '_' : safe;
  });
  const twice = names.findIndex((name, i) => names.findIndex((one) => one.toLowerCase() === name.toLowerCase()) < i);
  if (twice < 0) return names;
  throw new UsageError(
    `two labels would share the folder ${quote(names[twice]!)}: ${quote(labels[twice]!)} is the second`,
  );
}

/**
 * Puts a file into a folder under a name that is free. Returns its path there; undefined if it is there already.
 * @param moved where the file went that it is a link to
 * @throws the file system's error
 */
function place(
  name: string,
  folder: string,
  taken: Set<string>,
  { link = false, move = false, dryRun = false }: SortOptions,
  moved?: string,
): string | undefined {
  const from = resolve(name);
  if (dirname(from) === resolve(folder)) return undefined;
  const extension = extname(name);
  const stem = basename(name, extension);
  for (let n = 1; ; n++) {
    const to = join(folder, n === 1 ? basename(name) : `${stem}-${n}${extension}`);
    const key = resolve(to);
    if (isSame(from, key)) return undefined;
    if (taken.has(key) || lstatSync(toPath(to), { throwIfNoEntry: false })) continue;
    try {
      if (!dryRun) put(from, key, { link, move, moved });
      taken.add(key);
      return to;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** What file systems without links say (exFAT, some network shares), and Windows to users who may not make them. */
const NO_LINKS: ReadonlySet<string | undefined> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

interface Way {
  readonly link: boolean;
  readonly move: boolean;
  readonly moved: string | undefined;
}

/** Each way fails with EEXIST rather than overwriting. */
function put(from: string, to: string, { link, move, moved }: Way): void {
  const [source, target] = [toPath(from), toPath(to)];
  if (link) {
    try {
      symlinkSync(source, target);
    } catch (error) {
      if (!NO_LINKS.has((error as NodeJS.ErrnoException).code)) throw error;
      throw new ClipError('IO', 'symbolic links cannot be made there: use --copy', { cause: error });
    }
  } else if (!move) copy(source, target);
  else {
    try {
      // A link's own target may begin where the link is; a rename would overwrite.
      if (lstatSync(source).isSymbolicLink())
        symlinkSync(toPath(moved === undefined ? realPath(from) : resolve(moved)), target);
      else linkSync(source, target);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EXDEV' && code !== 'EMLINK' && !NO_LINKS.has(code)) throw error;
      copy(source, target);
    }
    unlinkSync(source);
  }
}

/** With its time, which is what photos are ordered by. */
function copy(source: string | Buffer, target: string | Buffer): void {
  copyFileSync(source, target, constants.COPYFILE_EXCL);
  const { atime, mtime } = statSync(source);
  try {
    utimesSync(target, atime, mtime);
  } catch {
    // Some network shares let nobody set it.
  }
}

/** Whether two files have the same bytes, as after an earlier run. */
function isSame(a: string, b: string): boolean {
  const [one, two] = [a, b].map((path) => statSync(toPath(path), { throwIfNoEntry: false }));
  if (!one?.isFile() || !two?.isFile() || one.size !== two.size) return false;
  return readFileSync(toPath(a)).equals(readFileSync(toPath(b)));
}
