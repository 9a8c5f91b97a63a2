/** The public model: embeds pictures and texts, makes classifiers. */

import { Classifier, type ClassifierOptions } from './classifier.ts';
import type {
  EncodedImage,
  EncodeImageOptions,
  EncodeImagesOptions,
  EncodeOptions,
  ImageItem,
  SettledImageOptions,
} from './encoding.ts';
import type { Precision } from './engine/arithmetic.ts';
import type { Engine, Probe } from './engine/engine.ts';
import type { KernelVariant, Pointer } from './engine/kernels.ts';
import type { MemoryUse } from './engine/memory.ts';
import type { ThreadPool } from './engine/threads/pool.ts';
import { atPosition, ClipError } from './errors.ts';
import { decodeWith } from './image/decode.ts';
import { cropGeometry } from './image/geometry.ts';
import { type ImageInput, TakenImage, takeImage } from './image/input.ts';
import { type ImageLimits, imageLimits } from './image/limits.ts';
import type { PreprocessConfig } from './image/preprocess-config.ts';
import { resampleCrop } from './image/resample.ts';
import type { ImageBatch } from './image-batch.ts';
import { Lookahead } from './lookahead.ts';
import type { ClipConfig, Tower } from './model/config.ts';
import { imageTower } from './model/registry.ts';
import { TextTransformer } from './model/text-transformer.ts';
import { checkOptions, kindOf, type OptionType } from './options.ts';
import { prefixChunks } from './prefix-chunks.ts';
import { Scheduler, yieldIfDue } from './scheduler.ts';
import { pooledLength } from './text/end-token.ts';
import type { ClassList } from './text/prompts.ts';
import type { Tokenizer } from './text/tokenizer.ts';

/** What `Clip.info` reports; sizes in bytes. */
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
  /** What was assumed while loading because the model's files do not say it. */
  readonly warnings: readonly string[];
}

/** What `loadClip` hands to the constructor. @internal */
export interface Parts {
  readonly name: string;
  readonly config: ClipConfig;
  readonly preprocess: PreprocessConfig;
  readonly engine: Engine;
  readonly variant: KernelVariant;
  readonly threads: ClipInfo['threads'];
  readonly pool?: ThreadPool;
  readonly use: MemoryUse;
  readonly maxPixels: number;
  /** Where the resize works. */
  readonly scratch: Pointer;
  readonly images?: ImageBatch;
  readonly text?: TextTransformer;
  readonly tokenizer?: () => Tokenizer;
  readonly logitScale?: number;
  readonly probe?: Probe;
  readonly warnings: readonly string[];
}

const ENCODE: Readonly<Record<keyof EncodeOptions, OptionType>> = {
  normalize: 'boolean',
  signal: 'signal',
  onProgress: 'function',
};
const ENCODE_IMAGES: Readonly<Record<keyof EncodeImagesOptions, OptionType>> = {
  normalize: 'boolean',
  signal: 'signal',
  orient: 'boolean',
  maxBytes: 'number',
  maxPixels: 'number',
};
const ENCODE_IMAGE: Readonly<Record<keyof EncodeImageOptions, OptionType>> = {
  ...ENCODE_IMAGES,
  onProgress: 'function',
  settled: 'boolean',
};

/** Pictures that are read ahead, for each that is computed at once. */
const READ_AHEAD = 2;
/** Texts that are tokenized without a look at the clock. */
const TEXTS_A_LOOK = 16;

/**
 * A CLIP model: `loadClip` makes one. Calls may overlap: they are computed one picture or chunk of texts after the other,
 * each result has the bits of its lone run, and a call that fails disturbs no other. While calls are computed the event
 * loop turns every few milliseconds, so timers, sockets and abort signals work. Inputs are copied at the call: what the
 * caller changes afterwards makes no difference.
 * @example
 * import { readFile } from 'node:fs/promises';
 * import { loadClip } from 'edgeclip';
 * using clip = await loadClip();
 * const image = await clip.encodeImage(await readFile('examples/cat.png'));
 * const text = await clip.encodeText('a photo of a cat');
 */
