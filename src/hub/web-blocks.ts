/**
 * A large file on a hub where there is no file system: it comes in blocks, as far as they are needed, and each is kept by
 * itself, so that an interrupted load goes on where it ended. A block has no checksum of the hub's. The file's own is told when
 * all blocks have come, in this load or an earlier one: they are hashed as they come, as far as they lie in order, and the
 * rest from the cache. A file of which one tower needs a part is not checked beyond its length until the rest comes.
 */
import { ClipError } from '../errors.ts';
import { macrotask } from '../scheduler.ts';
import { isCompressed } from '../weights/fetched-files.ts';
import { BLOCK, rangedSource } from '../weights/ranged-source.ts';
import { blobSource, type Source } from '../weights/source.ts';
import type { HubAccess } from './access.ts';
import type { HubAnswer, HubRequest } from './client.ts';
import { checkNoPage } from './no-page.ts';
import { type RunningDigest, startDigest } from './web-digest.ts';
import type { Store } from './web-store.ts';
import { bodyOf, pieces, transfer } from './web-transfer.ts';

/** How much is hashed at once, in bytes; between them the event loop turns. */
const STEP = 1 << 20;

/** What is fetched: a file of known length. */
export interface LargeFile {
  /** What messages call the model. */
  readonly model: string;
  readonly path: string;
  readonly url: string;
  readonly size: number;
  /** What the bytes must give (fileId), if the hub told. */
  readonly id: string | undefined;
}

export class BlockFile {
  readonly #file: LargeFile;
  readonly #access: HubAccess;
  readonly #store: Store;
  readonly #check: OrderedCheck | undefined;
  /** Bytes that came in this load. */
  #came = 0;

  constructor(file: LargeFile, access: HubAccess, store: Store) {
    this.#file = file;
    this.#access = access;
    this.#store = store;
    if (file.id !== undefined) this.#check = new OrderedCheck(file, file.id, (start) => store.get(this.#key(start)));
  }

