/** The public model: embeds pictures and texts, makes classifiers. */

import type { Backend } from './backend.ts';
import { Classifier, type ClassifierOptions } from './classifier.ts';
import type { ClipInfo } from './clip-info.ts';
import type {
  AnyImageOptions,
  EncodedImage,
  EncodeImageOptions,
  EncodeImagesOptions,
  EncodeOptions,
  EncodeTextOptions,
  ImageItem,
  SettledImageOptions,
} from './encoding.ts';
import { atPosition, ClipError } from './errors.ts';
import { deepFreeze } from './freeze.ts';
import { checkImageIterable } from './image/image-iterable.ts';
import { type ImageInput, TakenImage, takeImage } from './image/input.ts';
import { imageLimits } from './image/limits.ts';
import type { PreprocessConfig } from './image/preprocess-config.ts';
import type { ClipConfig } from './model/config.ts';
import { checkOptions, kindOf, type OptionType } from './options.ts';
import type { ClassList } from './text/prompts.ts';
import { copyTokenIds, type TokenIds } from './text/token-ids.ts';

const ENCODE: Readonly<Record<keyof EncodeOptions, OptionType>> = {
  normalize: 'boolean',
  signal: 'signal',
  onProgress: 'function',
};
const ENCODE_TEXT: Readonly<Record<keyof EncodeTextOptions, OptionType>> = { ...ENCODE, onTokens: 'function' };
const ENCODE_IMAGES: Readonly<Record<keyof EncodeImagesOptions, OptionType>> = {
  normalize: 'boolean',
  signal: 'signal',
  orient: 'boolean',
  scaled: 'boolean',
  maxBytes: 'number',
  maxPixels: 'number',
};
const ENCODE_IMAGE: Readonly<Record<keyof EncodeImageOptions, OptionType>> = {
  ...ENCODE_IMAGES,
  onProgress: 'function',
  settled: 'boolean',
};

/**
 * A CLIP model: `loadClip` makes one. Calls may overlap: they are computed one picture or chunk of texts after the other,
 * each result has the bits of its lone run, and a call that fails disturbs no other. While calls are computed the event
 * loop turns every few milliseconds, so timers, sockets and abort signals work. Inputs are copied at the call: what the
 * caller changes afterwards makes no difference.
 * @example
 * import { readFile } from 'node:fs/promises';
 * import { loadClip } from 'edgeclip';
 * const clip = await loadClip();
 * const image = await clip.encodeImage(await readFile('examples/cat.png'));
 * const text = await clip.encodeText('a photo of a cat');
 * clip.dispose();
 */
export class Clip {
  readonly config: ClipConfig;
  /** How pictures are prepared: pass it to `preprocess` to see what the tower sees. */
  readonly preprocess: PreprocessConfig;
  readonly #backend: Backend;

  private constructor(backend: Backend) {
    if (backend?.need === undefined) throw new TypeError('new Clip: models are made by loadClip(), not by hand');
    this.config = deepFreeze(backend.config);
    this.preprocess = deepFreeze(backend.preprocess);
    this.#backend = backend;
  }

  /** For `loadClip`. @internal */
  static fromBackend(backend: Backend): Clip {
    return new Clip(backend);
  }

