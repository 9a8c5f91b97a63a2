/**
 * What is here of a file that came in parts (tower-parts.ts): `PATH.parts`, as long as the file and with holes, and its list:
 *
 *     PATH.blocks    a line for each block that has come, or has begun to: its number, how many of its bytes are here, the SHA-256
 *                    of these as they came, and when the file of parts was written last, in milliseconds
 *
 * Lines are added while blocks come; of a block with several, the last counts. Where the time of the file is not that of the last
 * line, as power cuts, copies and backups leave it, each block counts only if it has its SHA-256.
 */
import { createHash, type Hash } from 'node:crypto';
import { appendFile, type FileHandle, open, readFile, rm, stat } from 'node:fs/promises';
import { exists } from '../platform/node-files.ts';
import { BLOCK } from '../weights/ranged-source.ts';
import { replaceFile, writing } from './cache.ts';

/** Bytes of a block, and of the smallest file that is worth it; how often what has come of a block is noted, in milliseconds. */
export const PARTS = { block: BLOCK, least: 4 * BLOCK, noteMs: 1000 };

/** A line of the list. */
interface BlockLine {
  readonly block: number;
  /** How many of its bytes are here, from its first on. */
  readonly bytes: number;
  /** Their SHA-256. */
  readonly sum: string;
  /** When the parts were written last, by then. */
  readonly modified: string;
}

/** How many bytes of each block are here. */
export type BlockBytes = ReadonlyMap<number, number>;

/** The numbers of the blocks with bytes [start, end). */
export function* blocksOf(start: number, end: number): Generator<number> {
  for (let block = Math.floor(start / PARTS.block); block * PARTS.block < end; block++) yield block;
}

export class BlockList {
  /** The file of parts. */
  readonly parts: string;
  readonly #list: string;
  readonly #size: number;
  /** What the last check of all blocks found, and of which state of both files. */
  #checked: { readonly state: string; readonly lines: readonly BlockLine[] } | undefined;

  /** @param size of the whole file, in bytes */
  constructor(path: string, size: number) {
    this.parts = `${path}.parts`;
    this.#list = `${path}.blocks`;
    this.#size = size;
  }

  /** Where a block begins in the file; of the one after the last, the file's end. */
  start = (block: number): number => Math.min(block * PARTS.block, this.#size);
  end = (block: number): number => this.start(block + 1);
  bytes = (block: number): number => this.end(block) - this.start(block);

  /** Whether some of the file is here. */
  async exist(): Promise<boolean> {
    const [modified, list] = await Promise.all([this.#modified(), stat(this.#list).catch(() => undefined)]);
    return modified !== undefined && list !== undefined;
  }

  /** Whether either file is here, even if it is useless without the other. */
  async hasFiles(): Promise<boolean> {
    return (await Promise.all([this.parts, this.#list].map(exists))).includes(true);
  }

  /** How much of each block is here and sound. Without the lock: another load may write both files meanwhile. */
  async here(signal: AbortSignal | undefined): Promise<BlockBytes> {
    return new Map((await this.#lines(signal)).map(({ block, bytes }) => [block, bytes]));
  }

  isWhole = (block: number, here: BlockBytes): boolean => here.get(block) === this.bytes(block);

  /**
   * Opens the file of parts for writing; it is made if it is missing. Only sound blocks stay in the list, before any line is
   * added: the new last one would vouch for the others. The caller has the lock.
   */
  async open(signal: AbortSignal | undefined): Promise<{ handle: FileHandle; here: BlockBytes }> {
    const lines = await this.#lines(signal);
    const fits = (await this.#modified()) !== undefined;
    await writing(this.#list, () => replaceFile(this.#list, lines.map(lineText).join('')));
    // Loads may have the file open: it stays the same one.
    const handle = await writing(this.parts, () => open(this.parts, fits ? 'r+' : 'w+'));
    try {
      if (!fits) await writing(this.parts, () => handle.truncate(this.#size));
    } catch (error) {
      await handle.close();
      throw error;
    }
    return { handle, here: new Map(lines.map(({ block, bytes }) => [block, bytes])) };
  }

  /** Notes how much of a block is here, with its SHA-256. The caller has the lock. */
  async note(handle: FileHandle, block: number, bytes: number, sum: string): Promise<void> {
    // Before its line: a line that outlives a power cut stands for bytes that do, too.
    await writing(this.parts, () => handle.sync());
    const line = { block, bytes, sum, modified: String((await handle.stat()).mtimeMs) };
    await writing(this.#list, () => appendFile(this.#list, lineText(line)));
  }

  /** Of the first bytes of a block, as the file has them. */
  async hash(handle: FileHandle, block: number, bytes: number): Promise<Hash> {
    const buffer = new Uint8Array(bytes);
    const { bytesRead } = await handle.read(buffer, 0, bytes, this.start(block));
    return createHash('sha256').update(buffer.subarray(0, bytesRead));
  }

  /** Removes both files: what is in use stays open. */
  async remove(): Promise<void> {
    for (const path of [this.#list, this.parts]) await writing(path, () => rm(path, { force: true }));
  }

  /** The lines of blocks that are sound. */
  async #lines(signal: AbortSignal | undefined): Promise<readonly BlockLine[]> {
    const modified = await this.#modified();
    if (modified === undefined) return [];
    const text = await readFile(this.#list, 'utf8').catch(() => '');
    const lines = this.#parse(text);
    if (lines.length === 0 || lines.at(-1)!.modified === modified) return lines;
    const state = `${modified}\n${text}`;
    if (this.#checked?.state !== state) this.#checked = { state, lines: await this.#check(modified, signal) };
    return this.#checked.lines;
  }

  /** The lines whose blocks have their SHA-256. */
  async #check(modified: string, signal: AbortSignal | undefined): Promise<readonly BlockLine[]> {
    // Where it cannot be written, blocks are checked again the next time.
    const list = await open(this.#list, 'a+').catch(() => open(this.#list, 'r'));
    try {
      const lines = this.#parse(await list.readFile('utf8'));
      const sound: BlockLine[] = [];
      const handle = await open(this.parts, 'r');
      try {
        for (const line of lines) {
          signal?.throwIfAborted();
          const hash = await this.hash(handle, line.block, line.bytes);
          if (hash.digest('hex') === line.sum) sound.push({ ...line, modified });
        }
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
    const parts = await stat(this.parts).catch(() => undefined);
    return parts?.size === this.#size ? String(parts.mtimeMs) : undefined;
  }

  /** The lines of a list, without what a process that ended left of one. */
  #parse(text: string): BlockLine[] {
    const lines = new Map<number, BlockLine>();
    for (const [, number, count, sum, modified] of text.matchAll(/^(\d+) (\d+) ([0-9a-f]{64}) ([\d.]+)\n/gm)) {
      const block = Number(number);
      const bytes = Number(count);
      if (bytes > this.bytes(block)) continue;
      lines.delete(block);
      lines.set(block, { block, bytes, sum: sum!, modified: modified! });
    }
    return [...lines.values()];
  }
}

const lineText = ({ block, bytes, sum, modified }: BlockLine): string => `${block} ${bytes} ${sum} ${modified}\n`;
