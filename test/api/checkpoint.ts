/** Models in memory that tests rewrite: a folder as a record of files, a checkpoint as a list of tensors. */
import { readdirSync, readFileSync } from 'node:fs';
import { ClipError } from '../../src/errors.ts';
import { loadClip } from '../../src/load.ts';
import type { Tower } from '../../src/model/config.ts';
import { sumsToText, xxh32 } from '../../src/weights/checksum.ts';
import { readDescription, towerSource } from '../../src/weights/model-files.ts';
import { openTower } from '../../src/weights/open-tower.ts';
import { towerChecksum } from '../../src/weights/packed.ts';
import { type PackOptions, packTower } from '../../src/weights/packing.ts';
import { parseSafetensorsHeader, type TensorData, writeSafetensors } from '../../src/weights/safetensors.ts';
import type { ModelFiles } from '../../src/weights/source.ts';
import { bytesSource } from '../../src/weights/source.ts';
import { goldenPath } from '../model/golden.ts';

/** The files of a model by name; texts are UTF-8. */
export type Folder = Record<string, Uint8Array>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** A golden model's files: each call gives copies. */
export function readFolder(model: string): Folder {
  const names = readdirSync(goldenPath(model)).filter((name) => /config\.json$|\.safetensors$/.test(name));
  return Object.fromEntries(names.map((name) => [name, new Uint8Array(readFileSync(goldenPath(`${model}/${name}`)))]));
}

/** The folder as a caller's own store. */
export function storeOf(folder: Folder, name = 'a store'): ModelFiles {
  const file = (name: string) => (Object.hasOwn(folder, name) ? folder[name] : undefined);
  return {
    name,
    text: async (name) => file(name) && decoder.decode(file(name)),
    source: async (name) => file(name) && bytesSource(file(name)!, name),
  };
}

/** Tensors and metadata of a safetensors file. */
export interface Checkpoint {
  tensors: TensorData[];
  metadata: Record<string, string>;
}

export function readCheckpoint(bytes: Uint8Array): Checkpoint {
  const { tensors, metadata } = parseSafetensorsHeader(bytes, 'checkpoint');
  return {
    metadata: { ...metadata },
    tensors: [...tensors.values()].map(({ name, dtype, shape, offset, byteLength }) => ({
      name,
      dtype,
      shape,
      data: bytes.slice(offset, offset + byteLength),
    })),
  };
}

export function writeCheckpoint({ tensors, metadata }: Checkpoint): Uint8Array {
  return new Uint8Array(Buffer.concat(writeSafetensors(tensors, metadata)));
}

/** A copy of the folder with the checkpoint `file` as `edit` returns it. */
export function editTensors(folder: Folder, file: string, edit: (checkpoint: Checkpoint) => Checkpoint): Folder {
  return { ...folder, [file]: writeCheckpoint(edit(readCheckpoint(folder[file]))) };
}

/** A copy of the folder in which the tensor's elements, as f32, were changed in place. */
export function editValues(folder: Folder, file: string, tensor: string, edit: (values: Float32Array) => void): Folder {
  return editTensors(folder, file, (checkpoint) => {
    const { data } = checkpoint.tensors.find(({ name }) => name === tensor)!;
    edit(new Float32Array(data.buffer));
    return checkpoint;
  });
}

/** A packed file with the checksums that its tensors have after an edit: damage that checksums do not find. */
export function resealed(folder: Folder, file: string): Folder {
  return editTensors(folder, file, ({ tensors, metadata }) => {
    const sums = tensors.map(({ data }) => xxh32(data));
    return { tensors, metadata: { ...metadata, checksums: sumsToText(sums), checksum: towerChecksum(sums) } };
  });
}

/** A model in the packed format: a file per tower, or shards, beside the configuration. */
export async function pack(
  folder: Folder,
  precision: 'int8' | 'f32' = 'int8',
  options: PackOptions = {},
  towers: readonly Tower[] = ['image', 'text'],
): Promise<Folder> {
  const files = storeOf(folder);
  const { config, preprocess } = await readDescription(files);
  const packed = Object.fromEntries(Object.entries(folder).filter(([name]) => name.endsWith('.json')));
  for (const tower of towers) {
    const { layout, fill } = await openTower(await towerSource(files, tower), config, tower, precision, preprocess);
    const bytes = new Uint8Array(layout.byteLength);
    await fill(bytes);
    for (const { name, parts } of packTower(layout, bytes, { config, tower, normalization: preprocess }, options)) {
      packed[name] = new Uint8Array(Buffer.concat(parts));
    }
  }
  return packed;
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('it resolved');
    },
    (error) => error,
  );
}

/** The error of loading such a folder, which must be a ClipError. */
export async function refusal(folder: Folder, options = {}): Promise<ClipError> {
  const error = await rejection(loadClip(storeOf(folder), options));
  if (!(error instanceof ClipError)) throw error;
  return error;
}
