/**
 * The files of a model on a hub where there is no file system: fetched, and kept by the Cache API if there is one. A file's
 * address has the commit in it, so what is kept never grows old. Large files come and are kept in blocks.
 */
import { ClipError } from '../errors.ts';
import { isWebPage } from '../weights/foreign.ts';
import { BLOCK, rangedSource } from '../weights/ranged-source.ts';
import { blobSource, type ModelFiles, type Source } from '../weights/source.ts';
import { HUB, type HubAccess, type HubOptions, type LoadAccess } from './access.ts';
import { discard, HubError, send } from './client.ts';
import { type HubFile, type Listing, listFiles, listingText, modelName, parseListing } from './listing.ts';
import { type HubName, isCommit } from './name.ts';

/** The cache's name, if `cacheDir` does not give another one. */
const CACHE = 'edgeclip';
/** Larger files are fetched in blocks, whose checksum cannot be told; the others are checked by it. */
const LARGEST_WHOLE = 2 * BLOCK;

/**
 * The commit is asked for first, once a load; without an answer, the one that the cache knows serves.
 * @throws ClipError IO if the model is neither on the hub nor in the cache, or may not be read; the signal's reason if aborted
 */
export async function openFetched(name: HubName, options: HubOptions, load: LoadAccess): Promise<ModelFiles> {
  const access: HubAccess = {
    ...load,
    endpoint: HUB,
    token: options.accessToken,
    offline: options.localFilesOnly ?? false,
    fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
  };
  const store = await Store.open(options.cacheDir ?? CACHE);
  const key = `${HUB}/api/models/${name.id}/revision/${encodeURIComponent(name.revision)}`;
  const kept = parseListing((await (await store.get(key))?.text()) ?? '');
  if (kept && (access.offline || isCommit(name.revision))) return new FetchedFiles(name, access, store, kept);
  if (access.offline) {
    throw new ClipError('IO', `"${modelName(name)}" is not in the cache "${options.cacheDir ?? CACHE}", and nothing may be fetched (localFilesOnly)`); // biome-ignore format: one line
  }
  try {
    const listing = await listFiles(access, name, kept ? 1 : undefined);
    await store.put(key, new Response(listingText(listing)));
    return new FetchedFiles(name, access, store, listing);
  } catch (error) {
    const passing = error instanceof HubError && error.status !== 404 && error.status !== 410;
    if (!kept || !passing) throw error;
    return new FetchedFiles(name, { ...access, offline: true }, store, kept);
  }
}

/** The Cache API, or nothing where it is missing or full. */
class Store {
  readonly #cache: Cache | undefined;

  private constructor(cache: Cache | undefined) {
    this.#cache = cache;
  }

  static async open(name: string): Promise<Store> {
    // Missing on pages without https, and in some runtimes.
    const cache = await globalThis.caches?.open(name).catch(() => undefined);
    return new Store(cache);
  }

  get = (key: string): Promise<Response | undefined> =>
    this.#cache?.match(key).catch(() => undefined) ?? Promise.resolve(undefined);

  async put(key: string, response: Response): Promise<void> {
    await this.#cache?.put(key, response).catch(() => {});
  }
}

class FetchedFiles implements ModelFiles {
  readonly name: string;
  readonly #model: HubName;
  readonly #access: HubAccess;
  readonly #store: Store;
  readonly #listing: Listing;
  /** Towers that are opened at the same time share what they both read. */
  readonly #sources = new Map<string, Promise<Source | undefined>>();

  constructor(model: HubName, access: HubAccess, store: Store, listing: Listing) {
    this.name = modelName(model);
    this.#model = model;
    this.#access = access;
    this.#store = store;
    this.#listing = listing;
  }

