/**
 * The files of a model on a hub where there is no file system: fetched, and kept by the Cache API if there is one. A file's
 * address has the commit in it, so what is kept never grows old.
 */
import { ClipError } from '../errors.ts';
import { statedLength } from '../weights/fetched-files.ts';
import { BLOCK } from '../weights/ranged-source.ts';
import { bytesSource, type ModelFiles, type Source } from '../weights/source.ts';
import { HUB, type HubAccess, type HubOptions, type LoadAccess } from './access.ts';
import { discard, HubError, send } from './client.ts';
import { listFiles, listingText, modelName, parseListing } from './listing.ts';
import { type HubName, isCommit } from './name.ts';
import { checkNoPage } from './no-page.ts';
import type { PublishedFile } from './published.ts';
import { BlockFile } from './web-blocks.ts';
import { bytesDigest } from './web-digest.ts';
import { Store } from './web-store.ts';
import { bodyOf, transfer, wholeBody } from './web-transfer.ts';

/** The cache's name, if `cacheDir` does not give another one. */
const CACHE = 'edgeclip';
/** Larger files come in blocks. */
const LARGEST_WHOLE = 2 * BLOCK;

/**
 * The commit is asked for first, once a load; without an answer, the one that the cache knows serves.
 * @throws ClipError IO if the model is neither on the hub nor in the cache, or may not be read; the signal's reason if aborted
 */
export async function openFetched(name: HubName, options: HubOptions, load: LoadAccess): Promise<ModelFiles> {
  const access = webAccess(HUB, options.accessToken, options, load);
  const store = await Store.open(options.cacheDir ?? CACHE);
  const model = modelName(name);
  const key = `${HUB}/api/models/${name.id}/revision/${encodeURIComponent(name.revision)}`;
  const text = await store.get(key);
  const kept = text && parseListing(new TextDecoder().decode(text));
  const opened = (from: HubAccess, listing: NonNullable<typeof kept>) => {
    const address = (path: string) => path.split('/').map(encodeURIComponent).join('/');
    const url = (path: string) => `${HUB}/${name.id}/resolve/${listing.commit}/${address(path)}`;
    const files = [...listing.files.values()].map((file) => ({ ...file, url: url(file.path) }));
    return new FetchedFiles(model, from, store, files);
  };
  if (kept && (access.offline || isCommit(name.revision))) return opened(access, kept);
  if (access.offline) {
    throw new ClipError('IO', `"${model}" is not in the cache "${options.cacheDir ?? CACHE}", and nothing may be fetched (localFilesOnly)`); // biome-ignore format: one line
  }
  try {
    const listing = await listFiles(access, name, kept ? 1 : undefined);
    await store.put(key, new TextEncoder().encode(listingText(listing)));
    return opened(access, listing);
  } catch (error) {
    const passing = error instanceof HubError && error.status !== 404 && error.status !== 410;
    if (!kept || !passing) throw error;
    return opened({ ...access, offline: true }, kept);
  }
}

/**
 * A published file of weights at an address of its own.
 * @throws ClipError IO if it is neither there nor in the cache; the signal's reason if aborted
 */
export async function openFetchedFile(file: PublishedFile, options: HubOptions, load: LoadAccess): Promise<ModelFiles> {
  const access = webAccess(new URL(file.url).origin, undefined, options, load);
  const store = await Store.open(options.cacheDir ?? CACHE);
  const key = `${file.url}?size`;
  const kept = await store.get(key);
  let size = kept && Number(new TextDecoder().decode(kept));
  if (size === undefined) {
    if (access.offline) throw new ClipError('IO', `${file.url} is not in the cache, and nothing may be fetched (localFilesOnly)`); // biome-ignore format: one line
    const answer = await send(access, { model: file.model, url: file.url, method: 'HEAD', server: file.server });
    size = statedLength(answer.response) || undefined;
    await discard(answer);
    if (size !== undefined) await store.put(key, new TextEncoder().encode(String(size)));
  }
  return new FetchedFiles(
    file.model,
    access,
    store,
    [{ path: file.name, url: file.url, id: file.id, size }],
    file.name,
  );
}

function webAccess(endpoint: string, token: string | undefined, options: HubOptions, load: LoadAccess): HubAccess {
  const offline = options.localFilesOnly ?? false;
  return { ...load, endpoint, token, offline, fetch: options.fetch ?? globalThis.fetch.bind(globalThis) };
}

interface RemoteFile {
  readonly path: string;
  readonly url: string;
  readonly size: number | undefined;
  readonly id: string | undefined;
}

class FetchedFiles implements ModelFiles {
  readonly name: string;
  readonly weights?: string;
  readonly #access: HubAccess;
  readonly #store: Store;
  readonly #files: ReadonlyMap<string, RemoteFile>;
  /** Towers that are opened at the same time share what they both read. */
  readonly #sources = new Map<string, Promise<Source | undefined>>();

  constructor(name: string, access: HubAccess, store: Store, files: readonly RemoteFile[], weights?: string) {
    this.name = name;
    if (weights !== undefined) this.weights = weights;
    this.#access = access;
    this.#store = store;
    this.#files = new Map(files.map((file) => [file.path, file]));
  }

  async text(name: string): Promise<string | undefined> {
    const file = this.#files.get(name);
    return file && new TextDecoder().decode(await this.#whole(file));
  }

  source(name: string): Promise<Source | undefined> {
    const source = this.#sources.get(name) ?? this.#open(name);
    this.#sources.set(name, source);
    source.catch(() => this.#sources.delete(name));
    return source;
  }

  async #open(name: string): Promise<Source | undefined> {
    const file = this.#files.get(name);
    if (!file) return undefined;
    const { size } = file;
    if (size === undefined || size <= LARGEST_WHOLE) return bytesSource(await this.#whole(file), name);
    return new BlockFile({ ...file, size, model: this.name }, this.#access, this.#store).source();
  }

  /** A file from the cache or from the hub. */
  async #whole(file: RemoteFile): Promise<Uint8Array<ArrayBuffer>> {
    const { path, url, size } = file;
    const kept = await this.#store.get(url);
    if (kept) return kept;
    if (this.#access.offline) {
      const why = this.#store.wasDamaged(url) ? 'was damaged in the cache and is gone from it' : 'is not in the cache';
      throw new ClipError('IO', `"${this.name}": ${path} ${why}, and the hub is not asked`);
    }
    const request = { model: this.name, url };
    const bytes = await transfer(this.#access, request, path, async (answer) => {
      const came = (piece: Uint8Array, at: number) => {
        if (at === 0) checkNoPage(request.model, path, answer.response, piece);
        const loaded = at + piece.byteLength;
        this.#access.onProgress?.({ file: path, loaded, total: Math.max(size ?? 0, loaded) });
      };
      return size === undefined ? wholeBody(answer, came) : bodyOf(answer, size, came);
    });
    await this.#check(file, bytes);
    await this.#store.put(url, bytes!);
    return bytes!;
  }

  /** @throws ClipError IO for another size or another checksum than the hub announced */
  async #check({ path, size, id }: RemoteFile, bytes: Uint8Array<ArrayBuffer> | undefined): Promise<void> {
    const wrong = (what: string) => new ClipError('IO', `"${this.name}": ${path} ${what}; it was not kept`);
    if (bytes === undefined) throw wrong(`has ${size} bytes on the hub, and more came`);
    if (id === undefined) return;
    const found = await bytesDigest(bytes, id);
    if (found !== id) throw wrong(`was damaged on its way: its checksum is ${found}, expected ${id}`);
  }
}
