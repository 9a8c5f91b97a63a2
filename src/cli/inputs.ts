/** The pictures a command line names: files, folders, patterns, lists, standard input. */
import { ClipError } from '../errors.ts';
import { nameFromBytes } from '../file-name.ts';
import { checkBytes, imageLimits } from '../image/limits.ts';
import { ioReason } from '../platform/io-reason.ts';
import { nameFromArgument } from './argument-name.ts';
import { UsageError } from './failure.ts';
import { isPattern, matches } from './patterns.ts';
import { readError, readPicture } from './picture-file.ts';
import type { Progress } from './progress.ts';
import { collect, STANDARD_INPUT, title } from './standard-input.ts';
import { readOptionFile, readOptionText } from './text-file.ts';
import { announced, type Say } from './waiting.ts';
import { countsInWords, fileKind, PICTURE_KINDS, skippedInWords, walk } from './walk.ts';

/** A picture that can be read later. What could not be found is an input too, whose `read` rejects with the reason. */
export interface PictureInput {
  /** As the user gave it; inside a folder, joined to the folder's name. */
  readonly name: string;
  /** Whether `name` is the path of a file; false for standard input and for folders without pictures. */
  readonly isFile: boolean;
  /** @throws ClipError IO, IMAGE_TOO_LARGE */
  read(): Promise<Uint8Array>;
}

export interface InputOptions {
  readonly recursive?: boolean;
  readonly filesFrom?: string;
  readonly null?: boolean;
  /** Whether a folder without pictures is not a failure. Default: false. */
  readonly allowEmpty?: boolean;
}

/** Folder entries to scan when looking for pictures in subfolders, for the `--recursive` hint. */
const HINT_LIMIT = 20_000;

/** The inputs of a command line, and counts of skipped files. */
export class Pictures {
  readonly inputs: PictureInput[] = [];
  readonly #command: string;
  readonly #recursive: boolean;
  readonly #allowEmpty: boolean;
  readonly #progress: Progress;
  readonly #skipped = new Map<string, number>();
  readonly #say: Say = (line) => this.#progress.line(line);

  private constructor({ recursive = false, allowEmpty = false }: InputOptions, progress: Progress, command: string) {
    this.#command = command;
    this.#recursive = recursive;
    this.#allowEmpty = allowEmpty;
    this.#progress = progress;
  }

  /**
   * The pictures that the arguments, then the lines of `--files-from`, name, in order. A folder means the pictures in it.
   * What cannot be listed becomes an input that fails, so that the others are still processed.
   * @param command named in messages
   * @throws UsageError if an argument is empty or the list cannot be read
   */
  static async collect(
    args: readonly string[],
    options: InputOptions,
    progress: Progress,
    command: 'classify' | 'embed' | 'index' | 'sort' | 'tag' = 'classify',
  ): Promise<Pictures> {
    if (args.includes('')) throw new UsageError('an image argument is empty (an unset variable of the shell?)');
    const pictures = new Pictures(options, progress, command);
    for (const arg of args) await pictures.#addArgument(arg);
    if (options.filesFrom !== undefined) {
      for (const name of await listedNames(options.filesFrom, options.null ?? false)) pictures.#addListed(name);
    }
    return pictures;
  }

