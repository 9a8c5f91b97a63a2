/** A tower in several files, and the index that says which. What reads an index is loaded when there is one. */
import type { Tower } from '../model/config.ts';
import { checkRange, type Source } from './source.ts';

/** The index of a packed tower. */
export const indexName = (tower: Tower) => `${tower}.safetensors.index.json`;

/** The index of a checkpoint that would be `weights` if it were one file. */
export const checkpointIndexName = (weights: string) => `${weights}.index.json`;

/** The files of a tower as one source: the bytes of the first, then those of the second, and so on. */
export class ShardedSource implements Source {
  readonly name: string;
  readonly byteLength: number;
  readonly shards: readonly Source[];
  /** Of a published checkpoint: by shard, the names of the tensors that the index says are in it. */
  readonly expected: readonly (readonly string[])[] | undefined;

  constructor(name: string, shards: readonly Source[], expected?: readonly (readonly string[])[]) {
    this.name = name;
    this.shards = shards;
    this.expected = expected;
    this.byteLength = shards.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  async readInto(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkRange(this, offset, target.byteLength);
    let start = 0;
    for (const shard of this.shards) {
      const from = Math.max(offset, start);
      const to = Math.min(offset + target.byteLength, start + shard.byteLength);
      if (to > from) await shard.readInto(from - start, target.subarray(from - offset, to - offset), signal);
      start += shard.byteLength;
    }
  }

  async checkTower(tower: Tower): Promise<void> {
    for (const shard of this.shards) await shard.checkTower?.(tower);
  }

  async close(): Promise<void> {
    await Promise.all(this.shards.map((shard) => shard.close?.()));
  }
}
