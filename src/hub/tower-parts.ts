/**
 * The parts of a large checkpoint that loads needed, where that is not most of it: one tower of two, or the weights of a training
 * checkpoint without its optimizer. They lie beside the cache's blobs, which Python knows as whole files only:
 *
 *     .edgeclip/ID.parts     as long as the file, with holes
 *     .edgeclip/ID.blocks    a line for each block that is there: its number, the SHA-256 of its bytes as they came, and when
 *                            the file of parts was written last, in milliseconds
 *
 * The hub tells one checksum, that of the whole file. A part is checked by its place and length when it comes, and by its SHA-256
 * when the time of the file is not that of the last line: power cuts, copies and backups leave other bytes. As soon as most of the
 * file is needed, mostly when the other tower is asked for, the rest comes into the same file, its checksum is compared, and it
 * becomes the blob.
 */
import { createHash, type Hash } from 'node:crypto';
import { appendFile, type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClipError } from '../errors.ts';
import type { Tower } from '../model/config.ts';
import { fileSource } from '../platform/node-files.ts';
import { readTensorFile } from '../weights/headers.ts';
import { isOfImageTower } from '../weights/plain-name.ts';
import { BLOCK } from '../weights/ranged-source.ts';
import type { Source } from '../weights/source.ts';
import type { HubAccess } from './access.ts';
import { made, replaceFile, writing } from './cache.ts';
import { fileId } from './digest.ts';
import { withLock } from './lock.ts';
import { checkLinked, persistently, type Received, receive, startOfRange, withAnswer } from './receive.ts';

/** Bytes of a block, and of the smallest file that is worth it. */
export const PARTS = { block: BLOCK, least: 4 * BLOCK };
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

/** A line of the list. */
interface BlockLine {
  readonly block: number;
  /** The SHA-256 of its bytes. */
  readonly sum: string;
  /** When the parts were written last, by then. */
  readonly modified: string;
}

/** A block of which not all has come. */
interface BegunBlock {
  readonly block: number;
  readonly hash: Hash;
  /** Where in the file what came ends. */
  end: number;
}

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

/** The numbers of the blocks with bytes [start, end). */
function* blocksOf(start: number, end: number): Generator<number> {
  for (let block = Math.floor(start / PARTS.block); block * PARTS.block < end; block++) yield block;
}

export class TowerParts {
  readonly #access: HubAccess;
  readonly #file: PartialFile;
  readonly #parts: string;
  readonly #list: string;

  constructor(access: HubAccess, file: PartialFile) {
    this.#access = access;
    this.#file = file;
    this.#parts = `${file.path}.parts`;
    this.#list = `${file.path}.blocks`;
  }

