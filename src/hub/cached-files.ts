/** The files of a model on a hub, through the cache: each is fetched when it is first asked for, and then read from disk. */
import { rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClipError } from '../errors.ts';
import type { Tower } from '../model/config.ts';
import { exists, fileSource, readText } from '../platform/node-files.ts';
import { type FetchRange, LIST_BLOCK, rangedSource } from '../weights/ranged-source.ts';
import type { ModelFiles, Source } from '../weights/source.ts';
import type { HubOptions, LoadAccess } from './access.ts';
import { PARTS } from './block-list.ts';
import { type CachedFile, ModelCache, made, writing } from './cache.ts';
import { discard, HubError, send } from './client.ts';
import { fileId, idKind } from './digest.ts';
import { download } from './download.ts';
import { type NodeAccess, nodeAccess } from './environment.ts';
import { type HubFile, isDigest, type Listing, listFiles, modelName } from './listing.ts';
import { withLock } from './lock.ts';
import { type HubName, isCommit } from './name.ts';
import { checkLinked, persistently, receive, startOfRange, withAnswer } from './receive.ts';
import { blocksOfTowers, MostOfFile, NoRanges, TowerParts } from './tower-parts.ts';

/** Files of at most this size are checked at every load, in bytes; larger ones when they have changed since the last check. */
const ALWAYS_CHECKED = 1 << 20;
const BOTH: readonly Tower[] = ['image', 'text'];

/**
 * The commit is asked for first, once a load; without an answer, the one that the cache knows serves.
 * @throws ClipError IO if the model is neither on the hub nor in the cache, or may not be read; the signal's reason if aborted
 */
export async function openCached(name: HubName, options: HubOptions, load: LoadAccess): Promise<ModelFiles> {
  const access = await nodeAccess(options, load);
  const cache = new ModelCache(access.cacheDir, name.id);
  const known = await cache.commit(name.revision);
  if (access.offline) {
    if (known === undefined) throw notCached(name, access);
    return new CachedFiles(name, access, cache, known);
  }
  // What a commit holds never changes: the hub is asked only for what the cache lacks.
  if (isCommit(name.revision)) return new CachedFiles(name, access, cache, name.revision);
  try {
    const listing = await listFiles(access, name, known === undefined ? undefined : 1);
    // A cache that cannot be written serves as it is.
    if (await cache.commit(listing.commit)) await cache.writeRef(name.revision, listing.commit).catch(() => {});
    return new CachedFiles(name, access, cache, listing.commit, listing);
  } catch (error) {
    const passing = error instanceof HubError && error.status !== 404 && error.status !== 410;
    if (known === undefined || !passing) throw error;
    return new CachedFiles(name, { ...access, offline: true }, cache, known, undefined, error);
  }
}

class CachedFiles implements ModelFiles {
  readonly name: string;
  readonly note?: string;
  readonly #model: HubName;
  readonly #access: NodeAccess;
  readonly #cache: ModelCache;
  readonly #commit: string;
  #listing: Promise<Listing | undefined> | undefined;

  constructor(
    model: HubName,
    access: NodeAccess,
    cache: ModelCache,
    commit: string,
    listing?: Listing,
    problem?: HubError,
  ) {
    this.name = modelName(model);
    this.#model = model;
    this.#access = access;
    this.#cache = cache;
    this.#commit = commit;
    if (listing) this.#listing = Promise.resolve(listing);
    const why = problem ? `: ${problem.message}` : ' (localFilesOnly, HF_HUB_OFFLINE)';
    if (access.offline) this.note = `; only the cache was looked at, "${cache.snapshot(commit)}"${why}`;
  }

  async text(name: string): Promise<string | undefined> {
    const path = await this.#path(name);
    return path === undefined ? undefined : readText(path);
  }

  async source(name: string): Promise<Source | undefined> {
    if (this.#access.inParts) {
      const source = await this.#inParts(name);
      if (source) return source;
    }
    const { tower } = this.#access;
    const parts = await this.#ofTowers(name, tower === undefined ? BOTH : [tower]);
    if (parts) return parts;
    const path = await this.#path(name);
    return path === undefined ? undefined : fileSource(path);
  }

