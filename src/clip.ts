/** The public model: load, embed pictures and texts, make classifiers. */

import { defaultFiles, directoryFiles, noThreads, processors, startThread } from '#platform';
import { Classifier, type ClassifierOptions } from './classifier.ts';
import { Arithmetic, type Precision } from './engine/arithmetic.ts';
import { compiledKernels } from './engine/compiled.ts';
import { Engine, type Probe } from './engine/engine.ts';
import { instantiateKernels, type KernelVariant } from './engine/kernels.ts';
import { MemoryPlan, type MemoryUse } from './engine/memory.ts';
import { roundUp } from './engine/numerics.ts';
import { threadedKernels } from './engine/threaded-kernels.ts';
import { ThreadPool } from './engine/threads.ts';
import { chooseVariant } from './engine/variants.ts';
import { ClipError } from './errors.ts';
import { type DecodeOptions, decodeWith, type ImageInput } from './image/decode.ts';
import { cropGeometry } from './image/geometry.ts';
import { DEFAULT_MAX_PIXELS } from './image/limits.ts';
import type { PreprocessConfig } from './image/preprocess-config.ts';
import { resampleBytes, resampleCrop } from './image/resample.ts';
import type { ClipConfig } from './model/config.ts';
import { EfficientNet } from './model/efficientnet.ts';
import { TextTransformer } from './model/text-transformer.ts';
import { tokenCount, VisionTransformer } from './model/vision-transformer.ts';
import { pooledLength } from './text/end-token.ts';
import { buildPrefixTree } from './text/prefix-tree.ts';
import { Tokenizer } from './text/tokenizer.ts';
import { type LoadProgress, openTower, type TowerFile } from './weights/load.ts';
import { type ModelFiles, readDescription, towerSource } from './weights/model-files.ts';
import type { Tower } from './weights/names.ts';
import type { Source } from './weights/source.ts';

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
  /** Sees every layer's activations; last blocks then compute all rows. @internal */
  probe?: Probe;
}

