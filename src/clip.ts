/** The public model: embed pictures and texts, make classifiers. */

import { Classifier, type ClassifierOptions } from './classifier.ts';
import type { Precision } from './engine/arithmetic.ts';
import type { Engine, Probe } from './engine/engine.ts';
import type { KernelVariant, Pointer } from './engine/kernels.ts';
import type { MemoryUse } from './engine/memory.ts';
import type { ThreadPool } from './engine/threads/pool.ts';
import { ClipError } from './errors.ts';
import { type DecodeOptions, decodeWith, type ImageInput } from './image/decode.ts';
import { cropGeometry } from './image/geometry.ts';
import type { PreprocessConfig } from './image/preprocess-config.ts';
import { resampleCrop } from './image/resample.ts';
import type { ClipConfig, Tower } from './model/config.ts';
import type { ImagePrograms } from './model/image-programs.ts';
import { imageTower } from './model/registry.ts';
import { TextTransformer } from './model/text-transformer.ts';
import type { ImageEncoder } from './model/tower.ts';
import { pooledLength } from './text/end-token.ts';
import { buildPrefixTree } from './text/prefix-tree.ts';
import type { Tokenizer } from './text/tokenizer.ts';

export interface EncodeOptions {
  /** Divide each embedding by its length. Default true. */
  normalize?: boolean;
  /** Stops a batch between two pictures or chunks of texts; what the promise was to give is then lost. */
  signal?: AbortSignal;
  /** Called after each picture, or chunk of texts: how many are done, of how many. */
  onProgress?: (progress: { done: number; total: number }) => void;
}

export interface EncodeImageOptions extends EncodeOptions, Pick<DecodeOptions, 'orient' | 'maxBytes' | 'maxPixels'> {}

/** What `info` reports; sizes in bytes. */
export interface ClipInfo {
  readonly model: string;
  readonly precision: Precision;
  readonly kernels: KernelVariant;
  /** How many threads compute, and why not more if more were asked for. */
  readonly threads: { readonly count: number; readonly reason?: string };
  readonly towers: readonly Tower[];
  readonly embedDim: number;
  /** Absent if the model has no image tower. */
  readonly image?: { readonly kind: string; readonly size: number };
  /** Absent if the model has no text tower. */
  readonly text?: { readonly contextLength: number; readonly vocabSize: number; readonly tokenizer: boolean };
  readonly memory: { readonly total: number; readonly use: MemoryUse };
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
  readonly programs?: ImagePrograms;
  readonly use: MemoryUse;
  readonly maxPixels: number;
  readonly scratch: number;
  readonly image?: ImageEncoder;
  readonly text?: TextTransformer;
  readonly tokenizer?: () => Tokenizer;
  readonly logitScale?: number;
  readonly probe?: Probe;
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
    while (embeddings.length < images.length) {
      options.signal?.throwIfAborted();
      const first = embeddings.length;
      const some = images.slice(first, first + this.#together(images.length - first, first === 0));
      const position = (i: number, error: unknown) => (Array.isArray(input) ? atPosition(error, first + i) : error);
      for (const embedding of await this.#inTurn(() => this.#encodeSome(some, options, position), options.signal)) {
        embeddings.push(embedding);
        options.onProgress?.({ done: embeddings.length, total: images.length });
      }
    }
    return Array.isArray(input) ? embeddings : embeddings[0]!;
  }

  /**
   * How many of n pictures to compute next: one to a thread while there are pictures for most of the threads, else one on
   * all threads (bench/README.md has both). While the tile's form is being tried, the first picture of a call is alone, as
   * products are timed only there.
   */
  #together(n: number, first: boolean): number {
    const { programs, engine } = this.#alive();
    const seats = programs && !(first && !engine.arithmetic.autotuner.settled) ? programs.size : 1;
    return n > seats / 2 ? Math.min(n, seats) : 1;
  }

  async #encodeSome(
    images: readonly ImageInput[],
    options: EncodeImageOptions,
    position: (i: number, error: unknown) => unknown,
  ): Promise<Float32Array[]> {
    const { programs } = this.#alive();
    for (const [i, image] of images.entries()) {
      await this.#prepare(image, programs?.pixels(i) ?? this.#imageTower().pixels, options).catch((error) => {
        throw position(i, error);
      });
    }
    const { engine, pool, probe } = this.#alive();
    const tower = this.#imageTower();
    const { settled, variant } = engine.arithmetic.autotuner;
    const known = images.length > 1 || settled; // one picture's products are timed by the caller's thread
    const at =
      programs && known
        ? programs.encode(pool!, images.length, variant)
        : [tower.encode(probe ? 'tokens' : 'pooled', probe)];
    return at.map((embedding, i) => {
      if (embedding === undefined) throw position(i, new ClipError('WORKER', 'lost with a worker thread that died'));
      return this.#take(embedding, options.normalize);
    });
  }

  /** Decodes, resizes and crops a picture to RGB bytes at `pixels`. */
  async #prepare(image: ImageInput, pixels: Pointer, options: EncodeImageOptions): Promise<void> {
    const { maxPixels } = this.#alive();
    const { orient, maxBytes } = options;
    const limit = Math.min(options.maxPixels ?? maxPixels, maxPixels);
    await decodeWith(image, { orient, maxBytes, maxPixels: limit }, (raw) => {
      const { engine, scratch, preprocess } = this.#alive();
      const geometry = cropGeometry(raw.width, raw.height, preprocess.size, preprocess.crop);
      resampleCrop(engine.kernels, engine.memory, scratch, raw, geometry, pixels);
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
        const at = text!.encode(chunk, probe ? 'tokens' : 'pooled', probe);
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
    const { vision, text: texts } = config;
    return {
      model: name,
      precision: engine.arithmetic.precision,
      kernels: variant,
      threads,
      towers: [...(image ? (['image'] as const) : []), ...(text ? (['text'] as const) : [])],
      embedDim: config.embedDim,
      ...(vision && { image: { kind: imageTower(config).description, size: vision.imageSize } }),
      ...(texts && {
        text: {
          contextLength: texts.contextLength,
          vocabSize: texts.vocabSize,
          tokenizer: tokenizer !== undefined,
        },
      }),
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

  #imageTower(): ImageEncoder {
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
    if (normalize) engine.kernels.l2Normalize({ x: p, n: config.embedDim });
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
