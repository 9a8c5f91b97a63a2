/**
 * A model's files as the readers see them. A store of the caller's own may throw anything and return anything, and a web
 * server may answer for a missing file with a page: here each becomes a typed error, or no file.
 */
import { ClipError } from '../errors.ts';
import { show } from '../json.ts';
import { isWebPage } from './foreign.ts';
import type { ModelFiles, Source } from './source.ts';

/** A web page that comes instead of weights is smaller than this, in bytes; only such a small file is looked into. */
const LARGEST_PAGE = 1 << 20;
/** How much of a small file is looked at, in bytes. */
const PAGE_HEAD = 512;

export class CheckedFiles implements ModelFiles {
  readonly name: string;
  readonly weights?: string;
  /** The files for which a web page came. They count as absent. */
  readonly webPages = new Set<string>();
  /** Put before the names of files. */
  #folder = '';
  readonly #files: ModelFiles;
  readonly #signal: AbortSignal | undefined;

  /** @throws TypeError if `files` is not a `ModelFiles` */
  constructor(files: ModelFiles, signal?: AbortSignal) {
    checkFiles(files);
    this.name = typeof files.name === 'string' ? files.name : 'model';
    if (typeof files.weights === 'string') this.weights = files.weights;
    this.#files = files;
    this.#signal = signal;
  }

  /** `files` itself if it is checked already. */
  static of(files: ModelFiles): CheckedFiles {
    return files instanceof CheckedFiles ? files : new CheckedFiles(files);
  }

  /** Looks for all files in a folder of the model from now on. */
  enter(folder: string): void {
    this.#folder = `${folder}/`;
  }

  /** OpenAI's tokenizer, if the files know where to get it. */
  openaiTokenizer(): Promise<string | undefined> {
    return this.#files.openaiTokenizer?.() ?? Promise.resolve(undefined);
  }

  /**
   * A text file by its name, or undefined if there is none.
   * @throws ClipError `IO` if it cannot be read; TypeError if the store returns something else
   */
  async text(name: string): Promise<string | undefined> {
    const text: unknown = await this.#attempt(name, this.#signal, () => this.#files.text(this.#folder + name));
    if (text === undefined || text === null) return undefined;
    if (typeof text !== 'string') {
      throw new TypeError(`"${this.name}": text("${name}") must give a string or undefined, got ${kind(text)}`);
    }
    if (!isWebPage(text.slice(0, PAGE_HEAD))) return text;
    this.webPages.add(name);
    return undefined;
  }

  /**
   * A binary file by its name, or undefined if there is none.
   * @throws ClipError `IO` if it cannot be opened; TypeError if the store returns something else
   */
  async source(name: string): Promise<Source | undefined> {
    const found: unknown = await this.#attempt(name, this.#signal, () => this.#files.source(this.#folder + name));
    if (found === undefined || found === null) return undefined;
    const source = this.#checkedSource(name, found);
    try {
      if (!(await this.#isPage(source))) return source;
    } catch (error) {
      await source.close?.();
      throw error;
    }
    await source.close?.();
    this.webPages.add(name);
    return undefined;
  }

  /** What to add to a message that none of these files is there: the files' own note, and whether web pages came instead. */
  pagesNote(...names: string[]): string {
    const pages = names.filter((name) => this.webPages.has(name));
    const note = this.#files.note ?? '';
    if (pages.length === 0) return note;
    return `${note}; a web page came instead of ${pages.join(', ')}: the address or the login may be wrong`;
  }

  #checkedSource(name: string, found: unknown): Source {
    const source = found as Source;
    if (typeof source !== 'object' || typeof source.readInto !== 'function' || !isLength(source.byteLength)) {
      const wrap = found instanceof Blob ? 'blobSource' : 'bytesSource';
      const hint = isBytes(found) || found instanceof Blob ? `; wrap it: ${wrap}(data, "${name}")` : '';
      throw new TypeError(
        `"${this.name}": source("${name}") must give { byteLength, readInto } or undefined, got ${kind(found)}${hint}`,
      );
    }
    return {
      name: typeof source.name === 'string' ? source.name : name,
      byteLength: source.byteLength,
      readInto: (offset, target, signal) => this.#attempt(name, signal, () => source.readInto(offset, target, signal)),
      checkTower: async (tower) => source.checkTower?.(tower),
      close: async () => {
        if (source.close) await this.#attempt(name, undefined, () => source.close?.());
      },
    };
  }

  async #isPage(source: Source): Promise<boolean> {
    if (source.byteLength > LARGEST_PAGE) return false;
    const head = new Uint8Array(Math.min(PAGE_HEAD, source.byteLength));
    await source.readInto(0, head, this.#signal);
    this.#signal?.throwIfAborted();
    return isWebPage(new TextDecoder().decode(head));
  }

  /** The store's own errors become ClipErrors with the file's name; a reason to abort passes as it is. */
  async #attempt<T>(name: string, signal: AbortSignal | undefined, work: () => T): Promise<Awaited<T>> {
    try {
      return await work();
    } catch (cause) {
      signal?.throwIfAborted();
      const aborted = cause instanceof Error && /^(Abort|Timeout)Error$/.test(cause.name);
      if (aborted || cause instanceof ClipError) throw cause;
      const reason = cause instanceof Error ? cause.message : show(cause);
      throw new ClipError('IO', `"${this.name}": cannot read ${name}: ${reason}`, { cause });
    }
  }
}

/** @throws TypeError if `files` is not a `ModelFiles` */
export function checkFiles(files: ModelFiles): void {
  if (typeof files?.text === 'function' && typeof files.source === 'function') return;
  throw new TypeError(`model files must have the methods text(name) and source(name), got ${show(files)}`);
}

function isLength(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isBytes(value: unknown): boolean {
  return ArrayBuffer.isView(value) || Object.prototype.toString.call(value) === '[object ArrayBuffer]';
}

/** What a value is, for an error: its class or its type. */
function kind(value: unknown): string {
  if (typeof value !== 'object' || value === null) return show(value);
  return `an object of ${value.constructor?.name ?? 'no class'}`;
}
