/** Zero-shot classification: label embeddings, made once, against a picture's. */

import {
  type ClassifierData,
  type ClassifierMaker,
  checkMaker,
  readClassifier,
  writeClassifier,
} from './classifier-file.ts';
import type { ClipInfo } from './clip-info.ts';
import type { EncodedImage, EncodeImageOptions, EncodeImagesOptions, EncodeOptions, Encoder } from './encoding.ts';
import { atPosition, ClipError } from './errors.ts';
import { type ImageInput, type TakenImage, takeImage } from './image/input.ts';
import { imageLimits } from './image/limits.ts';
import { show } from './json.ts';
import { MeanVectors } from './mean-vectors.ts';
import { checkOptions, isFloat32Array, kindOf, type OptionType } from './options.ts';
import { Ranking } from './ranking.ts';
import { yieldIfDue } from './scheduler.ts';
import { type ClassList, classPrompts, type Templates } from './text/prompts.ts';

export interface ClassifierOptions extends Pick<EncodeOptions, 'signal' | 'onProgress'> {
  /**
   * A named set (`single`, the default; `openai-7`; `openai-80`), one template, or a list; `{}` or `{label}` is replaced by
   * the label. For classes without prompts of their own.
   */
  readonly templates?: Templates | undefined;
}

export interface ClassifyOptions
  extends Pick<EncodeImageOptions, 'signal' | 'onProgress' | 'orient' | 'scaled' | 'maxBytes' | 'maxPixels'> {
  /** How many labels to return, best first. Default all. */
  readonly topK?: number | undefined;
}

/** A label's rank for a picture. */
export interface Ranked {
  readonly label: string;
  /** Position in the list of labels: equal labels differ here. */
  readonly index: number;
  /** softmax(logit scale * similarity) over all labels. */
  readonly score: number;
  /** Cosine of the two embeddings. */
  readonly similarity: number;
}

/** What is classified: a picture for the model's image tower, or an embedding of one, f32[embedDim] of any length (norm). */
export type ClassifyInput = ImageInput | Float32Array;

/** A model that a classifier sends its pictures to: a `Clip`. Without `info`, only the length of its embeddings is checked. */
export type ClassifierModel = Pick<Encoder, 'config' | 'encodeImages'> & {
  info?(): Pick<ClipInfo, 'model' | 'image'>;
};

const CLASSIFIER: Readonly<Record<keyof ClassifierOptions, OptionType>> = {
  templates: 'any',
  signal: 'signal',
  onProgress: 'function',
};
const CLASSIFY: Readonly<Record<keyof ClassifyOptions, OptionType>> = {
  topK: 'any',
  signal: 'signal',
  onProgress: 'function',
  orient: 'boolean',
  scaled: 'boolean',
  maxBytes: 'number',
  maxPixels: 'number',
};

/** Prompts that are embedded before they are averaged: many share their beginnings, and their vectors take some megabytes. */
const PROMPTS_TOGETHER = 4096;

/**
 * Labels with their embeddings. `Clip.classifier` makes one from labels, `Classifier.fromBytes` from a file.
 * @example
 * const classifier = await clip.classifier(['cat', 'dog']);
 * const [best] = await classifier.classify(await readFile('examples/cat.png'));
 * best.label; // 'cat'
 */
export class Classifier {
  readonly labels: readonly string[];
  /** exp of the model's logit scale. */
  readonly logitScale: number;
  readonly embedDim: number;
  /** Side of the pictures of the model that made it, in pixels: another `imageSize` gives other similarities. If it is known. */
  readonly imageSize: number | undefined;
  readonly #data: ClassifierData;
  readonly #model: ClassifierModel | undefined;
  #ranking: Promise<Ranking> | undefined;

  private constructor(data: ClassifierData, model?: ClassifierModel) {
    if (data?.labels === undefined) {
      throw new TypeError('new Classifier: use clip.classifier(..) or Classifier.fromBytes(..)');
    }
    this.labels = Object.freeze([...data.labels]);
    this.logitScale = data.logitScale;
    this.embedDim = data.embeddings.length / data.labels.length;
    this.imageSize = data.maker?.imageSize;
    this.#data = { ...data, labels: this.labels };
    this.#model = model;
  }

