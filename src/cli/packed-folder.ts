/** Writing a model as a folder of packed files, with a manifest of checksums: all of it or nothing. */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, rmSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Precision } from '../engine/arithmetic.ts';
import { LAYOUT_VERSION } from '../engine/layout.ts';
import { ClipError } from '../errors.ts';
import { ioReason } from '../platform/io-reason.ts';
import { makeFolder } from '../platform/make-folder.ts';
import { directoryFiles } from '../platform/node.ts';
import { CheckedFiles } from '../weights/checked-files.ts';
import type { LoadProgress } from '../weights/load-progress.ts';
import { configOfWeights, readDescription, towerSource, towersToLoad } from '../weights/model-files.ts';
import { openTower } from '../weights/open-tower.ts';
import { packTower } from '../weights/packing.ts';
import type { ModelFiles, Source } from '../weights/source.ts';
import { otherTokenizer } from '../weights/tokenizer-text.ts';
import type { TowerFile } from '../weights/tower-file.ts';
import { quote } from './failure.ts';

export interface PackedFolderOptions {
  readonly precision: Precision;
  /** Most bytes of a file. Default: one file per tower. */
  readonly shardBytes?: number | undefined;
  readonly onProgress?: LoadProgress;
  /** Told what the folder will lack. */
  readonly onWarning?: (warning: string) => void;
}