export class Clip {
  readonly config: ClipConfig;
  /** How pictures are prepared: pass it to `preprocess` to see what the tower sees. */
  readonly preprocess: PreprocessConfig;
  #parts: Parts | undefined;
  readonly #scheduler = new Scheduler();

  /** @internal */
  constructor(parts: Parts) {
    this.config = parts.config;
    this.preprocess = parts.preprocess;
    this.#parts = parts;
  }

  /**
   * Embeds a picture, or a list of pictures in the same order: f32[embedDim] each, of length 1 unless `normalize: false`.
   * Bytes and pixels are copied at the call; a `Blob`, `Response` or stream is read when its turn comes. For more pictures
   * than fit into memory use `encodeImages`.
   * @throws ClipError IMAGE_* for a bad picture (in a list, the message begins with its position), IO if it cannot be read,
   *   UNSUPPORTED if its decoder is missing, WORKER if a thread died with it, TOWER_NOT_LOADED, DISPOSED; TypeError for what
   *   is not a picture or not an option; RangeError for raw pixels that do not fit their sides; the signal's reason if
   *   aborted. With `settled: true` what is wrong with a picture is in its own result: only aborting, disposing and wrong
   *   options reject.
   * @example
   * const photo = await readFile('examples/cat.png');
   * const embedding = await clip.encodeImage(photo); // Float32Array(384)
   * const [first, second] = await clip.encodeImage([photo, photo]);
   * const results = await clip.encodeImage([photo, new Uint8Array(9)], { settled: true });
   * results.map(({ status }) => status); // ['fulfilled', 'rejected']
   */
  encodeImage(image: ImageInput, options?: EncodeImageOptions): Promise<Float32Array>;
  encodeImage(images: readonly ImageInput[], options?: EncodeImageOptions): Promise<Float32Array[]>;
  encodeImage(image: ImageInput, options: SettledImageOptions): Promise<PromiseSettledResult<Float32Array>>;
  encodeImage(
    images: readonly ImageInput[],
    options: SettledImageOptions,
  ): Promise<PromiseSettledResult<Float32Array>[]>;
  encodeImage(
    images: ImageInput | readonly ImageInput[],
    options?: EncodeImageOptions,
  ): Promise<Float32Array | Float32Array[]>;
  async encodeImage(
    input: ImageInput | readonly ImageInput[],
    options: EncodeImageOptions | SettledImageOptions = {},
  ): Promise<
    Float32Array | PromiseSettledResult<Float32Array> | (Float32Array | PromiseSettledResult<Float32Array>)[]
  > {
    checkOptions('encodeImage', options, ENCODE_IMAGE);
    this.#images();
    const { settled = false, onProgress, ...each } = options;
    const { maxBytes } = imageLimits(options);
    const list = Array.isArray(input);
    const images: readonly ImageInput[] = list ? input : [input as ImageInput];
    const position = (i: number, error: unknown) => (list && !settled ? atPosition('image', i, error) : error);
    const taken = Array.from(images, (image, i) => {
      try {
        return takeImage(image, maxBytes);
      } catch (error) {
        if (!settled) throw position(i, error);
        return { error };
      }
    });
    const open = (item: TakenImage | { error: unknown }) => {
      if (item instanceof TakenImage) return item;
      throw item.error;
    };
    const results: (Float32Array | PromiseSettledResult<Float32Array>)[] = [];
    try {
      for await (const { index, embedding, error } of this.#encodeEach(taken, open, each, taken.length)) {
        if (!embedding && !settled) throw position(index, error);
        if (!settled) results.push(embedding!);
        else if (embedding) results.push({ status: 'fulfilled', value: embedding });
        else results.push({ status: 'rejected', reason: error });
        await onProgress?.({ done: results.length, total: taken.length });
      }
    } catch (error) {
      if (!settled || !(error instanceof ClipError) || error.code !== 'WORKER') throw error;
      // The threads do not come back: what is done is kept.
      while (results.length < taken.length) results.push({ status: 'rejected', reason: error });
    }
    return list ? results : results[0]!;
  }

