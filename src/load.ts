/** Loading a model: open its files, plan the memory, fill it, and put the towers on it. */

import { clockRuns, defaultFiles, noThreads, processors, startThread } from '#platform';
import { Clip } from './clip.ts';
import { TileAutotuner } from './engine/autotuning.ts';
import { Mode } from './engine/calls.ts';
import { compiledKernels } from './engine/compiled.ts';
import { Engine } from './engine/engine.ts';
import { instantiateKernels } from './engine/kernels.ts';
import type { ThreadPool } from './engine/threads/pool.ts';
import { chooseVariant } from './engine/variants.ts';
import { ClipError } from './errors.ts';
import { DEFAULT_MAX_PIXELS } from './image/limits.ts';
import { ImageBatch } from './image-batch.ts';
import { show } from './json.ts';
import {
  checkLoadOptions,
  checkVariant,
  type LoadClipOptions,
  type LoadOptions,
  loadArguments,
} from './load-options.ts';
import { LocalBackend } from './local-backend.ts';
import type { ClipConfig, TextConfig, Tower } from './model/config.ts';
import { expLogitScale } from './model/logit-scale.ts';
import { planModel } from './model/plan.ts';
import { imageTower } from './model/registry.ts';
import { type Model, openModel } from './open-model.ts';
import { notShared, withModules } from './platform/modules.ts';
import type { Parts, ThreadInfo } from './session.ts';
import type { Tokenizer, TokenizerOptions } from './text/tokenizer.ts';
import type { Unigram } from './text/unigram.ts';
import type { WordPiece } from './text/wordpiece.ts';
import { CheckedFiles } from './weights/checked-files.ts';
import { fingerprint } from './weights/fingerprint.ts';
import { readDescription, towerSource, towersToLoad } from './weights/model-files.ts';
import { openTower } from './weights/open-tower.ts';
import type { Source } from './weights/source.ts';
import type { TowerFile } from './weights/tower-file.ts';

/** More threads than this are taken for a mistake. */
export const MAX_THREADS = 64;
/** Largest number of threads that `auto` starts: a layer has no work for more. */
const AUTO_THREADS = 8;

/**
 * Loads a model: the embedded one, a folder (OpenCLIP's or Hugging Face's layout, or packed), one file of weights
 * (`.safetensors`, `.pt`, `.bin`) with its configuration beside it, or files of the caller's own. OpenAI's own `.pt` files
 * need no configuration.
 * @param model a folder or a file of weights (in browsers: its address), or `ModelFiles`; the embedded model if it is not given
 * @throws ClipError CONFIG, WEIGHTS_*, IO, UNSUPPORTED; TypeError for what is not a model or not an option; RangeError for an
 *   option's value; the signal's reason if aborted
 * @example
 * const clip = await loadClip(); // the embedded model
 * clip.dispose(); // releases its memory
 * const small = await loadClip({ towers: ['image'], threads: 2 });
 * small.dispose();
 * const load = () => loadClip('models/ViT-B-32', { precision: 'f32' }); // a folder
 * const loadFile = () => loadClip('models/ViT-B-32.pt');
 */
export function loadClip(model?: Model, options?: LoadOptions): Promise<Clip>;
export function loadClip(options: LoadClipOptions): Promise<Clip>;
export async function loadClip(modelOrOptions?: Model | LoadClipOptions, secondOptions?: LoadOptions): Promise<Clip> {
  const { model, options } = loadArguments(modelOrOptions, secondOptions);
  checkVariant(options.variant);
  checkLoadOptions(options);
  options.signal?.throwIfAborted();
  const { towers } = options;
  const tower = towers?.length === 1 ? towers[0] : undefined;
  const found = model === undefined ? defaultFiles() : await openModel(model, { ...options, tower });
  return withModules(options.wasm, () => loadFiles(new CheckedFiles(found, options.signal), options));
}

