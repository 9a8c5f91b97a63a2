/** Writing a tower in the packed format (packed.ts), as one file or as shards. */

import type { Layout, PackedTensor } from '../engine/layout.ts';
import { sumsToText, xxh32 } from './checksum.ts';
import { type PackedModel, packedMetadata, pieceName, shardNumber, towerChecksum } from './packed.ts';
import { shardName, writeIndex } from './packed-shards.ts';
import { type TensorData, writeSafetensors } from './safetensors.ts';
import { indexName } from './shards.ts';

/** A file to be written; its parts, one after the other, are its bytes, and are not copied. */
export interface WrittenFile {
  readonly name: string;
  readonly parts: readonly Uint8Array[];
}

export interface PackOptions {
  /** Maximum number of bytes of a file. Default: one file, whatever its size. */
  readonly shardBytes?: number;
}

/**
 * A tower's memory as packed files: `image.safetensors`, or, if it is larger than `shardBytes`, shards named
 * `image-00001-of-00003.safetensors` and an index, `image.safetensors.index.json`. A tensor is split only if it is larger than
 * a shard: into pieces of whole rows (of its first dimension), each with a checksum of its own, so that every shard can be
 * verified alone.
 * @param bytes the tower's memory, layout.byteLength bytes at a multiple of 4
 * @throws RangeError if `shardBytes` cannot hold a row of a tensor and the header
 */
export function packTower(
  layout: Layout,
  bytes: Uint8Array,
  model: PackedModel,
  options: PackOptions = {},
): WrittenFile[] {
  const metadata = packedMetadata(model, layout.precision);
  const { tower } = model;
  const { shardBytes = Number.POSITIVE_INFINITY } = options;
  const room = new Room(shardBytes, metadata);
  const shards = distribute(layout, room).map((pieces) =>
    pieces.map(({ name, dtype, shape, offset, byteLength }) => {
      const data = bytes.subarray(offset, offset + byteLength);
      return { name, dtype, shape, data, sum: xxh32(data) };
    }),
  );
  const checksum = towerChecksum(shards.flatMap((tensors) => tensors.map(({ sum }) => sum)));
  const write = (tensors: readonly (TensorData & { sum: number })[], more: Record<string, string> = {}) =>
    writeSafetensors(tensors, { ...metadata, ...more, checksum, checksums: sumsToText(tensors.map(({ sum }) => sum)) });
  const count = shards.length;
  if (count === 1) return [{ name: `${tower}.safetensors`, parts: write(shards[0]!) }];
  return [
    ...shards.map((tensors, i) => ({
      name: shardName(tower, i, count),
      parts: write(tensors, { shard: shardNumber(i, count) }),
    })),
    { name: indexName(tower), parts: [writeIndex(count)] },
  ];
}

/** How much a shard holds: an upper bound of its header, and its data. */
class Room {
  readonly #limit: number;
  readonly #base: number;
  #used: number;

  constructor(limit: number, metadata: Readonly<Record<string, string>>) {
    this.#limit = limit;
    // Length, alignment, and the metadata's braces, keys and values that are not known yet.
    this.#base = JSON.stringify(metadata).length + 256;
    this.#used = this.#base;
  }

  /** Bytes that are left for a tensor's data. */
  left(tensor: PackedTensor): number {
    return this.#limit - this.#used - entryBytes(tensor);
  }

  add(tensor: PackedTensor): void {
    this.#used += entryBytes(tensor) + tensor.byteLength;
  }

  clear(): void {
    this.#used = this.#base;
  }
}

/** A tensor's entry in the header, with the longest offsets and piece numbers, and its checksum. */
const entryBytes = ({ name, shape }: PackedTensor) => JSON.stringify({ [name]: shape }).length + 110;

/** The tensors, or pieces of them, of each shard. */
function distribute(layout: Layout, room: Room): PackedTensor[][] {
  const shards: PackedTensor[][] = [[]];
  const nextShard = () => {
    if (shards.at(-1)!.length > 0) shards.push([]);
    room.clear();
  };
  const add = (tensor: PackedTensor) => {
    shards.at(-1)!.push(tensor);
    room.add(tensor);
  };
  for (const tensor of layout.tensors.values()) {
    if (tensor.byteLength > room.left(tensor)) nextShard();
    if (tensor.byteLength <= room.left(tensor)) {
      add(tensor);
      continue;
    }
    const pieces = split(tensor, room.left(tensor));
    for (const [i, piece] of pieces.entries()) {
      if (i > 0) nextShard();
      add(piece);
    }
  }
  return shards;
}

/** A tensor in pieces of whole rows, of at most `most` bytes. */
function split(tensor: PackedTensor, most: number): PackedTensor[] {
  const { name, shape, byteLength, offset } = tensor;
  const [rows, ...columns] = shape as [number, ...number[]];
  const rowBytes = byteLength / rows;
  const step = Math.floor(most / rowBytes);
  if (step < 1) {
    throw new RangeError(
      `shards are too small: a row of tensor ${name} has ${rowBytes} bytes, and ${Math.max(0, most)} are left for it`,
    );
  }
  const count = Math.ceil(rows / step);
  return Array.from({ length: count }, (_, i) => {
    const taken = Math.min(step, rows - i * step);
    return {
      ...tensor,
      name: pieceName(name, i, count),
      shape: [taken, ...columns],
      offset: offset + i * step * rowBytes,
      byteLength: taken * rowBytes,
    };
  });
}