  /**
   * Embeds pictures as they come from an iterable or async iterable, and gives each result in order: a million files need
   * the memory of a few. An item may also be a function that gets the picture, called when its turn is near: at most twice
   * as many pictures as there are threads are held. A picture that fails has an `error` (that of its function, too), and the
   * others go on. Leaving the loop early ends the source as well (`return` of its iterator).
   * @throws (from the loop) what the source itself throws, after the results of all items before it; ClipError DISPOSED;
   *   the signal's reason; (at the call) TypeError for what is not iterable or not an option, ClipError TOWER_NOT_LOADED
   * @example
   * const paths = ['examples/cat.png', 'no-such-file.png'];
   * for await (const { index, embedding, error } of clip.encodeImages(paths.map((path) => () => readFile(path)))) {
   *   if (embedding) console.log(paths[index], embedding.length);
   *   else console.error(paths[index], error);
   * }
   */
  encodeImages(
    images: Iterable<ImageItem> | AsyncIterable<ImageItem>,
    options: EncodeImagesOptions = {},
  ): AsyncGenerator<EncodedImage, void, undefined> {
    checkOptions('encodeImages', options, ENCODE_IMAGES);
    checkImageSource(images);
    this.#images();
    const { maxBytes } = imageLimits(options);
    const take = (image: ImageInput) => (image instanceof TakenImage ? image : takeImage(image, maxBytes));
    const open = (item: ImageItem) => {
      const image = typeof item === 'function' ? item() : item;
      // What is there is copied before the source goes on, which may use its buffer again.
      return isThenable(image) ? image.then(take) : take(image);
    };
    return this.#encodeEach(images, open, options);
  }

