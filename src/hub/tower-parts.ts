/**
 * The parts of a large checkpoint that loads needed, where that is not most of it: one tower of two, or the weights of a training
 * checkpoint without its optimizer. They lie in `.edgeclip/` beside the cache's blobs (block-list.ts), as Python knows whole files
 * only.
 *
 * The hub tells one checksum, that of the whole file. A part is checked by its place and length when it comes, and by the list's
 * SHA-256 where it may have been changed since. As soon as most of the file is needed, mostly when the other tower is asked for, the
 * rest comes into the same file, its checksum is compared, and it becomes the blob.
 */
import { rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClipError } from '../errors.ts';
import type { Tower } from '../model/config.ts';
import { fileSource } from '../platform/node-files.ts';
import { readTensorFile } from '../weights/headers.ts';
import { isOfImageTower } from '../weights/plain-name.ts';
import type { Source } from '../weights/source.ts';
import type { HubAccess } from './access.ts';
import { BlockList, blocksOf, PARTS } from './block-list.ts';
import { made, writing } from './cache.ts';
import { ComingBlocks } from './coming-blocks.ts';
import { fileId } from './digest.ts';
import { withFreeLock, withLock } from './lock.ts';
import { checkLinked, persistently, type Received, receive, startOfRange, withAnswer } from './receive.ts';

/** Where loads need more of the file than this, all of it comes: then it is checked, and Python finds it. */
const MOST = 7 / 8;

/** A file of the hub with parts of it here. */
export interface PartialFile extends Received {
  readonly size: number;
  /** Its SHA-256. */
  readonly id: string;
  /** Path of the parts and of their list, without the ending. */
  readonly path: string;
  readonly lock: string;
  /** What messages say of a load that may fetch nothing. */
  readonly note: string;
  /** Its place when it is whole. */
  readonly blob: string;
}

/** The server gives no ranges. */
export class NoRanges extends Error {}
/** With what came before, most of the file is needed. */
export class MostOfFile extends Error {}

