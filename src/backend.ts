/**
 * What computes for a `Clip`: a model in this thread (local-backend.ts), or one in a worker (worker/remote-backend.ts). The class
 * `Clip` checks arguments and shapes results; whatever needs the model is asked here, so both kinds offer the same.
 */

import type { ClipInfo } from './clip-info.ts';
import type { EncodedImage, EncodeImagesOptions, EncodeOptions, EncodeTextOptions } from './encoding.ts';
import type { TakenImage } from './image/input.ts';
import type { PreprocessConfig } from './image/preprocess-config.ts';
import type { ClipConfig } from './model/config.ts';

/** What a call needs. */
export type Need = 'image' | 'text' | 'tokenizer';

export interface Backend {
  readonly config: ClipConfig;
  readonly preprocess: PreprocessConfig;
  /** @throws ClipError TOWER_NOT_LOADED, WEIGHTS_MISSING, DISPOSED */
  readonly logitScale: number;
  /** @throws ClipError DISPOSED */
  info(): ClipInfo;
  /** Whether it is there, told at the call. @throws ClipError TOWER_NOT_LOADED, TOKENIZER, DISPOSED */
  need(what: Need): void;
  /**
   * Each picture's embedding or error, in order; some are read ahead.
   * @param open gets the picture of an item; its failure is that picture's own
   * @param total how many items will come, if that is known
   * @throws what the source throws, after all pictures before it; ClipError WORKER, DISPOSED; the signal's reason
   */
  encodeImages<I>(
    source: Iterable<I> | AsyncIterable<I>,
    open: (item: I) => TakenImage | PromiseLike<TakenImage>,
    options: EncodeImagesOptions,
    total?: number,
  ): AsyncGenerator<EncodedImage, void, undefined>;
  /** @param texts the call's own */
  encodeText(texts: readonly string[], options: EncodeTextOptions): Promise<Float32Array[]>;
  /** @param rows token ids, the call's own */
  encodeTokens(rows: readonly (readonly number[])[], options: EncodeOptions): Promise<Float32Array[]>;
  /** @throws ClipError UNSUPPORTED where the tokenizer is in another thread, as this answers at once */
  tokenize(texts: readonly string[]): number[][];
  /** How many tokens each text has, as `tokenize` would give them. */
  countTokens(texts: readonly string[]): Promise<number[]>;
  /** Calls that wait reject with ClipError DISPOSED. */
  dispose(): void;
}