  /** See `Clip.classifier`. @internal */
  static async fromClasses(
    model: Encoder & ClassifierModel,
    classes: ClassList,
    options: ClassifierOptions,
  ): Promise<Classifier> {
    checkOptions('classifier', options, CLASSIFIER);
    const { templates, signal, onProgress } = options;
    const { labels, total, count, prompt } = classPrompts(classes, templates);
    const { logitScale } = model;
    const means = new MeanVectors(labels.length, model.config.embedDim);
    const most = labels.reduce((most, _, i) => Math.max(most, count(i)), 0);
    let done = 0;
    /** Embeds prompts k and on, while they are few enough. Its vectors are let go before the next ones come. */
    const embedFrom = async (k: number): Promise<number> => {
      const owners: number[] = [];
      const prompts: string[] = [];
      do {
        for (let i = 0; i < labels.length; i++) {
          if (k >= count(i)) continue;
          owners.push(i);
          prompts.push(prompt(i, k));
        }
        k++;
      } while (k < most && prompts.length + labels.length <= PROMPTS_TOGETHER);
      const vectors = await model.encodeText(prompts, {
        signal,
        onProgress: onProgress && ((progress) => onProgress({ done: done + progress.done, total })),
      });
      for (const [p, i] of owners.entries()) means.add(i, vectors[p]!);
      done += prompts.length;
      return k;
    };
    // Prompt after prompt of all classes, as the same template shares more beginnings than the same label does: for 1000
    // labels in 80 templates 0.03 % more tokens are computed than if all prompts were one batch (by labels, 4.4 % more).
    for (let k = 0; k < most; ) k = await embedFrom(k);
    return new Classifier({ labels, embeddings: means.unitVectors(), logitScale, maker: makerOf(model) }, model);
  }

  /**
   * A classifier from the bytes of `toBytes`, which are copied. With a model it classifies pictures (the text tower need not
   * be loaded), without one only embeddings.
   * @throws ClipError CLASSIFIER_FORMAT if the bytes are not a classifier's, damaged (any changed bit is found), of another
   *   version, or made with another model (its precision and packing do not matter); TypeError for what is not bytes or not a
   *   model
   * @example
   * const copy = Classifier.fromBytes(classifier.toBytes(), clip);
   * const [best] = await copy.classify(await readFile('examples/cat.png'));
   */
  static fromBytes(bytes: Uint8Array | ArrayBuffer, model?: ClassifierModel): Classifier {
    const view = ArrayBuffer.isView(bytes)
      ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : isArrayBuffer(bytes) && new Uint8Array(bytes);
    if (!view) throw new TypeError(`fromBytes: expected a Uint8Array or ArrayBuffer, got ${kindOf(bytes)}`);
    if (model !== undefined && typeof model?.encodeImages !== 'function') {
      throw new TypeError(`fromBytes: expected a model from loadClip, got ${kindOf(model)}`);
    }
    const data = readClassifier(view);
    if (model) checkMaker(data, makerOf(model) ?? { name: 'the model' }, model.config.embedDim);
    return new Classifier(data, model);
  }