  async *#encodeEach<I>(
    source: Iterable<I> | AsyncIterable<I>,
    open: (item: I) => TakenImage | PromiseLike<TakenImage>,
    options: EncodeImagesOptions,
    total = Number.POSITIVE_INFINITY,
  ): AsyncGenerator<EncodedImage, void, undefined> {
    const { signal } = options;
    const limits = this.#limits(options);
    const { slots } = this.#images();
    const ahead = new Lookahead(source, READ_AHEAD * slots, async (item: I) =>
      readBytes(await open(item), limits, signal),
    );
    try {
      for (let index = 0; ; ) {
        const wanted = this.#images().next(Math.min(slots, total - index), index === 0);
        const some = await ahead.take(wanted, signal);
        if (some.length === 0) return;
        while (some.length > 0) {
          const group = some.splice(0, this.#images().next(some.length, index === 0));
          for (const outcome of await this.#run(() => this.#encodeGroup(group, options), signal)) {
            if (outcome.status === 'fulfilled') yield { index: index++, embedding: outcome.value };
            else yield { index: index++, error: outcome.reason };
          }
        }
      }
    } finally {
      await ahead.close();
    }
  }

  /** Pictures that are computed together: each has its own result. */
  async #encodeGroup(
    group: readonly PromiseSettledResult<TakenImage>[],
    options: EncodeImagesOptions,
  ): Promise<PromiseSettledResult<Float32Array>[]> {
    const outcomes: PromiseSettledResult<Float32Array>[] = [];
    const prepared: number[] = [];
    for (const [i, picture] of group.entries()) {
      if (picture.status === 'rejected') {
        outcomes[i] = picture;
        continue;
      }
      await yieldIfDue(options.signal);
      try {
        await this.#prepare(picture.value, this.#images().pixels(prepared.length), options);
        prepared.push(i);
      } catch (reason) {
        this.#alive(); // that it was disposed of is not the picture's own failure
        outcomes[i] = { status: 'rejected', reason };
      }
    }
    await yieldIfDue(options.signal);
    const images = this.#images();
    if (prepared.length === 0) return outcomes;
    try {
      for (const [slot, embedding] of images.encode(prepared.length).entries()) {
        outcomes[prepared[slot]!] =
          embedding === undefined
            ? { status: 'rejected', reason: lost() }
            : { status: 'fulfilled', value: this.#take(embedding, options.normalize) };
      }
    } catch (error) {
      const reason = error instanceof ClipError && error.code === 'WORKER' ? lost(error) : error;
      for (const i of prepared) outcomes[i] = { status: 'rejected', reason };
    }
    return outcomes;
  }

  /** Decodes, resizes and crops a picture to RGB bytes at `pixels`. */
  async #prepare(image: TakenImage, pixels: Pointer, options: EncodeImagesOptions): Promise<void> {
    await decodeWith(image, { orient: options.orient, ...this.#limits(options) }, (raw) => {
      const { engine, scratch, preprocess } = this.#alive();
      const geometry = cropGeometry(raw.width, raw.height, preprocess.size, preprocess.crop);
      resampleCrop(engine.kernels, engine.memory, scratch, raw, geometry, pixels);
    });
  }

  /** The call's limits, which cannot exceed those of loading. */
  #limits(options: EncodeImagesOptions): ImageLimits {
    const loaded = this.#alive().maxPixels;
    const { maxPixels, maxBytes } = imageLimits({ ...options, maxPixels: options.maxPixels ?? loaded });
    return { maxPixels: Math.min(maxPixels, loaded), maxBytes };
  }

  /**
   * Embeds a text, or a list of texts in the same order: f32[embedDim] each, of length 1 unless `normalize: false`. Longer
   * texts are cut at the context length, keeping the end token. The list is copied at the call.
   * @throws ClipError TOKENIZER if the model came without one, TOWER_NOT_LOADED, DISPOSED; TypeError for what is not a
   *   string or not an option; the signal's reason if aborted
   * @example
   * const cat = await clip.encodeText('a photo of a cat'); // Float32Array(384)
   * const [dog, fox] = await clip.encodeText(['a photo of a dog', 'a photo of a fox']);
   */
  encodeText(text: string, options?: EncodeOptions): Promise<Float32Array>;
  encodeText(texts: readonly string[], options?: EncodeOptions): Promise<Float32Array[]>;
  encodeText(texts: string | readonly string[], options?: EncodeOptions): Promise<Float32Array | Float32Array[]>;
  async encodeText(
    input: string | readonly string[],
    options: EncodeOptions = {},
  ): Promise<Float32Array | Float32Array[]> {
    checkOptions('encodeText', options, ENCODE);
    const tokenizer = this.#tokenizer();
    const list = Array.isArray(input);
    if (!list && typeof input !== 'string') {
      throw new TypeError(`encodeText: expected a string or an array of strings, got ${kindOf(input)}`);
    }
    const texts = checkTexts(list ? input : [input as string]);
    const rows: number[][] = [];
    for (const [i, text] of texts.entries()) {
      if (i % TEXTS_A_LOOK === 0) await yieldIfDue(options.signal);
      rows.push(tokenizer.encode(text));
    }
    const embeddings = await this.#encodeRows(rows, options);
    return list ? embeddings : embeddings[0]!;
  }

  /**
   * Token ids of each text: BOS ... EOT, at most the context length.
   * @throws ClipError TOKENIZER if the model came without one, TOWER_NOT_LOADED, DISPOSED; TypeError for what is not an
   *   array of strings
   * @example
   * const [ids] = clip.tokenize(['a photo of a cat']); // [BOS, ..., EOT]
   */
  tokenize(texts: readonly string[]): number[][] {
    const tokenizer = this.#tokenizer();
    if (!Array.isArray(texts)) {
      const advice = typeof texts === 'string' ? `: pass [${JSON.stringify(texts).slice(0, 60)}]` : '';
      throw new TypeError(`tokenize: expected an array of strings, got ${kindOf(texts)}${advice}`);
    }
    return checkTexts(texts).map((text) => tokenizer.encode(text));
  }

  /**
   * Embeds token ids as `tokenize` gives them (BOS ... EOT); works for a model without a tokenizer. Equal beginnings are
   * computed once, equal lists once. The lists are copied at the call.
   * @returns f32[embedDim] each, of length 1 unless `normalize: false`
   * @throws RangeError for an empty list, one longer than the context, or an id outside the vocabulary (with its place);
   *   TypeError for what is not an array of arrays; ClipError TOWER_NOT_LOADED, DISPOSED; the signal's reason if aborted
   * @example
   * const [embedding] = await clip.encodeTokens(clip.tokenize(['a photo of a cat']));
   */
  async encodeTokens(ids: readonly (readonly number[])[], options: EncodeOptions = {}): Promise<Float32Array[]> {
    checkOptions('encodeTokens', options, ENCODE);
    this.#text();
    if (!Array.isArray(ids)) {
      throw new TypeError(`encodeTokens: expected an array of arrays of token ids, got ${kindOf(ids)}`);
    }
    return this.#encodeRows(Array.from(ids, (row) => (Array.isArray(row) ? Array.from(row) : row)), options); // biome-ignore format: one line
  }

  /** The rows are this call's own. */
  async #encodeRows(rows: readonly (readonly number[])[], options: EncodeOptions): Promise<Float32Array[]> {
    const { signal, onProgress, normalize } = options;
    signal?.throwIfAborted();
    const { config } = this.#text();
    const { probe } = this.#alive();
    const sequences: (readonly number[])[] = [];
    for (const [i, row] of rows.entries()) {
      if (i % TEXTS_A_LOOK === TEXTS_A_LOOK - 1) await yieldIfDue(signal);
      const length = pooledLength(row, config, i);
      sequences.push(probe ? row : row.slice(0, length));
    }
    const embeddings = new Array<Float32Array>(rows.length);
    let done = 0;
    for await (const chunk of prefixChunks(sequences, TextTransformer.chunkNodes(config), signal)) {
      await this.#run(async () => {
        const text = this.#text();
        const first = text.encode(chunk, probe ? 'tokens' : 'pooled', probe);
        for (const [leaf, { sequences }] of chunk.leaves.entries()) {
          const embedding = this.#take(first + leaf * text.embeddingBytes, normalize);
          // Equal texts get vectors of their own, so that changing one changes no other.
          for (const [copy, i] of sequences.entries()) embeddings[i] = copy === 0 ? embedding : embedding.slice();
          done += sequences.length;
        }
      }, signal);
      await onProgress?.({ done, total: rows.length });
    }
    return embeddings;
  }

  /**
   * A zero-shot classifier. Labels are put into templates; or classes bring prompts of their own, as an object by label or,
   * where order and repeated labels matter, as `[{ label, prompts }]`. Every prompt is embedded once, and a label's vector is
   * the mean of its prompts' (OpenAI's notebook "Prompt Engineering for ImageNet"). Memory grows with the labels, not with
   * the prompts. The classes are copied at the call.
   * @throws RangeError for no labels or prompts; TypeError for what is not a label, class or option; ClipError TEMPLATE; and
   *   as `encodeText`
   * @example
   * const animals = await clip.classifier(['cat', 'dog'], { templates: 'openai-7' });
   * const pets = await clip.classifier({ cat: ['a photo of a cat', 'a small furry animal with whiskers'], dog: ['a dog'] });
   * const [best] = await animals.classify(await readFile('examples/cat.png'));
   * best.label; // 'cat'
   */
  async classifier(classes: ClassList, options: ClassifierOptions = {}): Promise<Classifier> {
    this.#tokenizer();
    return Classifier.fromClasses(this, classes, options);
  }

  /**
   * exp of the model's `logit_scale`: what a cosine is multiplied by before softmax (Radford et al. 2021, section 2.3).
   * @throws ClipError TOWER_NOT_LOADED without the text tower, DISPOSED
   */
  get logitScale(): number {
    const { logitScale } = this.#alive();
    if (logitScale === undefined) throw towerNotLoaded('text');
    return logitScale;
  }

  /**
   * What was loaded, and the memory plan in bytes.
   * @throws ClipError DISPOSED
   * @example
   * const { towers, embedDim } = clip.info();
   * towers; // ['image', 'text']
   * embedDim; // 384
   */
  info(): ClipInfo {
    const { name, config, engine, variant, threads, use, images, text, tokenizer, warnings } = this.#alive();
    const { vision } = config;
    return {
      model: name,
      precision: engine.arithmetic.precision,
      kernels: variant,
      threads,
      towers: [...(images ? (['image'] as const) : []), ...(text ? (['text'] as const) : [])],
      embedDim: config.embedDim,
      image: { kind: imageTower(config).description, size: vision.imageSize },
      text: {
        contextLength: config.text.contextLength,
        vocabSize: config.text.vocabSize,
        tokenizer: tokenizer !== undefined,
      },
      memory: { total: engine.memory.buffer.byteLength, use },
      warnings,
    };
  }

  /** Releases the memory and stops the threads. Every later call throws; calls that wait reject with ClipError DISPOSED. */
  dispose(): void {
    this.#parts?.pool?.stop();
    this.#parts = undefined;
  }

  /** `using clip = await loadClip()` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #alive(): Parts {
    if (!this.#parts) throw new ClipError('DISPOSED', 'this model was disposed of');
    return this.#parts;
  }

  #images(): ImageBatch {
    const { images } = this.#alive();
    if (!images) throw towerNotLoaded('image');
    return images;
  }

  #text(): TextTransformer {
    const { text } = this.#alive();
    if (!text) throw towerNotLoaded('text');
    return text;
  }

  #tokenizer(): Tokenizer {
    this.#text();
    const { tokenizer, name } = this.#alive();
    if (!tokenizer) {
      throw new ClipError('TOKENIZER', `"${name}" came without a tokenizer.json: give ids to encodeTokens instead`);
    }
    return tokenizer();
  }

  /** Runs work on the model's memory when its turn comes. */
  #run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#scheduler.run(async () => {
      await this.#alive().pool?.ready();
      this.#alive();
      return work();
    }, signal);
  }

  /** A copy of the embedding at p, of unit length unless not wanted. */
  #take(p: Pointer, normalize = true): Float32Array {
    const { engine, config } = this.#alive();
    if (normalize) engine.kernels.l2Normalize({ x: p, n: config.embedDim });
    return engine.view(p, config.embedDim).slice();
  }
}

