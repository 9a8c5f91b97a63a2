/** Loading a model: open its files, plan the memory, fill it, and put the towers on it. */

import { defaultFiles, directoryFiles, noThreads, processors, startThread } from '#platform';
import { Clip, type ClipInfo } from './clip.ts';
import type { Precision } from './engine/arithmetic.ts';
import { TileAutotuner, type TileVariant } from './engine/autotuning.ts';
import { compiledKernels } from './engine/compiled.ts';
import { FUNCTION_POWER_OF_TWO } from './engine/contract.ts';
import { Engine, type Probe } from './engine/engine.ts';
import { instantiateKernels, type KernelVariant } from './engine/kernels.ts';
import { ThreadPool } from './engine/threads/pool.ts';
import { chooseVariant } from './engine/variants.ts';
import { ClipError } from './errors.ts';
import { DEFAULT_MAX_PIXELS } from './image/limits.ts';
import type { ClipConfig, Tower } from './model/config.ts';
import { planModel } from './model/plan.ts';
import type { Tokenizer } from './text/tokenizer.ts';
import { CheckedFiles } from './weights/checked-files.ts';
import { type ModelFiles, readDescription, towerSource, towersToLoad } from './weights/model-files.ts';
import { openTower } from './weights/open-tower.ts';
import { singleFile } from './weights/single-file.ts';
import type { Source } from './weights/source.ts';
import type { LoadProgress, TowerFile } from './weights/tower-file.ts';

export interface LoadOptions {
  /** `int8` (default): int8 weights, exact integer sums. `f32`: the published arithmetic, four times the memory. */
  precision?: Precision;
  /** Which towers to load. Default both. */
  towers?: readonly Tower[];
  /** Which build of the kernels. Default: chosen for this machine; the results are the same. */
  kernels?: KernelVariant;
  /**
   * Threads that compute together, this one included: a number from 1 to 64, or `auto` for one a processor (at most 8).
   * Default 1. The results are the same. Where threads cannot be had, `info()` says why and one computes.
   */
  threads?: number | 'auto';
  /** Most pixels of a picture, width times height. Default 100,000,000. */
  maxPixels?: number;
  /** Unescape HTML entities in texts, as OpenAI's code does. Default true; Hugging Face's tokenizer does not. */
  htmlEntities?: boolean;
  /** Repair broken Unicode in texts, as OpenAI's code does (ftfy). Default true. */
  repairs?: boolean;
  /** Stops the loading. */
  signal?: AbortSignal;
  /** Called as the weights come in. */
  onProgress?: LoadProgress;
  /** Sees every layer's activations, of all rows. @internal */
  probe?: Probe;
  /** The variant of the tile, instead of measuring which is faster: for tests. @internal */
  variant?: TileVariant;
}

/** More threads than this are taken for a mistake. */
export const MAX_THREADS = 64;
/** `auto` stops here: a layer has no more work than for so many. */
const AUTO_THREADS = 8;

/**
 * Loads a model: the embedded one, a folder (OpenCLIP's or Hugging Face's layout, or packed), one file of weights
 * (`.safetensors`, `.pt`, `.bin`) with its configuration beside it, or files of the caller's own.
 * @throws ClipError CONFIG, WEIGHTS_*, IO, UNSUPPORTED; the signal's reason if aborted
 */
export async function loadClip(model?: string | ModelFiles, options: LoadOptions = {}): Promise<Clip> {
  const { precision = 'int8', maxPixels = DEFAULT_MAX_PIXELS, signal, onProgress } = options;
  checkLoadOptions(precision, options.towers ?? ['image', 'text'], maxPixels);
  signal?.throwIfAborted();
  const found = model === undefined ? defaultFiles() : typeof model === 'string' ? modelFiles(model) : model;
  const files = new CheckedFiles(found, signal);
  let threads = threadCount(options.threads ?? 1);
  const variant = await chooseVariant(options.kernels);
  const compiled = compiledKernels(variant, threads.count > 1);
  compiled.catch(() => {}); // awaited below; a model error may come first
  const { config, preprocess } = await readDescription(files);
  const towers = towersToLoad(files, config, options.towers);
  const tokenizer = towers.includes('text') ? await readTokenizer(files, config, options) : undefined;

  const sources: Source[] = [];
  let pool: ThreadPool | undefined;
  try {
    const opened: Partial<Record<Tower, TowerFile>> = {};
    for (const tower of towers) {
      const source = await towerSource(files, tower);
      sources.push(source);
      opened[tower] = await openTower(source, config, tower, precision, preprocess, signal);
    }
    const split = threads.count > 1 ? (await import('./engine/threads/split.ts')).splitKernels : undefined;
    const { plan, places, scratch, control, resample, image, programs, text } = planModel({
      config,
      preprocess,
      precision,
      opened,
      maxPixels,
      threads: threads.count,
      split,
      whole: options.probe !== undefined,
    });
    const module = await compiled;
    const memory = plan.allocate(threads.count > 1);
    if (threads.count > 1)
      pool = new ThreadPool({
        threads: threads.count,
        start: startThread,
        module,
        memory,
        control,
        scratchBytes: scratch.bytes,
      });
    const own = instantiateKernels(module, memory);
    const bytes = new Uint8Array(memory.buffer);
    const checksum = (bytes: Uint8Array) => {
      own.xxh32({ at: bytes.byteOffset, bytes: bytes.byteLength, out: scratch.at });
      return new Uint32Array(memory.buffer, scratch.at, 1)[0]!;
    };
    for (const tower of towers) {
      const { layout, fill } = opened[tower]!;
      const at = places[tower]!;
      await fill(bytes.subarray(at, at + layout.byteLength), { signal, onProgress, checksum });
      signal?.throwIfAborted();
    }
    // The workers came up while the weights did; if they could not, one thread does.
    await pool?.ready().catch((error: ClipError) => {
      pool?.stop();
      pool = undefined;
      threads = { count: 1, reason: error.message };
    });
    const kernels = pool && split ? split(pool) : own;
    const engine = new Engine(memory, kernels, precision, scratch.at, new TileAutotuner(options.variant));
    const weights = (tower: Tower) => opened[tower]!.layout.at(places[tower]!);
    return new Clip({
      name: files.name,
      config,
      preprocess,
      engine,
      variant,
      threads,
      ...(pool && { pool }),
      ...(pool && programs && { programs }),
      use: plan.use,
      maxPixels,
      scratch: resample,
      ...(image && { image: image(weights('image'), engine) }),
      ...(text && { text: text(weights('text'), engine) }),
      ...(text &&
        weights('text').has('logit_scale') && {
          logitScale: readLogitScale(engine, weights('text').pointer('logit_scale')),
        }),
      ...(tokenizer && { tokenizer }),
      ...(options.probe && { probe: options.probe }),
    });
  } catch (error) {
    pool?.stop();
    throw error;
  } finally {
    await Promise.all(sources.map((source) => source.close?.()));
  }
}