  async text(name: string): Promise<string | undefined> {
    const file = this.#listing.files.get(name);
    return file && new TextDecoder().decode(await (await this.#whole(file)).arrayBuffer());
  }

  source(name: string): Promise<Source | undefined> {
    const source = this.#sources.get(name) ?? this.#open(name);
    this.#sources.set(name, source);
    return source;
  }

  async #open(name: string): Promise<Source | undefined> {
    const file = this.#listing.files.get(name);
    if (!file) return undefined;
    if (file.size === undefined || file.size <= LARGEST_WHOLE) return blobSource(await this.#whole(file), name);
    let loaded = 0;
    return rangedSource(name, file.size, async (start, end, signal) => {
      const got = await this.#block(file, start, end, signal);
      loaded += end - start;
      this.#access.onProgress?.({ file: name, loaded: Math.min(loaded, file.size!), total: file.size! });
      return got;
    });
  }

  /** A file from the cache or from the hub. */
  async #whole(file: HubFile): Promise<Blob> {
    const url = this.#url(file);
    const kept = await this.#store.get(url);
    if (kept) return kept.blob();
    const answer = await this.#ask(file, {});
    try {
      const blob = await answer.response.blob().catch((cause) => {
        throw this.#broken(file, cause);
      });
      await this.#check(file, answer.response, blob);
      await this.#store.put(url, new Response(blob));
      this.#access.onProgress?.({ file: file.path, loaded: blob.size, total: blob.size });
      return blob;
    } finally {
      await discard(answer);
    }
  }

  async #block(file: HubFile, start: number, end: number, signal?: AbortSignal): Promise<Uint8Array | Source> {
    const key = `${this.#url(file)}?block=${start}-${end}`;
    const kept = await this.#store.get(key);
    if (kept) return new Uint8Array(await kept.arrayBuffer());
    const answer = await this.#ask(file, { range: `bytes=${start}-${end - 1}` });
    const { response } = answer;
    try {
      if (response.status === 200) return blobSource(await response.blob(), file.path);
      const bytes = new Uint8Array(await response.arrayBuffer());
      signal?.throwIfAborted();
      const range = response.headers.get('content-range');
      if (bytes.byteLength !== end - start || (range !== null && !range.startsWith(`bytes ${start}-`))) {
        throw new ClipError('IO', `"${this.name}": ${file.path}: the hub gave ${bytes.byteLength} bytes (${range}) for ${start} to ${end}`); // biome-ignore format: one line
      }
      await this.#store.put(key, new Response(bytes));
      return bytes;
    } catch (error) {
      throw error instanceof ClipError ? error : this.#broken(file, error);
    } finally {
      await discard(answer);
    }
  }

  #url(file: HubFile): string {
    const address = file.path.split('/').map(encodeURIComponent).join('/');
    return `${HUB}/${this.#model.id}/resolve/${this.#listing.commit}/${address}`;
  }

  #ask(file: HubFile, headers: Record<string, string>) {
    if (!this.#access.offline) return send(this.#access, { model: this.name, url: this.#url(file), headers });
    throw new ClipError('IO', `"${this.name}": ${file.path} is not in the cache, and the hub is not asked`);
  }

  #broken(file: HubFile, cause: unknown): Error {
    this.#access.signal?.throwIfAborted();
    return new ClipError('IO', `"${this.name}": ${file.path} broke off: ${(cause as Error).message}`, { cause });
  }

  /** @throws ClipError IO for a web page, another size or another checksum than the hub announced */
  async #check({ path, size, id }: HubFile, response: Response, blob: Blob): Promise<void> {
    const wrong = (what: string) => new ClipError('IO', `"${this.name}": ${path} ${what}; it was not kept`);
    const head = await blob.slice(0, 512).text();
    if (/\bhtml\b/i.test(response.headers.get('content-type') ?? '') || isWebPage(head)) {
      throw new ClipError('IO', `"${this.name}": a web page came instead of ${path}; it was not kept`);
    }
    if (size !== undefined && blob.size !== size) throw wrong(`has ${size} bytes on the hub, and ${blob.size} came`);
    // Missing on pages without https.
    if (id === undefined || !globalThis.crypto?.subtle || blob.size > LARGEST_WHOLE) return;
    const git = id.length === 40;
    const prefix = git ? `blob ${blob.size}\0` : '';
    const bytes = await new Blob([prefix, blob]).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest(git ? 'SHA-1' : 'SHA-256', bytes));
    const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (found !== id) throw wrong(`was damaged on its way: its checksum is ${found}, expected ${id}`);
  }
}