/** A copy of the list. @throws TypeError for what is not a string, with its position */
function checkTexts(texts: readonly string[]): string[] {
  return Array.from(texts, (text, i) => {
    if (typeof text !== 'string') throw new TypeError(`text ${i} must be a string, got ${kindOf(text)}`);
    return text;
  });
}

/** @throws TypeError unless pictures can come from it: a string and the bytes of one picture are iterable too */
function checkImageSource(images: unknown): void {
  const isOne = typeof images === 'string' || ArrayBuffer.isView(images);
  const isSource =
    Object(images) === images && (Symbol.iterator in (images as object) || Symbol.asyncIterator in (images as object));
  if (isOne || !isSource) {
    throw new TypeError(
      `encodeImages: expected an iterable of pictures, got ${kindOf(images)}: for one picture use encodeImage`,
    );
  }
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null | undefined)?.then === 'function';
}

/** The picture in memory: files that are elsewhere are read before the model is occupied. */
async function readBytes(image: TakenImage, limits: ImageLimits, signal?: AbortSignal): Promise<TakenImage> {
  return image.read ? new TakenImage({ bytes: await image.read(limits, signal) }) : image;
}

/** What became of a picture whose worker died; the next call starts new workers. */
function lost(cause?: ClipError): ClipError {
  const why = cause === undefined ? 'with a worker thread that died' : `(${cause.message})`;
  return new ClipError('WORKER', `the embedding was lost ${why}`, { cause });
}

function towerNotLoaded(tower: Tower): ClipError {
  return new ClipError('TOWER_NOT_LOADED', `the ${tower} tower was not loaded: give loadClip towers: ['${tower}']`);
}