export interface ManifestFile {
  readonly name: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** `manifest.json`: the same for the same model and options. */
export interface Manifest {
  readonly format: 'edgeclip';
  readonly layout: string;
  readonly precision: Precision;
  /** In the order in which they were written; the manifest itself is not among them. */
  readonly files: readonly ManifestFile[];
}

export const MANIFEST = 'manifest.json';

/** What describes a model beside its weights. An OpenCLIP configuration holds the preprocessing, too. */
const DESCRIPTIONS = {
  openclip: ['open_clip_config.json'],
  huggingface: ['config.json', 'processor_config.json', 'preprocessor_config.json'],
} as const;
const TOKENIZER = 'tokenizer.json';

/** Bytes that are hashed or written at once. */
const STEP = 16 << 20;

/**
 * Packs a model's towers, each apart, into a new folder with the configuration and the tokenizer; reads all back and verifies it.
 * At most one tower is in memory, and one tensor more.
 * @param folder must not exist, or be empty
 * @throws ClipError CONFIG, WEIGHTS_*; IO if the folder cannot be written or reads back otherwise; RangeError if `shardBytes` is
 *   too small for a row of a tensor
 */
export async function writePackedFolder(
  modelFiles: ModelFiles,
  folder: string,
  { precision, shardBytes, onProgress, onWarning }: PackedFolderOptions,
): Promise<Manifest> {
  const path = resolve(folder);
  const files = CheckedFiles.of(modelFiles);
  const { config, preprocess } = await readDescription(files);
  return inNewFolder(path, folder, async (partial) => {
    const written: ManifestFile[] = [];
    const write = async (name: string, parts: readonly Uint8Array[]) => {
      written.push(await writeFile(partial, name, parts));
    };
    const descriptions = await Promise.all(
      [...DESCRIPTIONS[config.source], TOKENIZER].map(async (name) => [name, await files.text(name)] as const),
    );
    if (descriptions[0]![1] === undefined) {
      await write('open_clip_config.json', [utf8(`${JSON.stringify(await configOfWeights(files), null, 2)}\n`)]);
    }
    for (const [name, text] of descriptions) if (text !== undefined) await write(name, [utf8(text)]);
    const result = directoryFiles(partial);
    const sources: Source[] = [];
    try {
      const towers: TowerFile[] = [];
      for (const tower of towersToLoad(files, config)) {
        const source = await towerSource(files, tower);
        sources.push(source);
        towers.push(await openTower(source, config, tower, precision, preprocess));
      }
      // One memory for all towers: a second one could come before the first is collected.
      const room = new Uint8Array(Math.max(...towers.map(({ layout }) => layout.byteLength)));
      for (const { tower, layout, fill } of towers) {
        const memory = room.subarray(0, layout.byteLength).fill(0);
        await fill(memory, { onProgress });
        const model = { config, tower, normalization: preprocess };
        for (const file of packTower(layout, memory, model, shardBytes === undefined ? {} : { shardBytes })) {
          await write(file.name, file.parts);
        }
        await readBack(result, memory, { tower, precision });
      }
    } finally {
      await Promise.all(sources.map((source) => source.close?.()));
    }
    if (config.text && descriptions.at(-1)![1] === undefined) {
      const tokenizer = await otherTokenizer(files, config).catch((error) => {
        if (!(error instanceof ClipError) || error.code !== 'TOKENIZER') throw error;
        onWarning?.(`without a tokenizer: ${error.message}`);
        return null;
      });
      if (typeof tokenizer === 'string') await write(TOKENIZER, [utf8(tokenizer)]);
      else if (tokenizer === undefined)
        onWarning?.('without a tokenizer: the model has none, so texts need one by --tokenizer FILE');
    }
    for (const file of written) await verify(partial, file);
    const manifest: Manifest = { format: 'edgeclip', layout: LAYOUT_VERSION, precision, files: written };
    await writeFile(partial, MANIFEST, [utf8(`${JSON.stringify(manifest, null, 2)}\n`)]);
    return manifest;
  });
}

const utf8 = (text: string) => new TextEncoder().encode(text);

type ReadBack = { readonly tower: 'image' | 'text'; readonly precision: Precision };

/** Loads the tower from what was written, into the same memory: each tensor is verified by its checksum. */
async function readBack(files: ModelFiles, memory: Uint8Array, { tower, precision }: ReadBack): Promise<void> {
  const { config, preprocess } = await readDescription(files);
  const source = await towerSource(files, tower);
  try {
    const { fill } = await openTower(source, config, tower, precision, preprocess);
    await fill(memory.fill(0));
  } finally {
    await source.close?.();
  }
}

/** Makes the folder under another name beside its place, which it takes when it is whole. */
async function inNewFolder<T>(path: string, shown: string, work: (partial: string) => Promise<T>): Promise<T> {
  const fail = (reason: string, cause?: unknown): never => {
    throw new ClipError('IO', `cannot write ${quote(shown)}: ${reason}`, { cause });
  };
  const older = await readdir(path).catch((error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT' ? undefined : fail(error.code === 'ENOTDIR' ? 'it is a file' : ioReason(error), error),
  );
  if (older && older.length > 0) fail('the folder is not empty');
  await makeFolder(dirname(path)).catch((error) => fail(ioReason(error), error));
  const partial = join(dirname(path), `.${basename(path)}-partial-${randomBytes(4).toString('hex')}`);
  await mkdir(partial).catch((error) => fail(ioReason(error), error));
  const removeNow = () => rmSync(partial, { recursive: true, force: true });
  const stop = (signal: NodeJS.Signals) => {
    removeNow();
    process.kill(process.pid, signal); // the default action, as the handler was removed
  };
  for (const signal of SIGNALS) process.once(signal, stop);
  try {
    const result = await work(partial);
    if (older) await rmdir(path);
    await rename(partial, path).catch((error) => fail(ioReason(error), error));
    return result;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

async function writeFile(folder: string, name: string, parts: readonly Uint8Array[]): Promise<ManifestFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    const file = await open(join(folder, name), 'wx');
    try {
      for (const part of parts) {
        for (let at = 0; at < part.byteLength; at += STEP) {
          const piece = part.subarray(at, at + STEP);
          hash.update(piece);
          await file.writeFile(piece);
        }
        bytes += part.byteLength;
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new ClipError('IO', `cannot write ${quote(name)}: ${ioReason(error)}`, { cause: error });
  }
  return { name, bytes, sha256: hash.digest('hex') };
}

async function verify(folder: string, { name, sha256 }: ManifestFile): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(join(folder, name))) hash.update(chunk);
  if (hash.digest('hex') !== sha256) {
    throw new ClipError('IO', `${quote(name)} does not read back as it was written: is the disk damaged?`);
  }
}