async function loadFiles(files: CheckedFiles, options: LoadOptions): Promise<Clip> {
  const { precision = 'int8', maxPixels = DEFAULT_MAX_PIXELS, signal, onProgress, probe } = options;
  let threads = threadCount(options.threads ?? 1);
  const variant = await chooseVariant(options.kernels);
  const reason = threads.count > 1 ? notShared(variant) : undefined;
  if (reason !== undefined) threads = { count: 1, reason };
  const compiled = compiledKernels(variant, threads.count > 1);
  compiled.catch(() => {}); // awaited below; a model error may come first
  const { config, preprocess, warnings } = await readDescription(files, options.imageSize);
  const towers = towersToLoad(files, config, options.towers);
  // The code of texts is parsed while the weights are read. A file of weights that cannot be used is reported first.
  const textsReady = towers.includes('text') ? import('./encode-texts.ts') : undefined;
  textsReady?.catch(() => {});
  const tokenizerReady = towers.includes('text') ? readTokenizer(files, config, options) : undefined;
  tokenizerReady?.catch(() => {});

  const sources: Source[] = [];
  let pool: ThreadPool | undefined;
  try {
    const opened: Partial<Record<Tower, TowerFile>> = {};
    const opening = towers.map(async (tower) => {
      const source = await towerSource(files, tower);
      sources.push(source);
      opened[tower] = await openTower(source, config, tower, precision, preprocess, signal);
    });
    await Promise.allSettled(opening); // so that every file that was opened is closed below
    for (const tower of opening) await tower;
    const threading = threads.count > 1 ? await import('./model/threading.ts') : undefined;
    const { plan, places, scratch, control, image, programs, text } = await planModel({
      config,
      preprocess,
      precision,
      opened,
      threads: threads.count,
      threading,
      whole: probe !== undefined,
    });
    const module = await compiled;
    const memory = plan.allocate(threading !== undefined);
    if (threading)
      pool = new threading.ThreadPool({
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
    const tokenizer = await tokenizerReady;
    const kernels = pool && threading ? threading.splitKernels(pool) : own;
    const tile = options.variant ?? (clockRuns() ? undefined : Mode.none);
    const engine = new Engine(memory, kernels, precision, scratch.at, new TileAutotuner(tile));
    const weights = (tower: Tower) => opened[tower]!.layout.at(places[tower]!);
    let imageFingerprint: string | undefined; // made for the first that asks: weights do not change
    const parts: Parts = {
      name: files.name,
      config,
      preprocess,
      engine,
      variant,
      threads,
      ...(pool && { pool }),
      use: plan.use,
      maxPixels,
      ...(config.vision && { imageKind: (await imageTower(config)).description }),
      ...(image && {
        images: new ImageBatch({
          tower: image(weights('image'), engine),
          engine,
          pool,
          programs,
          threads: pool && programs && new threading!.PictureThreads(pool),
          probe,
        }),
        fingerprint: () => {
          imageFingerprint ??= fingerprint(opened.image!.layout, bytes.subarray(places.image!));
          return imageFingerprint;
        },
      }),
      ...(text && { text: text(weights('text'), engine), texts: (await textsReady)! }),
      ...(text &&
        weights('text').has('logit_scale') && {
          logitScale: expLogitScale(engine.view(weights('text').pointer('logit_scale'), 1)[0]!),
        }),
      ...(tokenizer && { tokenizer }),
      ...(probe && { probe }),
      ...(options.imageOnly && { imageOnly: true }),
      warnings,
    };
    return Clip.fromBackend(new LocalBackend(parts));
  } catch (error) {
    pool?.stop();
    throw error;
  } finally {
    await Promise.all(sources.map((source) => source.close?.()));
  }
}

/**
 * How many threads there will be, of how many were asked for.
 * @throws RangeError
 */
export function threadCount(wanted: unknown): ThreadInfo {
  if (
    wanted !== 'auto' &&
    !(Number.isInteger(wanted) && (wanted as number) >= 1 && (wanted as number) <= MAX_THREADS)
  ) {
    throw new RangeError(`threads must be "auto" or a whole number from 1 to ${MAX_THREADS}, got ${show(wanted)}`);
  }
  const count = wanted === 'auto' ? Math.min(AUTO_THREADS, processors()) : (wanted as number);
  const reason = count > 1 ? noThreads() : undefined;
  return reason === undefined ? { count } : { count: 1, reason };
}

/**
 * The model's tokenizer, made when the first text comes: half of a picture's cold start would go into it. Its module is
 * here by then, as texts do not wait, but is never loaded for pictures alone: the libraries behind it take megabytes.
 * The returned function throws ClipError TOKENIZER if `tokenizer.json` cannot be used.
 */
export async function readTokenizer(
  files: CheckedFiles,
  config: ClipConfig,
  { htmlEntities, repairs }: LoadOptions,
): Promise<(() => Tokenizer | WordPiece | Unigram) | undefined> {
  const text = config.text!;
  let json = await files.text('tokenizer.json');
  if (json === undefined) {
    const { otherTokenizer } = await import('./weights/tokenizer-text.ts');
    try {
      json = await otherTokenizer(files, config);
    } catch (error) {
      if (!(error instanceof ClipError) || error.code !== 'TOKENIZER') throw error;
      return () => {
        throw error; // at the first text: pictures and token ids need none
      };
    }
  }
  if (json === undefined) return undefined;
  const options = {
    contextLength: text.contextLength,
    ...(htmlEntities !== undefined && { htmlEntities }),
    ...(repairs !== undefined && { repairs }),
  };
  const make = await tokenizerMaker(json, options, text);
  let made: Tokenizer | WordPiece | Unigram | undefined;
  return () => {
    if (made) return made;
    const tokenizer = make();
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

/** Only strings of JSON, not parts of them, have these quotes around them. */
const OTHER_MODEL = /"type"\s*:\s*"(WordPiece|Unigram)"/;

/** Loads the kind of tokenizer that the file is for. */
async function tokenizerMaker(
  json: string,
  options: TokenizerOptions,
  { vocabSize, cleaning, stripSeparator }: TextConfig,
): Promise<() => Tokenizer | WordPiece | Unigram> {
  const kind = OTHER_MODEL.exec(json)?.[1];
  if (kind === 'Unigram' && !stripSeparator) {
    const { Unigram } = await import('./text/unigram.ts');
    return () => Unigram.forTower(json, { ...options, cleaning }, vocabSize);
  }
  if (kind === 'WordPiece') {
    const { WordPiece } = await import('./text/wordpiece.ts');
    return () => WordPiece.forTower(json, { ...options, cleaning, stripSeparator }, vocabSize);
  }
  const { Tokenizer } = await import('./text/tokenizer.ts');
  return () => {
    if (cleaning === 'canonicalize' || stripSeparator) {
      throw new ClipError(
        'TOKENIZER',
        'tokenizer.json: expected a WordPiece or Unigram model, as the configuration has tokenizer_kwargs',
      );
    }
    return Tokenizer.forTower(json, options, vocabSize);
  };
}
