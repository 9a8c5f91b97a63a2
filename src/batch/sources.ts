/** The pictures of a shard, one after the other, read some ahead. */
import { setMaxListeners } from 'node:events';
import { isAbsolute, parse, resolve } from 'node:path';
import { ClipError } from '../errors.ts';
import { type ImageLimits, imageLimits } from '../image/limits.ts';
import { isAddress } from '../search/photo-file.ts';
import { InputError } from './input-error.ts';
import { openStorage, type StorageOptions } from './open-storage.ts';
import { PictureError } from './picture-error.ts';
import { PictureFolders } from './picture-folders.ts';
import { picturePlace } from './picture-place.ts';
import type { PlanHead, Shard } from './plan.ts';
import type { ShardPicture } from './shard-picture.ts';
import { isBucket, type Storage } from './storage.ts';
import { tarPictures } from './tar-pictures.ts';
import { webPicture } from './web-picture.ts';

/** Pictures that are read at once. A bucket answers after some 50 ms, so one at a time would keep the processor waiting. */
const AHEAD = 16;
/** Bytes that may be on their way at once, by what the last pictures had. */
const AHEAD_BYTES = 64 << 20;

export interface PictureSourceOptions extends StorageOptions {
  readonly maxBytes?: number;
  /** Whether pictures have rows although their folder is gone or empty. Default false: it may be of a disk that is not mounted. */
  readonly allowMissing?: boolean;
}

/** Where the pictures of a batch are read from: folders, buckets, tar files and the web. */
export class PictureSource {
  readonly #head: PlanHead;
  readonly #allowMissing: boolean;
  readonly #options: StorageOptions;
  readonly #limits: ImageLimits;
  /** Opened when the first picture of each is read. */
  readonly #storages = new Map<string, Promise<Storage>>();

  constructor(head: PlanHead, options: PictureSourceOptions = {}) {
    this.#head = head;
    this.#allowMissing = options.allowMissing ?? false;
    this.#options = options;
    this.#limits = imageLimits(options);
  }

  /** In the order of the shard. @throws what ends the shard: ClipError IO */
  async *pictures(shard: Shard, signal: AbortSignal): AsyncGenerator<ShardPicture> {
    setMaxListeners(0, signal); // each picture that is read listens to it
    const { tar, keys = [] } = shard;
    const folders = new PictureFolders({ isListed: this.#head.kind === 'list', allowMissing: this.#allowMissing });
    const places = (tar === undefined ? keys : [tar]).map((name) => picturePlace(this.#head, name));
    await folders.see(places.filter((place) => !isAddress(place)).map((place) => resolve(place)));
    if (tar !== undefined) yield* this.#members(tar, folders, signal);
    else yield* ahead(keys, (key) => this.#read(key, folders, signal));
  }

  /** The input if it has nothing at all, as the mount point of a disk that is not mounted. Lists have no one place. */
  async emptyInput(signal: AbortSignal): Promise<string | undefined> {
    const { kind, input } = this.#head;
    if (kind === 'list' || this.#allowMissing) return undefined;
    const storage = await this.#input(input);
    for await (const _ of storage.list('', signal)) return undefined;
    return input;
  }

  async #read(key: string, folders: PictureFolders, signal: AbortSignal): Promise<Uint8Array> {
    const { kind, input, base } = this.#head;
    if (kind !== 'list') return this.#stored(await this.#input(input), key, folders, signal);
    if (/^https?:\/\//i.test(key)) return webPicture(key, this.#limits, signal);
    const [, bucket, name] = /^(s3:\/\/[^/]+)\/(.+)$/i.exec(key) ?? [];
    if (bucket !== undefined) return this.#stored(await this.#listed(bucket), name!, folders, signal);
    if (!isAbsolute(key)) await this.#input(base);
    const path = resolve(base, key);
    const { root } = parse(path);
    return this.#stored(await this.#listed(root), path.slice(root.length), folders, signal);
  }

  /** @throws InputError */
  #input(place: string): Promise<Storage> {
    return this.#storage(place).catch((cause) => {
      throw cause instanceof ClipError ? new InputError(cause.code, cause.message, { cause }) : cause;
    });
  }

  /** What a name in a list begins with. @throws PictureError if that is not a bucket's name */
  #listed(place: string): Promise<Storage> {
    return this.#storage(place).catch((cause) => {
      throw cause instanceof RangeError ? new PictureError('IO', cause.message, { cause }) : cause;
    });
  }

  async #stored(storage: Storage, name: string, folders: PictureFolders, signal: AbortSignal): Promise<Uint8Array> {
    return inFolder(storage, name, folders, async () => {
      const bytes = await storage.read(name, { maxBytes: this.#limits.maxBytes, signal });
      if (!bytes) throw new PictureError('IO', 'there is no such file');
      return bytes;
    });
  }

  async *#members(tar: string, folders: PictureFolders, signal: AbortSignal): AsyncGenerator<ShardPicture> {
    const storage = await this.#input(this.#head.input);
    const range = async (start: number, end: number) => {
      if (start === end) return new Uint8Array();
      const bytes = await storage.read(tar, { start, end, signal });
      if (bytes) return bytes;
      throw new ClipError('IO', `${storage.place}: ${tar} is gone`);
    };
    const bytes = await inFolder(storage, tar, folders, () => storage.stream(tar, signal));
    yield* tarPictures({ name: tar, place: storage.place, bytes, range }, this.#limits, signal);
  }

  #storage(place: string): Promise<Storage> {
    let storage = this.#storages.get(place);
    if (!storage) {
      storage = openStorage(place, this.#options);
      storage.catch(() => this.#storages.delete(place)); // the next picture tries again
      this.#storages.set(place, storage);
    }
    return storage;
  }
}

/**
 * Reads a file, and if it cannot be read looks at the folder that it was in.
 * @throws what `read` throws; InputError
 */
async function inFolder<T>(
  { place }: Storage,
  name: string,
  folders: PictureFolders,
  read: () => Promise<T>,
): Promise<T> {
  if (isBucket(place)) return read();
  return read().catch(async (error) => {
    await folders.checkMissing(resolve(place, name));
    throw error;
  });
}

/** Starts reading some pictures before they are asked for. */
async function* ahead(
  keys: readonly string[],
  read: (key: string) => Promise<Uint8Array>,
): AsyncGenerator<ShardPicture> {
  const window: ShardPicture[] = [];
  let next = 0;
  let typical = 0;
  const few = () => window.length < AHEAD && window.length * typical < AHEAD_BYTES;
  for (;;) {
    while (next < keys.length && (window.length === 0 || few())) {
      const key = keys[next++]!;
      const bytes = read(key);
      bytes.then(
        ({ length }) => {
          typical = Math.max(length, 0.9 * typical);
        },
        () => {}, // whoever takes it sees it
      );
      window.push({ key, bytes: () => bytes });
    }
    const picture = window.shift();
    if (!picture) return;
    yield picture;
  }
}