  /** A file's path in the cache, fetched if need be; undefined if the model has none of this name. */
  async #path(name: string): Promise<string | undefined> {
    const found = await this.#cache.find(this.#commit, name);
    if (found && (await this.#isGood(found))) {
      await this.#removeParts(name, found);
      return found.path;
    }
    const file = await this.#listed(name);
    if (!file) return undefined;
    if (!this.#access.offline) return this.#fetch(file);
    throw new ClipError('IO', `"${this.name}": ${name} is not in the cache${this.note}`);
  }

  /** A file for a look at its list of tensors: as the cache has it, whole and unchecked or in parts, or in parts from the hub. */
  async #inParts(name: string): Promise<Source | undefined> {
    const found = await this.#cache.find(this.#commit, name);
    if (found) return fileSource(found.path);
    const file = await this.#listed(name);
    const here = file && (await this.#listHere(file));
    if (here || this.#access.offline) return here;
    if (file?.size === undefined || file.size <= LIST_BLOCK) return undefined;
    const fetchRange: FetchRange = async (start, end) => {
      const request = { model: this.name, name, url: this.#url(file), size: file.size };
      const bytes = new Uint8Array(end - start);
      let at = start;
      let given = true;
      await persistently(
        this.#access,
        request,
        async () => at,
        () =>
          withAnswer(this.#access, request, `bytes=${at}-${end - 1}`, async (answer) => {
            checkLinked(request, answer, file.id);
            given = startOfRange(answer.response, at, file.size) !== undefined;
            const take = async (piece: Uint8Array, from: number) => {
              bytes.set(piece, from - start);
              at = from + piece.byteLength;
            };
            if (given) await receive(this.#access, request, answer, { from: at, end }, take);
          }),
      );
      if (given) return bytes;
      // No ranges: the file itself.
      return fileSource(await this.#fetch(file));
    };
    return rangedSource(name, file.size, fetchRange, { listOnly: true });
  }

  /** A file of which the cache has parts, if its list of tensors is among them: nothing is fetched. */
  async #listHere(file: HubFile): Promise<Source | undefined> {
    if (file.id?.length !== 64) return undefined;
    const { signal, offline } = this.#access;
    const parts = this.#parts(file, file.id, { ...this.#access, offline: true });
    if (!(await parts.exist())) return undefined;
    const list = await parts.source(new Set());
    try {
      await blocksOfTowers(list, [], signal);
    } catch (error) {
      await list.close?.();
      if (offline) throw error;
      return undefined;
    }
    const checkTower = async (tower: Tower) => {
      const source = await parts.source(await blocksOfTowers(list, [tower], signal));
      await source.close?.();
    };
    return { ...list, ...(offline && { checkTower }) };
  }

  /** The parts of a large file that these towers need; undefined if all of it is here, or is to be fetched. */
  async #ofTowers(name: string, towers: readonly Tower[]): Promise<Source | undefined> {
    const isMissing = async () => (await this.#cache.find(this.#commit, name)) === undefined;
    // Both towers are all of a file of safetensors; PyTorch's may have an optimizer, too. Offline, the parts say what is missing.
    if (towers === BOTH && name.endsWith('.safetensors') && !this.#access.offline) return undefined;
    if (!/\.(safetensors|bin|pth?)$/.test(name) || !(await isMissing())) return undefined;
    const file = await this.#listed(name);
    if (file?.id?.length !== 64 || (file.size ?? 0) < PARTS.least) return undefined;
    // What was begun is completed.
    const begun = [this.#cache.blob(file.id), this.#cache.partial(file.id)].map(exists);
    if ((await Promise.all(begun)).includes(true)) return undefined;
    const parts = this.#parts(file, file.id);
    const known = await parts.exist();
    if (!known && this.#access.offline) return undefined;
    try {
      const list = known ? await parts.source(new Set()) : await this.#inParts(name);
      const blocks = list && (await closing(list, blocksOfTowers(list, towers, this.#access.signal)));
      // Without ranges, the file itself came.
      if (!blocks || !(known || (await isMissing()))) return undefined;
      if (!known) await this.#keepNames();
      else await this.#keepListing();
      return await parts.source(blocks);
    } catch (error) {
      if (error instanceof NoRanges) await parts.remove();
      else if (!(error instanceof MostOfFile)) throw error;
      return undefined;
    }
  }

  #parts(file: HubFile, id: string, access: NodeAccess = this.#access): TowerParts {
    const { path: name, size = 0 } = file;
    const places = { path: this.#cache.parts(id), lock: this.#cache.lock(id), blob: this.#cache.blob(id) };
    return new TowerParts(access, {
      model: this.name,
      name,
      url: this.#url(file),
      size,
      id,
      note: this.note ?? '',
      ...places,
    });
  }

  /** Parts are not needed once the whole file is there, as Python may have fetched it since. */
  async #removeParts(name: string, { id, bytes }: CachedFile): Promise<void> {
    if (id?.length === 64) await this.#parts({ path: name, size: bytes, id }, id).removeStale();
  }

  /** What the listing says of a file; undefined if there is none of this name. */
  async #listed(name: string): Promise<HubFile | undefined> {
    this.#listing ??= this.#readListing();
    return (await this.#listing)?.files.get(name);
  }

  /** Keeps which commit the revision has, and what is in it. */
  async #keepNames(): Promise<void> {
    await this.#cache.writeRef(this.#model.revision, this.#commit);
    await this.#keepListing();
  }

  async #keepListing(): Promise<void> {
    const listing = await this.#listing;
    if (listing) await this.#cache.keepListing(listing);
  }

  #url(file: HubFile): string {
    const address = file.path.split('/').map(encodeURIComponent).join('/');
    return `${this.#access.endpoint}/${this.#model.id}/resolve/${this.#commit}/${address}`;
  }

  /** The list of the commit's files that the cache has, or else the hub's; undefined if it may not be asked. */
  async #readListing(): Promise<Listing | undefined> {
    const kept = await this.#cache.listing(this.#commit);
    if (kept || this.#access.offline) return kept;
    return listFiles(this.#access, { ...this.#model, revision: this.#commit });
  }

  /**
   * Whether a cached file is what it was: power cuts and full disks leave files of the right length with other bytes.
   * @throws ClipError IO if it is not, and cannot be fetched
   */
  async #isGood(found: CachedFile): Promise<boolean> {
    const { id, path, bytes } = found;
    if (id === undefined || (bytes > ALWAYS_CHECKED && (await this.#cache.wasChecked(found)))) return true;
    const own = await fileId(path, id, this.#access.signal);
    if (own === id) {
      if (bytes > ALWAYS_CHECKED) await this.#cache.markChecked(id);
      return true;
    }
    if (this.#access.offline) {
      throw new ClipError('IO', `"${this.name}": the cached file "${path}" is damaged: its ${idKind(id)} is ${own}, expected ${id}. Load once with the hub in reach: it will be fetched anew`); // biome-ignore format: one line
    }
    await this.#cache.remove(found);
    return false;
  }

  async #fetch(file: HubFile): Promise<string> {
    const url = this.#url(file);
    const id = file.id ?? (await this.#askId(url, file.path));
    const target = this.#cache.blob(id);
    await made(dirname(target));
    await withLock(this.#cache.lock(id), this.#access.signal, async () => {
      // It came while this load waited, or under another name.
      if ((await stat(target).catch(() => undefined))?.isFile()) {
        if ((await fileId(target, id, this.#access.signal)) === id) return;
        await writing(target, () => rm(target));
      }
      if (await this.#completed(file, id)) return;
      const { size, path: name } = file;
      await download(this.#access, { model: this.name, name, url, size, id, target, partial: this.#cache.partial(id) });
      if ((size ?? 0) > ALWAYS_CHECKED) await this.#cache.markChecked(id);
    });
    const path = await this.#cache.link(this.#commit, file.path, id);
    await this.#keepNames();
    return path;
  }

  /** Whether parts of the file were here and are now the whole of it. */
  async #completed(file: HubFile, id: string): Promise<boolean> {
    const parts = this.#parts(file, id);
    let done = false;
    try {
      done = (await parts.exist()) && (await parts.complete());
    } catch (error) {
      if (!(error instanceof NoRanges)) throw error;
    }
    await parts.remove();
    if (done) await this.#cache.markChecked(id);
    return done;
  }

  /** The ETag of a file, for hubs whose listing has no checksums. */
  async #askId(url: string, name: string): Promise<string> {
    const answer = await send(this.#access, { model: this.name, url, method: 'HEAD' });
    await discard(answer);
    const tag = answer.hub.get('x-linked-etag') ?? answer.hub.get('etag') ?? '';
    const id = tag.replace(/^W\//, '').replaceAll('"', '');
    if (isDigest(id)) return id;
    throw new ClipError('IO', `"${this.name}": the hub tells no checksum of ${name}, expected a SHA-256 or a git object id as its ETag, got ${JSON.stringify(tag)}`); // biome-ignore format: one line
  }
}

async function closing<T>(source: Source, read: Promise<T>): Promise<T> {
  try {
    return await read;
  } finally {
    await source.close?.();
  }
}

function notCached(name: HubName, { cacheDir }: NodeAccess): ClipError {
  return new ClipError('IO', `"${modelName(name)}" is not in the cache "${cacheDir}", and nothing may be fetched (localFilesOnly, HF_HUB_OFFLINE)`); // biome-ignore format: one line
}