  /** Whether some of the file is here. */
  async exist(): Promise<boolean> {
    const [modified, list] = await Promise.all([this.#modified(), stat(this.#list).catch(() => undefined)]);
    return modified !== undefined && list !== undefined;
  }

  /**
   * The file, with what is missing of these blocks fetched; others come if they are read.
   * @throws NoRanges; MostOfFile; HubError; ClipError IO for blocks that are missing and may not be fetched
   */
  async source(wanted: ReadonlySet<number>): Promise<Source> {
    let here = await this.#require(wanted, MOST);
    // What another load has completed meanwhile has its place among the blobs.
    const file = await fileSource(here.path).catch(() => fileSource(this.#file.blob));
    return {
      ...file,
      readInto: async (offset, target, signal) => {
        const blocks = new Set(blocksOf(offset, offset + target.byteLength));
        if ([...blocks].some((block) => here.blocks && !here.blocks.has(block))) here = await this.#require(blocks);
        await file.readInto(offset, target, signal);
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
    const good = (await fileId(this.#parts, id, this.#access.signal)) === id;
    if (good) await writing(blob, () => rename(this.#parts, blob));
    await this.remove();
    return good;
  }

  async remove(): Promise<void> {
    for (const path of [this.#list, this.#parts]) await writing(path, () => rm(path, { force: true }));
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
    const here = await this.#blocks();
    const missing = [...wanted].some((block) => !here.has(block));
    if (!missing) return { path: this.#parts, blocks: here };
    if (this.#access.offline) throw new ClipError('IO', `"${model}": of ${name} the cache has a part, without what this load needs, or it was damaged; a tower that is there loads alone (towers: ['image'] or ['text'])${note}`); // biome-ignore format: one line
    for (const path of [lock, this.#parts]) await made(dirname(path));
    return withLock(lock, this.#access.signal, async () => {
      // Another load may have fetched all of it meanwhile.
      if (await stat(blob).catch(() => undefined)) return { path: blob, blocks: undefined };
      const all = new Set([...(await this.#blocks()), ...wanted]);
      if (all.size * PARTS.block > this.#file.size * most) throw new MostOfFile();
      return { path: this.#parts, blocks: await this.#fetch(wanted) };
    });
  }

  /** Fetches what is missing of these blocks: a request for each run of them. The caller has the lock. */
  async #fetch(wanted: ReadonlySet<number>): Promise<ReadonlySet<number>> {
    const { name, size } = this.#file;
    const lines = await this.#here();
    const blocks = new Set(lines.map(({ block }) => block));
    const fits = (await this.#modified()) !== undefined;
    // Before any line is added: the new last one would vouch for lines of blocks that are damaged.
    await writing(this.#list, () => replaceFile(this.#list, lines.map(lineText).join('')));
    // Loads may have the file open: it stays the same one.
    const handle = await writing(this.#parts, () => open(this.#parts, fits ? 'r+' : 'w+'));
    try {
      if (!fits) await writing(this.#parts, () => handle.truncate(size));
      const sorted = [...wanted].sort((a, b) => a - b);
      const bytes = (some: readonly number[]) => some.reduce((sum, block) => sum + this.#end(block) - this.#start(block), 0); // biome-ignore format: one line
      const missing = () => sorted.filter((block) => !blocks.has(block));
      const total = bytes(sorted);
      let begun: BegunBlock | undefined;
      const loaded = () => total - bytes(missing()) + (begun ? begun.end - this.#start(begun.block) : 0);
      const length = async () => loaded();
      const came = (done: number | undefined, now: BegunBlock | undefined) => {
        if (done !== undefined) blocks.add(done);
        begun = now;
      };
      const tell = () => this.#access.onProgress?.({ file: name, loaded: loaded(), total });
      await persistently(this.#access, { ...this.#file, size: total }, length, async () => {
        for (let rest = missing(); rest.length > 0; rest = missing()) {
          const run = rest.findIndex((block, i) => block !== rest[0]! + i);
          await this.#fetchRun(handle, begun ?? this.#begin(rest[0]!), rest.at(run < 0 ? -1 : run - 1)!, came, tell);
        }
      });
    } finally {
      await handle.close();
    }
    return blocks;
  }

  /**
   * What is missing of the first block, and those after it to `last`, by one request. A block counts when all of it is on the disk.
   * @param came called with a block that is whole, if one is, and the next one as far as it came
   */
  async #fetchRun(
    handle: FileHandle,
    first: BegunBlock,
    last: number,
    came: (done: number | undefined, begun: BegunBlock | undefined) => void,
    tell: () => void,
  ): Promise<void> {
    const start = first.end;
    const end = this.#end(last);
    await withAnswer(this.#access, this.#file, `bytes=${start}-${end - 1}`, async (answer) => {
      checkLinked(this.#file, answer, this.#file.id);
      if (startOfRange(answer.response, start, this.#file.size) === undefined) throw new NoRanges();
      let begun = first;
      await receive(this.#access, this.#file, answer, { from: start, end }, async (piece, at) => {
        await writing(this.#parts, () => writeAll(handle, piece, at));
        for (let hashed = 0; hashed < piece.byteLength; ) {
          const { block, hash } = begun;
          const part = piece.subarray(hashed, this.#end(block) - at);
          hash.update(part);
          hashed += part.byteLength;
          begun.end += part.byteLength;
          came(undefined, begun);
          if (begun.end < this.#end(block)) break;
          // Before its line: a line that outlives a power cut stands for bytes that do, too.
          await writing(this.#parts, () => handle.sync());
          const line = { block, sum: hash.digest('hex'), modified: String((await handle.stat()).mtimeMs) };
          await writing(this.#list, () => appendFile(this.#list, lineText(line)));
          came(block, undefined);
          begun = this.#begin(block + 1);
        }
        tell();
      });
    });
  }

  #begin = (block: number): BegunBlock => ({ block, hash: createHash('sha256'), end: this.#start(block) });

  /** The numbers of the blocks that are here and sound. */
  async #blocks(): Promise<Set<number>> {
    return new Set((await this.#here()).map(({ block }) => block));
  }

  /** The lines of the blocks that are here and sound. */
  async #here(): Promise<readonly BlockLine[]> {
    const modified = await this.#modified();
    if (modified === undefined) return [];
    const lines = parseLines(await readFile(this.#list, 'utf8').catch(() => ''));
    return lines.length === 0 || lines.at(-1)!.modified === modified ? lines : this.#checked(modified);
  }

  /** The lines of the blocks whose bytes have their SHA-256. Without the lock: another load may write both files meanwhile. */
  async #checked(modified: string): Promise<readonly BlockLine[]> {
    // Where it cannot be written, blocks are checked again the next time.
    const list = await open(this.#list, 'a+').catch(() => open(this.#list, 'r'));
    try {
      const lines = parseLines(await list.readFile('utf8'));
      const sound: BlockLine[] = [];
      const handle = await open(this.#parts, 'r');
      try {
        for (const line of lines) if ((await this.#sum(handle, line.block)) === line.sum) sound.push({ ...line, modified }); // biome-ignore format: one line
      } finally {
        await handle.close();
      }
      // Into the file that was read: if another load has put a new list in its place, this has no effect.
      if (sound.length > 0 && sound.length === lines.length) {
        await list.appendFile(lineText(sound.at(-1)!)).catch(() => {});
      }
      return sound;
    } finally {
      await list.close();
    }
  }

  /** When the parts were written last; undefined if they are missing or of another length. */
  async #modified(): Promise<string | undefined> {
    const parts = await stat(this.#parts).catch(() => undefined);
    return parts?.size === this.#file.size ? String(parts.mtimeMs) : undefined;
  }

  async #sum(handle: FileHandle, block: number): Promise<string> {
    this.#access.signal?.throwIfAborted();
    const bytes = new Uint8Array(this.#end(block) - this.#start(block));
    await handle.read(bytes, 0, bytes.byteLength, this.#start(block));
    return createHash('sha256').update(bytes).digest('hex');
  }

  /** Of the block after the last one: the file's end. */
  #start = (block: number): number => Math.min(block * PARTS.block, this.#file.size);
  #end = (block: number): number => Math.min((block + 1) * PARTS.block, this.#file.size);
}

const lineText = ({ block, sum, modified }: BlockLine): string => `${block} ${sum} ${modified}\n`;

/** The lines of a list, without what a process that ended left of one. Of a block with several, the last counts, in its place. */
function parseLines(text: string): BlockLine[] {
  const lines = new Map<string, BlockLine>();
  for (const [, block, sum, modified] of text.matchAll(/^(\d+) ([0-9a-f]{64}) ([\d.]+)\n/gm)) {
    lines.delete(block!);
    lines.set(block!, { block: Number(block), sum: sum!, modified: modified! });
  }
  return [...lines.values()];
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    done += (await handle.write(bytes, done, bytes.byteLength - done, at + done)).bytesWritten;
  }
}
