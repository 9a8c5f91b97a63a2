/** Writes the shards of a plan, as many to a file as a reader can hold. */
import { ClipError } from '../errors.ts';
import { headLine, type PlanHead, planName, type Shard, type ShardPlace, shardLine } from './plan.ts';
import type { Storage } from './storage.ts';

/** A file gets no further shard once it has so many bytes: 100 million names of 60 bytes are some 400 files. */
const FILE_BYTES = 16 << 20;

export interface PlanWriterOptions {
  readonly output: Storage;
  readonly head: PlanHead;
  /** What the plan has already. */
  readonly files: number;
  readonly shards: number;
  /** Pictures in a shard. */
  readonly shardSize: number;
  readonly signal?: AbortSignal | undefined;
  /** Default: 16 MiB. */
  readonly fileBytes?: number;
}

export class PlanWriter {
  /** Of the shards that are written. */
  readonly places: ShardPlace[] = [];
  /** Pictures, or tar files. */
  count = 0;
  readonly #options: PlanWriterOptions;
  #files = 0;
  #keys: string[] = [];
  #lines: Uint8Array[] = [];
  #bytes = 0;

  constructor(options: PlanWriterOptions) {
    this.#options = options;
  }

  /** @throws as `end` */
  async addPicture(key: string): Promise<void> {
    this.count++;
    if (this.#keys.push(key) === this.#options.shardSize) await this.#endShard();
  }

  /** @throws as `end` */
  async addTar(tar: string): Promise<void> {
    this.count++;
    await this.#addShard({ tar });
  }

  /**
   * Writes what is left.
   * @param always whether a file without shards is written, too: it says where the pictures are now
   * @throws ClipError IO, also if another run has written the file
   */
  async end(always: boolean): Promise<void> {
    if (this.#keys.length > 0) await this.#endShard();
    if (this.#lines.length > 0 || (always && this.#files === 0)) await this.#writeFile();
  }

  async #endShard(): Promise<void> {
    const keys = this.#keys;
    this.#keys = [];
    await this.#addShard({ keys });
  }

  async #addShard(pictures: Pick<Shard, 'keys' | 'tar'>): Promise<void> {
    const part = this.#options.shards + this.places.length + this.#lines.length;
    const bytes = shardLine({ part, ...pictures });
    this.#lines.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= (this.#options.fileBytes ?? FILE_BYTES)) await this.#writeFile();
  }

  async #writeFile(): Promise<void> {
    const { output, head, files, shards, signal } = this.#options;
    const file = planName(files + this.#files++);
    const lines = this.#lines;
    this.#lines = [];
    this.#bytes = 0;
    const first = shards + this.places.length;
    const beginning = headLine(head, first, lines.length);
    if (!(await output.create(file, Buffer.concat([beginning, ...lines]), signal))) {
      throw new ClipError('IO', `${output.place}: another run has planned at the same time: run it again`);
    }
    let start = beginning.length;
    for (const [i, { length }] of lines.entries()) {
      this.places.push({ part: first + i, file, start, end: start + length - 1 }); // without the line feed
      start += length;
    }
  }
}