export interface EncodeOptions {
  /** Divide each embedding by its length. Default true. */
  normalize?: boolean;
  /** Stops a batch between two pictures or chunks of texts; what the promise was to give is then lost. */
  signal?: AbortSignal;
  /** Called after each picture, or chunk of texts: how many are done, of how many. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

export interface EncodeImageOptions extends EncodeOptions, Pick<DecodeOptions, 'orient' | 'maxBytes' | 'maxPixels'> {}

/** More threads than this are taken for a mistake. */
const MAX_THREADS = 64;
/** `auto` stops here: a layer has no more work than for so many. */
const AUTO_THREADS = 8;

/** What `info` reports; sizes in bytes. */
export interface ClipInfo {
  readonly model: string;
  readonly precision: Precision;
  readonly kernels: KernelVariant;
  /** How many threads compute, and why not more if more were asked for. */
  readonly threads: { readonly count: number; readonly reason?: string };
  readonly towers: readonly Tower[];
  readonly embedDim: number;
  readonly image: { readonly kind: string; readonly size: number };
  readonly text: { readonly contextLength: number; readonly vocabSize: number; readonly tokenizer: boolean };
  readonly memory: { readonly total: number; readonly use: MemoryUse };
}

/** What `loadClip` hands to the constructor. */
interface Parts {
  readonly name: string;
  readonly config: ClipConfig;
  readonly preprocess: PreprocessConfig;
  readonly engine: Engine;
  readonly variant: KernelVariant;
  readonly threads: ClipInfo['threads'];
  readonly pool?: ThreadPool;
  readonly use: MemoryUse;
  readonly maxPixels: number;
  readonly scratch: number;
  readonly image?: VisionTransformer | EfficientNet;
  readonly text?: TextTransformer;
  readonly tokenizer?: () => Tokenizer;
  readonly logitScale?: number;
  readonly probe?: Probe;
}

/**
 * Loads a model: the embedded one, a folder (OpenCLIP's or Hugging Face's layout, or packed), or files of the caller's own.
 * @throws ClipError CONFIG, WEIGHTS_*, IO, UNSUPPORTED; the signal's reason if aborted
 */
export async function loadClip(model?: string | ModelFiles, options: LoadOptions = {}): Promise<Clip> {
  const {
    precision = 'int8',
    towers = ['image', 'text'],
    maxPixels = DEFAULT_MAX_PIXELS,
    signal,
    onProgress,
  } = options;
  checkLoadOptions(precision, towers, options.kernels ?? 'simd', maxPixels);
  signal?.throwIfAborted();
  const files = model === undefined ? defaultFiles() : typeof model === 'string' ? directoryFiles(model) : model;
  let threads = threadCount(options.threads ?? 1);
  const { kernels: variant, tile } = await chooseVariant(options.kernels);
  const compiled = compiledKernels(variant, threads.count > 1);
  compiled.catch(() => {}); // awaited below; a model error may come first
  const { config, preprocess } = await readDescription(files);
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
    const { plan, places, scratch, control, resample, image, text } = planModel(
      config,
      preprocess,
      precision,
      opened,
      maxPixels,
      options.probe !== undefined,
      threads.count,
    );
    const module = await compiled;
    const memory = plan.allocate(threads.count > 1);
    if (threads.count > 1) pool = new ThreadPool(startThread, module, memory, control, threads.count);
    const bytes = new Uint8Array(memory.buffer);
    for (const tower of towers) {
      const { layout, fill } = opened[tower]!;
      const at = places[tower]!;
      await fill(bytes.subarray(at, at + layout.byteLength), signal, onProgress);
      signal?.throwIfAborted();
    }
    // The workers came up while the weights did; if they could not, one thread does.
    await pool?.ready().catch((error: ClipError) => {
      pool?.stop();
      pool = undefined;
      threads = { count: 1, reason: error.message };
    });
    const kernels = pool ? threadedKernels(pool, scratch.bytes) : instantiateKernels(module, memory);
    const engine = new Engine(memory, kernels, precision, scratch.at, tile);
    const { vision } = config;
    const weights = (tower: Tower) => opened[tower]!.layout.at(places[tower]!);
    return new Clip({
      name: files.name,
      config,
      preprocess,
      engine,
      variant,
      threads,
      ...(pool && { pool }),
      use: plan.use,
      maxPixels,
      scratch: resample,
      ...(image && { image: image(vision, weights('image'), engine) }),
      ...(text && { text: new TextTransformer(config.text, weights('text'), text, engine) }),
      ...(text && { logitScale: readLogitScale(engine, weights('text').pointer('logit_scale')) }),
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

/** A CLIP model: `loadClip` makes one. Calls may overlap; they run one after the other and do not disturb each other. */
export class Clip {
  readonly config: ClipConfig;
  /** How pictures are prepared: pass it to `preprocess` to see what the tower sees. */
  readonly preprocess: PreprocessConfig;
  #parts: Parts | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(parts: Parts) {
    this.config = parts.config;
    this.preprocess = parts.preprocess;
    this.#parts = parts;
  }

  /**
   * Embeds pictures: an array gives an array in the same order. f32[embedDim] each.
   * @throws ClipError IMAGE_* for a picture (the position of a picture in an array is in the message), TOWER_NOT_LOADED,
   *   DISPOSED; TypeError for what is no picture; the signal's reason if aborted
   */
  encodeImage(image: ImageInput, options?: EncodeImageOptions): Promise<Float32Array>;
  encodeImage(images: readonly ImageInput[], options?: EncodeImageOptions): Promise<Float32Array[]>;
  async encodeImage(
    input: ImageInput | readonly ImageInput[],
    options: EncodeImageOptions = {},
  ): Promise<Float32Array | Float32Array[]> {
    this.#imageTower();
    const images: readonly ImageInput[] = Array.isArray(input) ? input : [input as ImageInput];
    const embeddings: Float32Array[] = [];
    for (const [i, image] of images.entries()) {
      options.signal?.throwIfAborted();
      try {
        embeddings.push(await this.#inTurn(() => this.#encodeOne(image, options), options.signal));
      } catch (error) {
        throw Array.isArray(input) ? atPosition(error, i) : error;
      }
      options.onProgress?.({ done: i + 1, total: images.length });
    }
    return Array.isArray(input) ? embeddings : embeddings[0]!;
  }

  async #encodeOne(image: ImageInput, options: EncodeImageOptions): Promise<Float32Array> {
    const { maxPixels } = this.#alive();
    const { orient, maxBytes } = options;
    const limit = Math.min(options.maxPixels ?? maxPixels, maxPixels);
    return decodeWith(image, { orient, maxBytes, maxPixels: limit }, (raw) => {
      // From here to the copy of the embedding nothing yields, so no other call can touch the buffers.
      const { engine, scratch, preprocess, probe } = this.#alive();
      const tower = this.#imageTower();
      const geometry = cropGeometry(raw.width, raw.height, preprocess.size, preprocess.crop);
      resampleCrop(engine.kernels, engine.memory, scratch, raw, geometry, tower.pixels);
      return this.#take(tower.encode(probe), options.normalize);
    });
  }

  /**
   * Embeds texts: an array gives an array in the same order. f32[embedDim] each. Longer texts are cut at the context
   * length, keeping the end token.
   * @throws ClipError TOKENIZER if the model came without one, TOWER_NOT_LOADED, DISPOSED; TypeError for what is no string
   */
  encodeText(text: string, options?: EncodeOptions): Promise<Float32Array>;
  encodeText(texts: readonly string[], options?: EncodeOptions): Promise<Float32Array[]>;
  async encodeText(
    input: string | readonly string[],
    options: EncodeOptions = {},
  ): Promise<Float32Array | Float32Array[]> {
    if (Array.isArray(input)) return this.encodeTokens(this.tokenize(input), options);
    const [embedding] = await this.encodeTokens(this.tokenize([input as string]), options);
    return embedding!;
  }

  /**
   * Token ids of each text: BOS ... EOT, at most the context length.
   * @throws as `encodeText`
   */
  tokenize(texts: readonly string[]): number[][] {
    const { tokenizer, text, name } = this.#alive();
    if (!text) throw towerNotLoaded('text');
    if (!tokenizer) {
      throw new ClipError('TOKENIZER', `"${name}" came without a tokenizer.json: give ids to encodeTokens instead`);
    }
    return texts.map((text) => tokenizer().encode(text));
  }

  /**
   * Embeds token ids as `tokenize` gives them (BOS ... EOT); works for a model without a tokenizer. Equal beginnings are
   * computed once, equal lists once.
   * @throws RangeError for an empty list, one longer than the context, or an id outside the vocabulary (with its place);
   *   ClipError TOWER_NOT_LOADED, DISPOSED
   */
  async encodeTokens(ids: readonly (readonly number[])[], options: EncodeOptions = {}): Promise<Float32Array[]> {
    const { text, probe } = this.#alive();
    if (!text) throw towerNotLoaded('text');
    const { config } = text;
    const ends = ids.map((row, i) => pooledLength(row, config, i));
    const sequences = ids.map((row, i) => (probe ? row : row.slice(0, ends[i])));
    const embeddings = new Array<Float32Array>(ids.length);
    let done = 0;
    for (const chunk of buildPrefixTree(sequences, TextTransformer.chunkNodes(config))) {
      options.signal?.throwIfAborted();
      await this.#inTurn(async () => {
        const { text, config, probe } = this.#alive();
        const at = text!.encode(chunk, probe);
        const stride = Math.ceil(config.embedDim / 8) * 32;
        for (const [leaf, { sequences }] of chunk.leaves.entries()) {
          const embedding = this.#take(at + leaf * stride, options.normalize);
          // Equal texts get vectors of their own, so that changing one changes no other.
          for (const [copy, i] of sequences.entries()) embeddings[i] = copy === 0 ? embedding : embedding.slice();
          done += sequences.length;
        }
      }, options.signal);
      options.onProgress?.({ done, total: ids.length });
    }
    return embeddings;
  }

  /**
   * A zero-shot classifier: every label in every template is embedded once, a label's vector is the mean of its
   * templates' (OpenAI's notebook "Prompt Engineering for ImageNet").
   * @throws RangeError for no labels; ClipError TEMPLATE; and as `encodeText`
   */
  classifier(labels: readonly string[], options: ClassifierOptions = {}): Promise<Classifier> {
    return Classifier.fromLabels(this, labels, options);
  }

  /** exp of the model's `logit_scale`: what a cosine is multiplied by before softmax. */
  get logitScale(): number {
    const { logitScale } = this.#alive();
    if (logitScale === undefined) throw towerNotLoaded('text');
    return logitScale;
  }

  /** What was loaded, and the memory plan in bytes. */
  info(): ClipInfo {
    const { name, config, engine, variant, threads, use, image, text, tokenizer } = this.#alive();
    const { vision } = config;
    return {
      model: name,
      precision: engine.arithmetic.precision,
      kernels: variant,
      threads,
      towers: [...(image ? (['image'] as const) : []), ...(text ? (['text'] as const) : [])],
      embedDim: config.embedDim,
      image: { kind: vision.kind === 'vit' ? `ViT, patch ${vision.patch}` : vision.kind, size: vision.imageSize },
      text: {
        contextLength: config.text.contextLength,
        vocabSize: config.text.vocabSize,
        tokenizer: tokenizer !== undefined,
      },
      memory: { total: engine.memory.buffer.byteLength, use },
    };
  }

  /** Lets go of the memory. Every later call throws; calls that wait reject. */
  dispose(): void {
    this.#parts?.pool?.stop();
    this.#parts = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #alive(): Parts {
    if (!this.#parts) throw new ClipError('DISPOSED', 'this model was disposed of');
    return this.#parts;
  }

  #imageTower(): VisionTransformer | EfficientNet {
    const { image } = this.#alive();
    if (!image) throw towerNotLoaded('image');
    return image;
  }

  /** Runs `work` after all earlier calls; their failures are theirs alone. */
  async #inTurn<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#alive();
    const turn = this.#queue.then(async () => {
      signal?.throwIfAborted();
      await this.#alive().pool?.ready();
      this.#alive();
      return work();
    });
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** A copy of the embedding at p, of unit length unless not wanted. */
  #take(p: number, normalize = true): Float32Array {
    const { engine, config } = this.#alive();
    if (normalize) engine.kernels.l2Normalize(p, config.embedDim);
    return engine.view(p, config.embedDim).slice();
  }
}