  source(): Source {
    return rangedSource(this.#file.path, this.#file.size, (start) => this.#block(start));
  }

  #end = (start: number): number => Math.min(start + BLOCK, this.#file.size);
  #key = (start: number): string => `${this.#file.url}?block=${start}-${this.#end(start)}`;

  async #block(start: number): Promise<Uint8Array | Source> {
    const { model, path, url } = this.#file;
    const key = this.#key(start);
    const kept = await this.#store.get(key);
    if (kept) return kept;
    if (this.#access.offline) {
      const why = this.#store.wasDamaged(key) ? 'was damaged in the cache and is gone from it' : 'is not in the cache';
      throw new ClipError('IO', `"${model}": a part of ${path} ${why}, and the hub is not asked`);
    }
    const length = this.#end(start) - start;
    const request = { model, url, headers: { range: `bytes=${start}-${start + length - 1}` }, expected: [416] };
    const got = await transfer(this.#access, request, path, async (answer) => {
      const { status, headers } = answer.response;
      if (status === 200) return this.#whole(request, answer);
      // Another origin may hide which range it is.
      const range = headers.get('content-range');
      if (
        status !== 206 ||
        isCompressed(answer.response) ||
        (range !== null && !range.startsWith(`bytes ${start}-${start + length - 1}/`))
      ) {
        return undefined;
      }
      return this.#counted((came) =>
        bodyOf(answer, length, (piece, at) => {
          if (start + at === 0) checkNoPage(request.model, path, answer.response, piece);
          came(piece.byteLength);
        }),
      );
    });
    if (got === undefined) return this.#fetchWhole();
    if (!(got instanceof Uint8Array)) return got;
    await this.#store.put(key, got);
    await this.#verify(start, got);
    return got;
  }

  /** From a server without ranges, or with others than were asked for. */
  #fetchWhole(): Promise<Source> {
    const { model, url, path } = this.#file;
    const request = { model, url };
    return transfer(this.#access, request, path, (answer) => this.#whole(request, answer));
  }

  /** All of the file, in blocks: a browser holds blobs outside of the script's memory. */
  async #whole(request: HubRequest, answer: HubAnswer): Promise<Source> {
    const { path, size } = this.#file;
    const blobs: Blob[] = [];
    let start = 0;
    let block = new Uint8Array(this.#end(0));
    let filled = 0;
    await this.#counted(async (came) => {
      for await (let piece of pieces(answer)) {
        if (start === 0 && filled === 0) checkNoPage(request.model, path, answer.response, piece);
        if (start + filled + piece.byteLength > size) throw this.#wrong(`more than ${size} bytes came`);
        came(piece.byteLength);
        while (piece.byteLength > 0) {
          const part = piece.subarray(0, block.byteLength - filled);
          block.set(part, filled);
          filled += part.byteLength;
          piece = piece.subarray(part.byteLength);
          if (filled < block.byteLength) continue;
          await this.#store.put(this.#key(start), block);
          await this.#verify(start, block);
          blobs.push(new Blob([block]));
          start += filled;
          filled = 0;
          block = new Uint8Array(this.#end(start) - start);
        }
      }
    });
    if (start < size) throw new Error('the answer ended early');
    return blobSource(new Blob(blobs), path);
  }

  /** Tells how many bytes came; those of an attempt that failed are taken back. */
  async #counted<T>(work: (came: (bytes: number) => void) => Promise<T>): Promise<T> {
    const { path, size } = this.#file;
    let own = 0;
    try {
      return await work((bytes) => {
        own += bytes;
        this.#came += bytes;
        this.#access.onProgress?.({ file: path, loaded: Math.min(this.#came, size), total: size });
      });
    } catch (error) {
      this.#came -= own;
      throw error;
    }
  }

  /** @throws ClipError IO if all has come, and it is not what the hub announced: then nothing of it is kept */
  async #verify(start: number, bytes: Uint8Array): Promise<void> {
    const found = await this.#check?.add(start, bytes);
    if (found === undefined || found === this.#file.id) return;
    for (let at = 0; at < this.#file.size; at += BLOCK) await this.#store.delete(this.#key(at));
    throw this.#wrong(`its checksum is ${found}, expected ${this.#file.id}`);
  }

  #wrong(what: string): ClipError {
    const { model, path, size } = this.#file;
    return new ClipError('IO', `"${model}": ${path}, of ${size} bytes on the hub, was damaged on its way: ${what}; it was not kept`); // biome-ignore format: one line
  }
}

/** The checksum of a file whose blocks come in any order. */
class OrderedCheck {
  readonly #file: LargeFile;
  readonly #id: string;
  readonly #kept: (start: number) => Promise<Uint8Array | undefined>;
  #digest: Promise<RunningDigest> | undefined;
  /** Where the bytes end that are hashed. */
  #end = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @param kept gives the block at a place, if it came before */
  constructor(file: LargeFile, id: string, kept: (start: number) => Promise<Uint8Array | undefined>) {
    this.#file = file;
    this.#id = id;
    this.#kept = kept;
  }

  /** Adds a block that came; the checksum once all have come. */
  add(start: number, bytes: Uint8Array): Promise<string | undefined> {
    const added = this.#last.then(() => this.#advance(start, bytes));
    this.#last = added.catch(() => {});
    return added;
  }

  async #advance(start: number, bytes: Uint8Array): Promise<string | undefined> {
    const { size } = this.#file;
    if (this.#end >= size || start < this.#end) return undefined;
    this.#digest ??= startDigest(this.#id, size);
    const digest = await this.#digest;
    while (this.#end < size) {
      const next = this.#end === start ? bytes : await this.#kept(this.#end);
      if (!next) return undefined;
      for (let at = 0; at < next.byteLength; at += STEP) {
        digest.update(next.subarray(at, at + STEP));
        await macrotask();
      }
      this.#end += next.byteLength;
    }
    return digest.end();
  }
}
