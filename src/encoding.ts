/** The options and results of embedding: what the model, classifiers and their callers have in common. */

import type { DecodeOptions } from './image/decode.ts';
import type { ImageInput } from './image/input.ts';

export interface EncodeOptions {
  /** Divide each embedding by its length. Default true. */
  readonly normalize?: boolean | undefined;
  /** Stops the call within one picture or chunk of texts; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each picture, or chunk of texts. What it throws rejects the call. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Options of `Clip.encodeText`. */
export interface EncodeTextOptions extends EncodeOptions {
  /** Gets how many tokens each text has, BOS and EOT included, before the first is computed. What it throws rejects the call. */
  readonly onTokens?: ((counts: readonly number[]) => void) | undefined;
}

/** How many pictures or texts are done, of how many. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

export interface EncodeImageOptions
  extends EncodeOptions,
    Pick<DecodeOptions, 'orient' | 'scaled' | 'maxBytes' | 'maxPixels'> {
  readonly settled?: false | undefined;
}

export interface SettledImageOptions extends Omit<EncodeImageOptions, 'settled'> {
  /** Give each picture's result or error, as `Promise.allSettled` does, instead of rejecting at the first bad picture. */
  readonly settled: true;
}

/** Options of `Clip.encodeImage` where `settled` is decided at run time: then so is what the result is. */
export interface AnyImageOptions extends Omit<EncodeImageOptions, 'settled'> {
  readonly settled?: boolean | undefined;
}

/** Options of `Clip.encodeImages`, which does not know how many pictures will come. */
export type EncodeImagesOptions = Omit<EncodeImageOptions, 'onProgress' | 'settled'>;

/** A picture, a promise of one, or a function that gets one when its turn comes, e.g. `() => readFile(path)`. */
export type ImageItem = ImageInput | PromiseLike<ImageInput> | (() => ImageInput | PromiseLike<ImageInput>);

/** Result of one picture of `Clip.encodeImages`: its embedding or its error. `index` counts from 0. */
export type EncodedImage =
  | { readonly index: number; readonly embedding: Float32Array; readonly error?: undefined }
  | { readonly index: number; readonly error: unknown; readonly embedding?: undefined };

/** What a classifier needs of a model. `Clip` has it. */
export interface Encoder {
  readonly config: { readonly embedDim: number };
  readonly logitScale: number;
  encodeText(texts: readonly string[], options?: EncodeOptions): Promise<Float32Array[]>;
  encodeImages(images: Iterable<ImageItem>, options?: EncodeImagesOptions): AsyncIterable<EncodedImage>;
}