/** An error that is about the picture itself, with its position in the batch. */
function atPosition(error: unknown, i: number): unknown {
  const message = `image ${i}: ${(error as Error).message}`;
  if (error instanceof ClipError && error.code.startsWith('IMAGE')) {
    return new ClipError(error.code, message, { cause: error });
  }
  if (error instanceof TypeError) return new TypeError(message, { cause: error });
  return error instanceof RangeError ? new RangeError(message, { cause: error }) : error;
}

function towerNotLoaded(tower: Tower): ClipError {
  return new ClipError('TOWER_NOT_LOADED', `the ${tower} tower was not loaded: give loadClip towers: ['${tower}']`);
}

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

function checkLoadOptions(precision: unknown, towers: readonly unknown[], kernels: unknown, maxPixels: unknown): void {
  if (precision !== 'int8' && precision !== 'f32') {
    throw new RangeError(`precision must be "int8" or "f32", got ${JSON.stringify(precision)}`);
  }
  const known = (tower: unknown) => tower === 'image' || tower === 'text';
  if (!Array.isArray(towers) || towers.length === 0 || !towers.every(known) || new Set(towers).size !== towers.length) {
    throw new RangeError(`towers must name "image", "text" or both, got ${JSON.stringify(towers)}`);
  }
  if (kernels !== 'simd' && kernels !== 'relaxed') {
    throw new RangeError(`kernels must be "simd" or "relaxed", got ${JSON.stringify(kernels)}`);
  }
  if (!(typeof maxPixels === 'number' && maxPixels > 0)) {
    throw new RangeError(`maxPixels must be a positive number, got ${maxPixels}`);
  }
}