  /**
   * Embeds a picture, or a list of pictures in the same order: f32[embedDim] each, of length 1 unless `normalize: false`.
   * Bytes and pixels are copied at the call; a `Blob`, `Response` or stream is read when its turn comes. For more pictures
   * than fit into memory use `encodeImages`.
   * @throws ClipError IMAGE_* for a bad picture (in a list, the message begins with its position), IO if it cannot be read,
   *   UNSUPPORTED if its decoder cannot start, WORKER if a thread died with it, TOWER_NOT_LOADED, DISPOSED; TypeError for what
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
  encodeImage(image: ImageInput, options: AnyImageOptions): Promise<Float32Array | PromiseSettledResult<Float32Array>>;
  encodeImage(
    images: readonly ImageInput[],
    options: AnyImageOptions,
  ): Promise<Float32Array[] | PromiseSettledResult<Float32Array>[]>;
  encodeImage(
    images: ImageInput | readonly ImageInput[],
    options: AnyImageOptions,
  ): Promise<Float32Array | PromiseSettledResult<Float32Array> | Float32Array[] | PromiseSettledResult<Float32Array>[]>;
  async encodeImage(
    input: ImageInput | readonly ImageInput[],
    options: AnyImageOptions = {},
  ): Promise<
    Float32Array | PromiseSettledResult<Float32Array> | Float32Array[] | PromiseSettledResult<Float32Array>[]
  > {
    checkOptions('encodeImage', options, ENCODE_IMAGE, 'for several pictures pass a list: encodeImage([a, b])');
    this.#backend.need('image');
    const { settled = false, onProgress, ...each } = options;
    const { maxBytes } = imageLimits(options);
    const list = Array.isArray(input) && typeof input[0] !== 'number'; // numbers are refused with advice
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
      for await (const { index, embedding, error } of this.#backend.encodeImages(taken, open, each, taken.length)) {
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
    return list ? (results as Float32Array[] | PromiseSettledResult<Float32Array>[]) : results[0]!;
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
    checkImageIterable(images);
    this.#backend.need('image');
    const { maxBytes } = imageLimits(options);
    const take = (image: ImageInput) => (image instanceof TakenImage ? image : takeImage(image, maxBytes));
    const open = (item: ImageItem) => {
      const image = typeof item === 'function' ? item() : item;
      // What is there is copied before the source goes on, which may use its buffer again.
      return isThenable(image) ? image.then(take) : take(image);
    };
    return this.#backend.encodeImages(images, open, { ...options });
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
  encodeText(text: string, options?: EncodeTextOptions): Promise<Float32Array>;
  encodeText(texts: readonly string[], options?: EncodeTextOptions): Promise<Float32Array[]>;
  encodeText(texts: string | readonly string[], options?: EncodeTextOptions): Promise<Float32Array | Float32Array[]>;
  async encodeText(
    input: string | readonly string[],
    options: EncodeTextOptions = {},
  ): Promise<Float32Array | Float32Array[]> {
    checkOptions('encodeText', options, ENCODE_TEXT, 'for several texts pass a list: encodeText([a, b])');
    this.#backend.need('tokenizer');
    const list = Array.isArray(input);
    if (!list && typeof input !== 'string') {
      throw new TypeError(`encodeText: expected a string or an array of strings, got ${kindOf(input)}`);
    }
    const texts = checkTexts(list ? input : [input as string]);
    // Of the options a copy, too: the caller may change them while texts are tokenized.
    const embeddings = await this.#backend.encodeText(texts, { ...options });
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
    this.#backend.need('tokenizer');
    if (!Array.isArray(texts)) {
      const advice = typeof texts === 'string' ? `: pass [${JSON.stringify(texts).slice(0, 60)}]` : '';
      throw new TypeError(`tokenize: expected an array of strings, got ${kindOf(texts)}${advice}`);
    }
    return this.#backend.tokenize(checkTexts(texts));
  }

  /**
   * How many tokens each text has: the lengths of `tokenize`, BOS and EOT included. Works in a worker, too.
   * @throws as `tokenize`
   * @example
   * const [count] = await clip.countTokens(['a photo of a cat']); // 7
   */
  async countTokens(texts: readonly string[]): Promise<number[]> {
    this.#backend.need('tokenizer');
    if (!Array.isArray(texts)) throw new TypeError(`countTokens: expected an array of strings, got ${kindOf(texts)}`);
    return this.#backend.countTokens(checkTexts(texts));
  }

  /**
   * Embeds token ids as `tokenize` gives them (BOS ... EOT); works for a model without a tokenizer. Equal beginnings are
   * computed once, equal lists once. The lists are copied at the call.
   * @returns f32[embedDim] each, of length 1 unless `normalize: false`
   * @throws RangeError for an empty list, one longer than the context, or an id outside the vocabulary (with its place);
   *   TypeError for what is not an array of lists; ClipError TOKENIZER for a list without the end token, TOWER_NOT_LOADED,
   *   DISPOSED; the signal's reason if aborted
   * @example
   * const [embedding] = await clip.encodeTokens(clip.tokenize(['a photo of a cat']));
   */
  async encodeTokens(ids: readonly TokenIds[], options: EncodeOptions = {}): Promise<Float32Array[]> {
    checkOptions('encodeTokens', options, ENCODE);
    this.#backend.need('text');
    if (!Array.isArray(ids)) {
      throw new TypeError(`encodeTokens: expected an array of lists of token ids, got ${kindOf(ids)}`);
    }
    return this.#backend.encodeTokens(Array.from(ids, copyTokenIds), { ...options });
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
    this.#backend.need('tokenizer');
    return Classifier.fromClasses(this, classes, options);
  }

  /**
   * exp of the model's `logit_scale`: what a cosine is multiplied by before softmax (Radford et al. 2021, section 2.3).
   * @throws ClipError TOWER_NOT_LOADED without the text tower, WEIGHTS_MISSING for a model that is a text tower alone, DISPOSED
   */
  get logitScale(): number {
    return this.#backend.logitScale;
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
    return deepFreeze(this.#backend.info());
  }

  /** Releases the memory and stops the threads. Every later call throws; calls that wait reject with ClipError DISPOSED. */
  dispose(): void {
    this.#backend.dispose();
  }

  /** For `using` declarations (Node.js 24, TypeScript 5.2): disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** A copy of the list. @throws TypeError for what is not a string, with its position */
function checkTexts(texts: readonly string[]): string[] {
  return Array.from(texts, (text, i) => {
    if (typeof text !== 'string') throw new TypeError(`text ${i} must be a string, got ${kindOf(text)}`);
    return text;
  });
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null | undefined)?.then === 'function';
}