  /** Prints how many files of which kinds were skipped, on standard error. */
  reportSkipped(): void {
    if (this.#skipped.size > 0) this.#progress.line(`skipped ${skippedInWords(this.#skipped)}`);
  }

  async #addArgument(arg: string): Promise<void> {
    if (arg === STANDARD_INPUT) {
      this.inputs.push({ name: arg, isFile: false, read: () => readStandardInput(this.#say) });
      return;
    }
    if (this.#isUrl(arg)) return;
    const name = nameFromArgument(arg);
    if (name === undefined) {
      this.#fail(
        arg,
        'its name is not UTF-8 and matches no single file: give its folder, or use --files-from with --null',
      );
      return;
    }
    const kind = fileKind(name);
    if (kind === undefined && isPattern(name)) {
      const found = await matches(name);
      for (const path of found) this.#addListed(path);
      if (found.length === 0) this.#fail(name, 'there is no such file, and no file matches it as a pattern');
    } else if (kind === 'directory') this.#addFolder(name);
    else this.inputs.push(fileInput(name, this.#say)); // any readable path, including the shell's `<(...)`
  }

  /** Whether this is a URL and not a file; then it becomes an input that fails. */
  #isUrl(name: string): boolean {
    if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(name) || fileKind(name) !== undefined) return false;
    const instead = /^file:/i.test(name)
      ? 'give the path'
      : `download it first, e.g. curl -s URL | edgeclip ${this.#command} -`;
    this.#fail(name, `URLs are not read: ${instead}`);
    return true;
  }

  /** A name that was not typed by the user: FIFOs and devices are skipped, as reading one could block. */
  #addListed(name: string): void {
    if (this.#isUrl(name)) return;
    const kind = fileKind(name) ?? 'file';
    if (kind === 'directory') this.#addFolder(name);
    else if (kind === 'file') this.inputs.push(fileInput(name, this.#say));
    else this.#passOver(name, kind);
  }

  #addFolder(name: string): void {
    try {
      const found = walk(name, {
        recursive: this.#recursive,
        onPassedOver: (path, what) => this.#passOver(path, what),
      });
      for (const path of found.pictures) this.inputs.push(fileInput(path, this.#say));
      for (const { path, error } of found.failed) this.#fail(path, ioReason(error), error);
      for (const [kind, n] of found.skipped) this.#skipped.set(kind, (this.#skipped.get(kind) ?? 0) + n);
      if (found.pictures.length > 0 || found.failed.length > 0 || this.#allowEmpty) return;
      const below = this.#recursive ? '' : hint(name, found.folders);
      const others = new Map([...found.skipped, ...found.others]);
      const instead = others.size > 0 ? ` (${countsInWords(others)})` : '';
      const where = this.#recursive ? ' and its subfolders have' : ' has';
      this.#fail(name, `the folder${where} no ${PICTURE_KINDS} file${instead}${below}`);
    } catch (error) {
      this.#fail(name, ioReason(error), error);
    }
  }

  #passOver(name: string, what: string): void {
    this.#progress.line(`skipped ${title(name)}: ${what}`);
  }

  #fail(name: string, reason: string, cause?: unknown): void {
    this.inputs.push({
      name,
      isFile: false,
      read: () => Promise.reject(new ClipError('IO', reason, { cause })),
    });
  }
}

/** Names the subfolders that hold pictures, for the error of a folder without pictures. */
function hint(folder: string, folders: readonly string[]): string {
  const holding: string[] = [];
  let pictures = 0;
  let cut = false;
  for (const name of folders) {
    const path = `${folder}/${name}`;
    try {
      const found = walk(path, { recursive: true, onPassedOver: () => {}, limit: HINT_LIMIT });
      if (found.pictures.length > 0) holding.push(`${name}/`);
      pictures += found.pictures.length;
      cut ||= found.cut;
    } catch {
      // an unreadable subfolder gives no hint
    }
    if (cut) break;
  }
  if (pictures === 0) return '';
  const more = holding.length > 3 ? ` and ${holding.length - 3} more` : '';
  const names = `${holding.length === 1 ? 'subfolder' : 'subfolders'} ${holding.slice(0, 3).join(', ')}${more}`;
  return `; ${names} ${holding.length === 1 ? 'has' : 'have'} ${cut ? 'over ' : ''}${pictures}: add --recursive`;
}

const NOT_UTF8_NAMES = 'save the list as UTF-8; for names that are not UTF-8, use --null with find -print0';

/** The names in a list: one per line, or NUL-terminated as by `find -print0`, which allows any bytes. */
async function listedNames(path: string, nulls: boolean): Promise<string[]> {
  const names: string[] = [];
  if (nulls) {
    const bytes = await readOptionFile('--files-from', path);
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(0, at);
      const name = bytes.subarray(at, end < 0 ? bytes.length : end);
      if (name.length > 0) names.push(nameFromBytes(name));
      at += name.length + 1;
    }
  } else {
    for (const line of (await readOptionText('--files-from', path, NOT_UTF8_NAMES)).split(/\r\n|\n|\r/)) {
      if (line.trim() !== '') names.push(line);
    }
  }
  if (names.length === 0) throw new UsageError(`--files-from ${title(path)} has no names`);
  return names;
}

export function fileInput(path: string, say: Say): PictureInput {
  return { name: path, isFile: true, read: () => readPicture(path, say) };
}

async function readStandardInput(say: Say): Promise<Uint8Array> {
  const limits = imageLimits({});
  const chunks = announced(title(STANDARD_INPUT), process.stdin, say);
  const bytes = await collect(chunks, limits.maxBytes).catch((error) => {
    throw readError(error);
  });
  checkBytes(bytes.length, limits);
  return bytes;
}