  /**
   * A file (safetensors) with labels, embeddings and logit scale: what an edge without a text tower needs.
   * @example
   * const bytes = classifier.toBytes(); // keep them in a file
   * Classifier.fromBytes(bytes).labels.length === classifier.labels.length; // true
   */
  toBytes(): Uint8Array {
    return writeClassifier(this.#data);
  }

  /**
   * Ranks the labels for a picture or an embedding of one, best first; equal similarities by position. A list of pictures and
   * embeddings gives a list of rankings in the same order. Inputs are copied at the call.
   * @returns `topK` labels, all by default, with `score` (softmax over all labels) and `similarity` (cosine)
   * @throws RangeError for a `topK` that is not a positive integer, or an embedding of another dimension or with a number that
   *   is not finite; ClipError TOWER_NOT_LOADED for a picture if the classifier has no model; and as `Clip.encodeImage`
   * @example
   * const [best, second] = await classifier.classify(await readFile('examples/cat.png'), { topK: 2 });
   * best; // { label: 'cat', index: 0, score: 0.9…, similarity: 0.3… }
   */
  classify(image: ClassifyInput, options?: ClassifyOptions): Promise<Ranked[]>;
  classify(images: readonly ClassifyInput[], options?: ClassifyOptions): Promise<Ranked[][]>;
  classify(images: ClassifyInput | readonly ClassifyInput[], options?: ClassifyOptions): Promise<Ranked[] | Ranked[][]>;
  async classify(
    input: ClassifyInput | readonly ClassifyInput[],
    options: ClassifyOptions = {},
  ): Promise<Ranked[] | Ranked[][]> {
    checkOptions('classify', options, CLASSIFY, 'for several pictures pass a list: classify([a, b])');
    const { topK = this.#data.labels.length, onProgress, ...encodeOptions } = options;
    if (!Number.isInteger(topK) || topK < 1) throw new RangeError(`topK must be a positive integer, got ${show(topK)}`);
    const { signal } = options;
    signal?.throwIfAborted();
    const { maxBytes } = imageLimits(options);
    checkNotNumbers(input);
    const list = Array.isArray(input);
    const position = (i: number, error: unknown) => (list ? atPosition('image', i, error) : error);
    const taken = Array.from(list ? input : [input], (one: ClassifyInput, i) => {
      try {
        checkNotNumbers(one);
        return isFloat32Array(one) ? this.#checkEmbedding(one) : takeImage(one, maxBytes);
      } catch (error) {
        throw position(i, error);
      }
    });
    const pictures = taken.filter((one): one is TakenImage => !isFloat32Array(one));
    const encoded = pictures.length > 0 ? this.#encode(pictures, encodeOptions) : undefined;
    const ranked: Ranked[][] = [];
    try {
      for (const [i, one] of taken.entries()) {
        let embedding: Float32Array | undefined;
        if (isFloat32Array(one)) {
          embedding = one;
        } else {
          const { value } = await encoded!.next();
          embedding = value.embedding;
          if (!embedding) throw position(i, value.error);
        }
        await yieldIfDue(signal);
        ranked.push(await this.#rank(embedding!, topK));
        await onProgress?.({ done: ranked.length, total: taken.length });
      }
    } finally {
      await encoded?.return?.();
    }
    return list ? ranked : ranked[0]!;
  }

  /** A copy of an embedding that fits. */
  #checkEmbedding(embedding: Float32Array): Float32Array {
    if (embedding.length !== this.embedDim) {
      throw new RangeError(`expected an embedding of ${this.embedDim} numbers, got ${embedding.length}`);
    }
    if (!embedding.every(Number.isFinite)) throw new RangeError('the embedding holds a number that is not finite');
    return Float32Array.from(embedding);
  }

  /** The pictures' embeddings, one by one. */
  #encode(pictures: readonly TakenImage[], options: EncodeImagesOptions): AsyncIterator<EncodedImage> {
    if (!this.#model) {
      throw new ClipError(
        'TOWER_NOT_LOADED',
        'this classifier has no model: give fromBytes one, or classify embeddings',
      );
    }
    const items = pictures as readonly unknown[] as readonly ImageInput[]; // what was taken is accepted, and not copied again
    return this.#model.encodeImages(items, options)[Symbol.asyncIterator]();
  }

  async #rank(embedding: Float32Array, topK: number): Promise<Ranked[]> {
    this.#ranking ??= this.#makeRanking().catch((error) => {
      this.#ranking = undefined; // the next call tries again
      throw error;
    });
    const ranking = await this.#ranking;
    const similarities = ranking.similarities(embedding);
    const scores = ranking.softmax(similarities, this.#data.logitScale);
    return Array.from(this.#data.labels, (label, index) => ({
      label,
      index,
      score: scores[index]!,
      similarity: similarities[index]!,
    }))
      .sort((a, b) => b.similarity - a.similarity || a.index - b.index)
      .slice(0, topK);
  }

  async #makeRanking(): Promise<Ranking> {
    const { embedDim } = this;
    const { length } = this.#data.labels;
    const ranking = await Ranking.create(length, embedDim);
    for (let i = 0; i < length; i++) {
      ranking.setRow(i, this.#data.embeddings.subarray(i * embedDim, (i + 1) * embedDim));
    }
    return ranking;
  }
}

/** @throws TypeError for an embedding that is not a Float32Array, e.g. one that was kept as JSON */
function checkNotNumbers(input: unknown): void {
  const isNumbers = Array.isArray(input) && typeof input[0] === 'number';
  if (!isNumbers && !(ArrayBuffer.isView(input) && /^a Float(16|64)Array$/.test(kindOf(input)))) return;
  const what = isNumbers ? 'an array of numbers' : kindOf(input);
  throw new TypeError(`classify: got ${what}: for an embedding pass Float32Array.from(numbers)`);
}

/** A folder's name without the path to it: a file's bytes do not depend on where the model lies. */
function makerOf(model: ClassifierModel): ClassifierMaker | undefined {
  const info = model.info?.();
  if (info === undefined) return undefined;
  return {
    name: /[^\\/]+(?=[\\/]*$)/.exec(info.model)?.[0] ?? info.model,
    imageTower: info.image?.fingerprint,
    imageSize: info.image?.size,
  };
}

function isArrayBuffer(value: unknown): value is ArrayBuffer {
  return /^\[object (Shared)?ArrayBuffer\]$/.test(Object.prototype.toString.call(value));
}