/** The blocks that a load of these towers reads: of the list of tensors, and of their tensors. */
export async function blocksOfTowers(
  file: Source,
  towers: readonly Tower[],
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<number>> {
  const blocks = new Set<number>();
  const add = (start: number, end: number) => {
    for (const block of blocksOf(start, end)) blocks.add(block);
  };
  const seen: Source = {
    ...file,
    readInto: (offset, target, signal) => {
      add(offset, offset + target.byteLength);
      return file.readInto(offset, target, signal);
    },
  };
  const { tensors } = await readTensorFile(seen, signal);
  for (const { name, offset, byteLength, entry } of tensors.values()) {
    if (!towers.includes(isOfImageTower(name) ? 'image' : 'text')) continue;
    if (entry) add(entry.start, entry.end);
    else add(offset, offset + byteLength);
  }
  return blocks;
}

export class TowerParts {
  readonly #access: HubAccess;
  readonly #file: PartialFile;
  readonly #list: BlockList;

  constructor(access: HubAccess, file: PartialFile) {
    this.#access = access;
    this.#file = file;
    this.#list = new BlockList(file.path, file.size);
  }

  /** Whether some of the file is here. */
  exist = (): Promise<boolean> => this.#list.exist();

  /**
   * The file, with what is missing of these blocks fetched; others come if they are read.
   * @throws NoRanges; MostOfFile; HubError; ClipError IO for blocks that are missing and may not be fetched
   */
  async source(wanted: ReadonlySet<number>): Promise<Source> {
    const opened: Source[] = [];
    /** Which file the last one is. */
    let identity: string | undefined;
    let blocks: ReadonlySet<number> | undefined;
    const open = async (wanted: ReadonlySet<number>, most?: number) => {
      const here = await this.#require(wanted, most);
      const { dev, ino } = await stat(here.path, { bigint: true }).catch(() => ({ dev: undefined, ino: undefined }));
      const found = ino === undefined ? undefined : `${here.path}:${dev}:${ino}`; // some file systems have no inodes
      if (found === undefined || found !== identity) {
        // What another load has completed meanwhile has its place among the blobs.
        opened.push(await fileSource(here.path).catch(() => fileSource(this.#file.blob)));
        identity = found;
      }
      blocks = here.blocks;
    };
    await open(wanted, MOST);
    return {
      ...opened[0]!,
      name: this.#file.name,
      readInto: async (offset, target, signal) => {
        const wanted = new Set(blocksOf(offset, offset + target.byteLength));
        // They may be in another file now: reads that go on keep theirs open.
        if ([...wanted].some((block) => blocks && !blocks.has(block))) await open(wanted);
        await opened.at(-1)!.readInto(offset, target, signal);
      },
      close: async () => {
        for (const file of opened) await file.close?.();
      },
    };
  }

  /**
   * Fetches the rest and puts the file in its place. The caller has the lock.
   * @returns whether it was what the hub announced; if not, it is gone
   * @throws NoRanges; HubError
   */
  async complete(): Promise<boolean> {
    const { size, id, blob } = this.#file;
    await this.#fetch(new Set(blocksOf(0, size)));
    const good = (await fileId(this.#list.parts, id, this.#access.signal)) === id;
    if (good) await writing(blob, () => rename(this.#list.parts, blob));
    await this.remove();
    return good;
  }

  remove = (): Promise<void> => this.#list.remove();

  /** Removes what is left beside the whole file, as Python or another load has fetched it; not while another load is at it. */
  async removeStale(): Promise<void> {
    if (await this.#list.hasFiles()) await withFreeLock(this.#file.lock, this.remove).catch(() => {}); // a read-only cache
  }

  /**
   * The path of a file with these blocks, and which it has: undefined if it is whole by now.
   * @param most the share of the file that may be here then
   */
  async #require(
    wanted: ReadonlySet<number>,
    most = Number.POSITIVE_INFINITY,
  ): Promise<{ path: string; blocks: ReadonlySet<number> | undefined }> {
    const { model, name, lock, blob, note } = this.#file;
    const path = this.#list.parts;
    const here = await this.#blocks();
    const missing = [...wanted].some((block) => !here.has(block));
    if (!missing) return { path, blocks: here };
    if (this.#access.offline) throw new ClipError('IO', `"${model}": of ${name} the cache has a part, without what this load needs, or it was damaged; a tower that is there loads alone (towers: ['image'] or ['text'])${note}`); // biome-ignore format: one line
    for (const file of [lock, path]) await made(dirname(file));
    return withLock(lock, this.#access.signal, async () => {
      // Another load may have fetched all of it meanwhile.
      if (await stat(blob).catch(() => undefined)) return { path: blob, blocks: undefined };
      const all = new Set([...(await this.#blocks()), ...wanted]);
      if (all.size * PARTS.block > this.#file.size * most) throw new MostOfFile();
      await this.#fetch(wanted);
      return { path, blocks: await this.#blocks() };
    });
  }

  /** The blocks that are here whole, and sound. */
  async #blocks(): Promise<ReadonlySet<number>> {
    const here = await this.#list.here(this.#access.signal);
    return new Set([...here.keys()].filter((block) => this.#list.isWhole(block, here)));
  }

  /** Fetches what is missing of these blocks: a request for each run of them. The caller has the lock. */
  async #fetch(wanted: ReadonlySet<number>): Promise<void> {
    const { name } = this.#file;
    const { bytes, isWhole } = this.#list;
    const { handle, here } = await this.#list.open(this.#access.signal);
    try {
      const came = new Map(here);
      const sorted = [...wanted].sort((a, b) => a - b);
      const sum = (count: (block: number) => number) => sorted.reduce((all, block) => all + count(block), 0);
      const total = sum(bytes);
      const loaded = () => sum((block) => came.get(block) ?? 0);
      const took = (block: number, bytes: number) => {
        came.set(block, bytes);
        this.#access.onProgress?.({ file: name, loaded: loaded(), total });
      };
      await persistently(
        this.#access,
        { ...this.#file, size: total },
        async () => loaded(),
        async () => {
          const missing = () => sorted.filter((block) => !isWhole(block, came));
          for (let rest = missing(); rest.length > 0; rest = missing()) {
            const first = rest[0]!;
            const run = rest.findIndex((block, i) => block !== first + i);
            const coming = await ComingBlocks.after(this.#list, handle, first, came.get(first) ?? 0);
            await this.#fetchRun(coming, rest.at(run < 0 ? -1 : run - 1)!, took);
          }
        },
      );
    } finally {
      await handle.close();
    }
  }

  /**
   * What comes next, and the blocks after it to `last`, by one request.
   * @param took called with how many bytes of a block are here
   */
  async #fetchRun(coming: ComingBlocks, last: number, took: (block: number, bytes: number) => void): Promise<void> {
    const from = coming.at;
    const end = this.#list.end(last);
    await withAnswer(this.#access, this.#file, `bytes=${from}-${end - 1}`, async (answer) => {
      checkLinked(this.#file, answer, this.#file.id);
      if (startOfRange(answer.response, from, this.#file.size) === undefined) throw new NoRanges();
      try {
        await receive(this.#access, this.#file, answer, { from, end }, (piece) => coming.take(piece, took));
      } finally {
        // The next load goes on there; where it cannot be noted, at the block.
        await coming.note().catch(() => {});
      }
    });
  }
}