/** All addresses of a model: weights first, then what both towers share, then each tower's activations over the other's. */
function planModel(
  config: ClipConfig,
  preprocess: PreprocessConfig,
  precision: Precision,
  opened: Partial<Record<Tower, TowerFile>>,
  maxPixels: number,
  whole: boolean,
  threads: number,
) {
  const { vision, text, embedDim } = config;
  const plan = new MemoryPlan();
  const places: Partial<Record<Tower, number>> = {};
  for (const tower of ['image', 'text'] as const) {
    const file = opened[tower];
    if (file) places[tower] = plan.reserve(`${tower} weights`, file.layout.byteLength);
  }
  const widths = [text.mlpWidth, ...(vision.kind === 'vit' ? [vision.mlpWidth, vision.patch ** 2 * 3] : [vision.head])];
  const keys = Math.max(text.contextLength, vision.kind === 'vit' ? tokenCount(vision) : 0);
  const scratchBytes = roundUp(Arithmetic.scratchBytes(Math.max(...widths), keys), 64);
  const scratch = { at: plan.reserve('scratch', scratchBytes * threads), bytes: scratchBytes };
  const control = threads > 1 ? plan.reserve('threads', ThreadPool.controlBytes(threads)) : 0;
  const resample = opened.image ? plan.reserve('resize', resampleBytes({ target: preprocess.size, maxPixels })) : 0;
  const { mean } = preprocess;
  const [image, textState] = plan.overlap(
    () => (opened.image ? planImageTower(plan, precision, config, embedDim, mean, whole, threads) : undefined),
    () => (opened.text ? TextTransformer.plan(plan, precision, text, embedDim, threads) : undefined),
  );
  return { plan, places, scratch, control, resample, image, text: textState };
}

