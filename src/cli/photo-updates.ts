/**
 * Brings a photo index up to date with files: what is new is embedded, what is known by its content keeps its vector. Each
 * change is stored as soon as it is made, in the order of the files, so a run that is stopped loses only what it was computing.
 */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { Clip } from '../clip.ts';
import { counted } from '../counted.ts';
import type { RealPaths } from '../real-paths.ts';
import { KnownPhotos } from '../search/known-photos.ts';
import { isGone, isSameFile, isUnchanged, photoFileAt } from '../search/photo-file.ts';
import { type Photo, type PhotoFile, type PhotoStore, UNREAD } from '../search/photo-store.ts';
import { describe } from './failure.ts';
import { type IndexedFolders, isInside } from './indexed-folders.ts';
import type { PictureInput } from './inputs.ts';
import { onePathEach } from './one-path-each.ts';
import type { Progress } from './progress.ts';
import { title } from './standard-input.ts';

export interface Counts {
  added: number;
  /** Added with the vector of a photo of the same content. */
  copied: number;
  moved: number;
  /** Further paths of files that the index has. */
  linked: number;
  unchanged: number;
  removed: number;
  failed: number;
}

export interface UpdateOptions {
  readonly orient: boolean;
  readonly scaled: boolean;
}

/** A file whose turn it is, and what is to be done with it. */
type Task = PhotoFile & { readonly name: string; readonly isFile: boolean; readonly hash?: string } & (
    | { readonly kind: 'add' }
    | { readonly kind: 'known'; readonly known: Photo; readonly vector: Float32Array }
    | { readonly kind: 'fail'; readonly error: unknown }
  );

/** What is said of a photo whose vector is not a vector of length 1. */
const DAMAGED = 'its vector in the index was damaged';

export class PhotoUpdates {
  readonly counts: Counts = { added: 0, copied: 0, moved: 0, linked: 0, unchanged: 0, removed: 0, failed: 0 };
  readonly #store: PhotoStore;
  readonly #clip: Clip;
  readonly #options: UpdateOptions;
  readonly #progress: Progress;
  readonly #known: KnownPhotos;
  /** Those whose vectors were found damaged. */
  readonly #damaged: readonly Photo[];
  readonly #real: RealPaths;
  /** Further paths of the files of this run, which the index must not have. */
  #others: ReadonlySet<string> = new Set();
  /** Paths that failed in this run. */
  readonly #failed = new Set<string>();
  /** Photos whose files are gone, by their ids, that move to files which were read. */
  readonly #moving = new Set<number>();
  /** What was read and waits for its turn. */
  readonly #tasks: Task[] = [];
  #done = 0;
  #total = 0;

  private constructor(
    store: PhotoStore,
    clip: Clip,
    options: UpdateOptions,
    progress: Progress,
    photos: readonly Photo[],
    damaged: readonly Photo[],
    real: RealPaths,
  ) {
    this.#store = store;
    this.#clip = clip;
    this.#options = options;
    this.#progress = progress;
    this.#known = new KnownPhotos(photos);
    this.#damaged = damaged;
    this.#real = real;
  }

  /** Photos whose vectors are damaged become failures, so that they are embedded again and the others can be searched. */
  static async open(
    store: PhotoStore,
    clip: Clip,
    options: UpdateOptions,
    progress: Progress,
    real: RealPaths,
  ): Promise<PhotoUpdates> {
    const damaged = await store.damaged();
    if (damaged.length > 0) {
      const fail = damaged.map(({ path, size, mtime }) => ({ path, size, mtime, error: DAMAGED }));
      await store.change({ fail });
    }
    return new PhotoUpdates(store, clip, options, progress, await store.photos(), damaged, real);
  }

