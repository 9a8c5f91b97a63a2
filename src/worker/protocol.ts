/**
 * What a `Clip` of `edgeclip/worker` and its worker tell each other.
 *
 * One worker has one model. The caller's first message is `load`; the answer is `loaded`, or `failed` with the call 0. Then each
 * call of a method has a number of its own, under which its messages go both ways:
 *
 *     texts, tokens  -> | <- counts (if wanted) .. progress .. vectors .. done
 *     count          -> | <- counts .. done
 *     images         -> | image -> <- embedded, as many as wanted at once, .. end ->
 *
 * - Every call ends: by `done`, or by `failed` with its error, or by the caller's `end`. `end` also stops a call that runs:
 *   the worker then says no more of it. Messages about a call that has ended are passed over by both sides.
 * - The caller sends no more pictures than it reads ahead, and the next one only when a result has been taken: a stream of a
 *   million pictures never lies in the worker's inbox.
 * - Bytes, pixels and embeddings are transferred. They are copies of the package's own by then, never a caller's buffers.
 * - A model as functions (`ModelFiles`) stays with the caller; the worker asks for its files by `file` and gets `answer`.
 */

import type { ClipInfo } from '../clip-info.ts';
import type { EncodeImagesOptions, Progress } from '../encoding.ts';
import type { PreprocessConfig } from '../image/preprocess-config.ts';
import type { RawPixels } from '../image/raw-image.ts';
import type { LoadOptions } from '../load-options.ts';
import type { ClipConfig } from '../model/config.ts';
import type { SentError } from '../sent-error.ts';
import type { LoadProgress } from '../weights/load-progress.ts';

/** The number of loading among the calls. */
export const LOADING = 0;

/** A picture that the caller has read: exactly one field is set. */
export interface SentPicture {
  readonly bytes?: Uint8Array;
  readonly pixels?: RawPixels;
}

/** `ModelFiles` without its functions. */
export interface SentFiles {
  readonly name: unknown;
  readonly weights: unknown;
  readonly note: unknown;
}

/** What the worker wants of a file of `ModelFiles`. Sources have the number of the request that opened them. */
export type FileRequest =
  | { readonly kind: 'text' | 'source'; readonly name: string }
  | { readonly kind: 'read'; readonly source: number; readonly offset: number; readonly length: number }
  | { readonly kind: 'close'; readonly source: number };

/** What `source` gave: the head of a source, or whatever else, which the worker's checks refuse. */
export type SentSource = { readonly name: unknown; readonly byteLength: unknown } | { readonly other: unknown };

/** From the caller to the worker. */
export type Request =
  | {
      readonly kind: 'load';
      readonly model: string | SentFiles | undefined;
      readonly options: Omit<LoadOptions, 'signal' | 'onProgress'>;
      readonly progress: boolean;
      /** What relative addresses are relative to: the page's own address. */
      readonly base: string | undefined;
    }
  | { readonly kind: 'images'; readonly call: number; readonly options: Omit<EncodeImagesOptions, 'signal'> }
  /** The next picture of a call; results have its position. */
  | { readonly kind: 'image'; readonly call: number; readonly picture: SentPicture }
  | ({ readonly kind: 'texts'; readonly texts: readonly string[]; readonly counts: boolean } & EncodeCall)
  | ({ readonly kind: 'tokens'; readonly rows: readonly (readonly number[])[] } & EncodeCall)
  | { readonly kind: 'count'; readonly call: number; readonly texts: readonly string[] }
  | { readonly kind: 'end'; readonly call: number }
  | { readonly kind: 'answer'; readonly request: number; readonly value?: unknown; readonly error?: SentError };

interface EncodeCall {
  readonly call: number;
  readonly normalize: boolean | undefined;
  /** Whether `progress` is wanted. */
  readonly progress: boolean;
}

/** What the caller keeps of a model, to answer at once. */
export interface Loaded {
  readonly config: ClipConfig;
  readonly preprocess: PreprocessConfig;
  readonly info: ClipInfo;
  readonly logitScale: number | SentError;
  /** Why what is not there is not. */
  readonly missing: {
    readonly image?: SentError | undefined;
    readonly text?: SentError | undefined;
    readonly tokenizer?: SentError | undefined;
  };
}

/** From the worker to the caller. */
export type Reply =
  | { readonly kind: 'loaded'; readonly call: 0; readonly loaded: Loaded }
  | {
      readonly kind: 'progress';
      readonly call: number;
      readonly progress: Progress | Parameters<LoadProgress>[0];
    }
  /** The result of picture `index` of a call. */
  | {
      readonly kind: 'embedded';
      readonly call: number;
      readonly index: number;
      readonly embedding?: Float32Array | undefined;
      readonly error?: SentError | undefined;
      /** As `ClipInfo.memory.decoders`. */
      readonly decoders: number;
    }
  /** The next embeddings of a call, one after the other. */
  | { readonly kind: 'vectors'; readonly call: number; readonly values: Float32Array }
  /** How many tokens each text of a call has. */
  | { readonly kind: 'counts'; readonly call: number; readonly counts: readonly number[] }
  | { readonly kind: 'done'; readonly call: number }
  | { readonly kind: 'failed'; readonly call: number; readonly error: SentError }
  | { readonly kind: 'file'; readonly call: 0; readonly request: number; readonly wanted: FileRequest };