type ImageTower = (
  vision: ClipConfig['vision'],
  weights: ReturnType<TowerFile['layout']['at']>,
  engine: Engine,
) => VisionTransformer | EfficientNet;

function planImageTower(
  plan: MemoryPlan,
  precision: Precision,
  { vision }: ClipConfig,
  embedDim: number,
  mean: readonly number[],
  whole: boolean,
  threads: number,
): ImageTower {
  if (vision.kind === 'vit') {
    const state = VisionTransformer.plan(plan, precision, vision, embedDim, mean, threads);
    return (_, weights, engine) => new VisionTransformer(vision, weights, state, engine);
  }
  const state = EfficientNet.plan(plan, precision, vision, embedDim, mean, whole);
  return (_, weights, engine) => new EfficientNet(vision, weights, state, engine);
}

/**
 * The model's tokenizer, made when the first text comes: half of a picture's cold start would go into it.
 * The returned function throws ClipError TOKENIZER if `tokenizer.json` cannot be used.
 */
async function readTokenizer(
  files: ModelFiles,
  { text }: ClipConfig,
  { htmlEntities, repairs }: LoadOptions,
): Promise<(() => Tokenizer) | undefined> {
  const json = await files.text('tokenizer.json');
  if (json === undefined) return undefined;
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

/** exp(logit_scale) by our own exp, so that scores too are the same everywhere. */
function readLogitScale(engine: Engine, at: number): number {
  const kept = engine.view(at, 4).slice();
  engine.kernels.mapFunction(at, 4, 0);
  const scale = engine.view(at, 1)[0]!;
  engine.view(at, 4).set(kept);
  return scale;
}