/** The files of a model in a folder, or of one whose file of weights is named. */
const modelFiles = (path: string): ModelFiles => singleFile(path, directoryFiles) ?? directoryFiles(path);

/** How many threads there will be, of how many were asked for. */
function threadCount(wanted: unknown): ClipInfo['threads'] {
  if (
    wanted !== 'auto' &&
    !(Number.isInteger(wanted) && (wanted as number) >= 1 && (wanted as number) <= MAX_THREADS)
  ) {
    throw new RangeError(
      `threads must be "auto" or a whole number from 1 to ${MAX_THREADS}, got ${JSON.stringify(wanted)}`,
    );
  }
  const count = wanted === 'auto' ? Math.min(AUTO_THREADS, processors()) : (wanted as number);
  const reason = count > 1 ? noThreads() : undefined;
  return reason === undefined ? { count } : { count: 1, reason };
}

function checkLoadOptions(precision: unknown, towers: readonly unknown[], maxPixels: unknown): void {
  if (precision !== 'int8' && precision !== 'f32') {
    throw new RangeError(`precision must be "int8" or "f32", got ${JSON.stringify(precision)}`);
  }
  const known = (tower: unknown) => tower === 'image' || tower === 'text';
  if (!Array.isArray(towers) || towers.length === 0 || !towers.every(known) || new Set(towers).size !== towers.length) {
    throw new RangeError(`towers must name "image", "text" or both, got ${JSON.stringify(towers)}`);
  }
  if (!(typeof maxPixels === 'number' && maxPixels > 0)) {
    throw new RangeError(`maxPixels must be a positive number, got ${maxPixels}`);
  }
}

/**
 * The model's tokenizer, made when the first text comes: half of a picture's cold start would go into it. Its module is
 * here by then, as texts do not wait, but is never loaded for pictures alone: the libraries behind it take megabytes.
 * The returned function throws ClipError TOKENIZER if `tokenizer.json` cannot be used.
 */
async function readTokenizer(
  files: ModelFiles,
  config: ClipConfig,
  { htmlEntities, repairs }: LoadOptions,
): Promise<(() => Tokenizer) | undefined> {
  const text = config.text!;
  const json = await files.text('tokenizer.json');
  if (json === undefined) return undefined;
  const { Tokenizer } = await import('./text/tokenizer.ts');
  let made: Tokenizer | undefined;
  return () => {
    if (made) return made;
    const tokenizer = Tokenizer.fromJSON(json, {
      contextLength: text.contextLength,
      ...(htmlEntities !== undefined && { htmlEntities }),
      ...(repairs !== undefined && { repairs }),
    });
    if (tokenizer.vocabSize > text.vocabSize) {
      throw new ClipError(
        'TOKENIZER',
        `"${files.name}": tokenizer.json has ids up to ${tokenizer.vocabSize - 1}, the text tower only ${text.vocabSize} rows`,
      );
    }
    made = tokenizer;
    return made;
  };
}

/** exp(logit_scale) = 2^(logit_scale log2 e) by our own powers of two, so that scores too are the same everywhere. */
function readLogitScale(engine: Engine, at: number): number {
  const { scratch } = engine.arithmetic;
  const exponent = engine.view(at, 1)[0]! * Math.LOG2E;
  const whole = Math.round(exponent); // apart, as their sum has fewer bits for the fraction
  const powers = engine.view(scratch, 4);
  powers.set([exponent - whole, whole, 0, 0]);
  engine.kernels.mapFunction({ x: scratch, n: 4, kind: FUNCTION_POWER_OF_TWO, table: scratch + 16 });
  return Math.fround(powers[0]! * powers[1]!);
}