  /** Adds and updates photos of these files. @throws ClipError IO if the index cannot be written */
  async update(inputs: readonly PictureInput[]): Promise<void> {
    const files = onePathEach(inputs, (path) => this.#known.at(path) !== undefined, this.#real);
    const changed = files.inputs.filter((input) => !this.#isUnchanged(input));
    this.#others = new Set(files.others);
    this.counts.linked += files.others.length;
    this.counts.unchanged += files.inputs.length - changed.length;
    this.#total = changed.length;
    this.#progress.show('photos', 0, this.#total);
    for await (const { embedding, error } of this.#clip.encodeImages(this.#toEmbed(changed), this.#options)) {
      await this.#finish(embedding, error);
    }
    await this.#finish();
    await this.#removeOthers(files.others);
    for (const { path } of this.#damaged) if (!this.#others.has(path)) this.#reportDamaged(path);
    this.#progress.clear();
  }

  /** Removes photos and failures in these folders whose files are gone, but for those of folders that may not be mounted. */
  async removeGone(folders: IndexedFolders): Promise<void> {
    const { gone, kept } = await folders.gone([...this.#known.all()]);
    const forget = (await folders.gone(await this.#store.failures())).gone.map(({ path }) => path);
    if (gone.length + forget.length > 0) await this.#store.change({ remove: gone.map(({ id }) => id), forget });
    this.counts.removed += gone.length;
    for (const [folder, n] of kept) {
      this.#progress.line(`warning: ${title(folder)} has no photos now: its ${counted(n, 'photo')} ${n === 1 ? 'stays' : 'stay'} in the index, as the disk may not be mounted; --allow-empty removes ${n === 1 ? 'it' : 'them'}`); // biome-ignore format: one line
    }
  }

  /** Whether the index has photos in a folder. */
  hasIn(folder: string): boolean {
    return [...this.#known.all()].some(({ path }) => isInside(path, folder));
  }

  /** Removes what the index has of further paths of the files. */
  async #removeOthers(paths: readonly string[]): Promise<void> {
    if (paths.length === 0) return;
    const photos = paths.flatMap((path) => this.#known.at(path) ?? []);
    await this.#store.change({ remove: photos.map(({ id }) => id), forget: paths });
    for (const { path } of photos) this.#known.forget(path);
    this.counts.removed += photos.length;
  }

  #isUnchanged({ name, isFile }: PictureInput): boolean {
    const known = isFile && this.#known.at(resolve(name));
    return known ? isUnchanged(known) : false;
  }

  /** Reads the files. Those of new content are given to the model; the others wait for their turn. */
  async *#toEmbed(inputs: readonly PictureInput[]): AsyncGenerator<Uint8Array> {
    for (const { name, isFile, read } of inputs) {
      const path = resolve(name);
      // Taken before reading: a file that changes meanwhile is read again by the next run.
      const file = (isFile && photoFileAt(path)) || { path, ...UNREAD };
      let bytes: Uint8Array;
      try {
        bytes = await read();
      } catch (error) {
        this.#tasks.push({ ...file, name, isFile, kind: 'fail', error });
        continue;
      }
      const hash = createHash('sha256').update(bytes).digest('hex');
      const known = this.#ofContent(hash, path);
      // Its vector is taken now: until this file's turn, another one may have replaced it.
      const vector = known && (await this.#store.vector(known.id));
      if (known && vector) this.#tasks.push({ ...file, name, isFile, hash, kind: 'known', known, vector });
      else {
        this.#tasks.push({ ...file, name, isFile, hash, kind: 'add' });
        yield bytes;
      }
    }
  }

  /** A photo of the same content: that of the same path, else of the same file, else one whose file is gone, else any. */
  #ofContent(hash: string, path: string): Photo | undefined {
    const here = this.#known.at(path);
    if (here?.hash === hash) return here;
    const link = this.#known.ofFile(hash, path);
    if (link) return link;
    const gone = this.#known.goneOf(hash, ({ id }) => !this.#moving.has(id));
    if (gone) this.#moving.add(gone.id);
    return gone ?? this.#known.ofContent(hash);
  }

  /** Stores what waits, up to the photo that was embedded; without one, all of it. */
  async #finish(embedding?: Float32Array, error?: unknown): Promise<void> {
    for (let task = this.#tasks.shift(); task; task = this.#tasks.shift()) {
      const isIt = task.kind === 'add';
      await this.#apply(isIt && error !== undefined ? { ...task, kind: 'fail', error } : task, embedding);
      this.#progress.show('photos', ++this.#done, this.#total);
      if (isIt) return;
    }
  }

  async #apply(task: Task, embedding: Float32Array | undefined): Promise<void> {
    const { path, size, mtime, hash = '' } = task;
    const file = { path, size, mtime };
    switch (task.kind) {
      case 'fail':
        return this.#fail(task, file, task.error);
      case 'known':
        return this.#addKnown(task.known, file, task.vector);
      case 'add':
        await this.#add(file, hash, embedding!);
        this.counts.added++;
    }
  }

  /** The same content at another path or with another time keeps its id, unless another file is at its old path still. */
  async #addKnown(known: Photo, file: PhotoFile, vector: Float32Array): Promise<void> {
    const { id, hash } = known;
    const isThere = this.#known.at(known.path)?.id === id;
    const isLink = isThere && known.path !== file.path && isSameFile(known.path, file.path);
    const staysThere =
      !this.#others.has(known.path) && (this.#real.isReal(known.path) || !this.#real.isReal(file.path));
    if (isLink && staysThere) {
      const before = this.#known.at(file.path);
      await this.#store.change({ remove: before ? [before.id] : [], forget: [file.path] });
      this.#known.forget(file.path);
      this.counts.linked++;
      return;
    }
    if (!isThere || (known.path !== file.path && !isLink && !isGone(known.path))) {
      await this.#add(file, hash, vector);
      this.counts.copied++;
      return;
    }
    await this.#store.change({ move: [{ ...file, id }] });
    this.#known.forget(known.path);
    this.#known.add({ ...file, id, hash });
    if (known.path === file.path) this.counts.unchanged++;
    else this.counts.moved++;
  }

  async #add(file: PhotoFile, hash: string, vector: Float32Array): Promise<void> {
    const [id] = await this.#store.change({ add: [{ ...file, hash, vector }] });
    this.#known.add({ ...file, id: id!, hash });
  }

  /** A folder that has no photos, or cannot be listed, is not a photo that failed. */
  async #fail({ name, isFile }: Task, file: PhotoFile, error: unknown): Promise<void> {
    this.counts.failed++;
    this.#failed.add(file.path);
    const message = describe(error);
    this.#progress.line(`error: ${title(name)}: ${message}`);
    if (isFile && !isGone(file.path)) await this.#store.change({ fail: [{ ...file, error: message }] });
    this.#known.forget(file.path);
  }

  #reportDamaged(path: string): void {
    if (this.#known.at(path) !== undefined) {
      this.#progress.line(`note: ${title(path)}: ${DAMAGED}, and was made again`);
    } else if (!this.#failed.has(path) && !isGone(path)) {
      this.counts.failed++;
      this.#progress.line(`error: ${title(path)}: ${DAMAGED}; index it to make it again`);
    }
  }
}
