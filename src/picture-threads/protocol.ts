/** The messages between a pool's caller and the workers that take pictures from file to embedding. */

import type { Pointer } from '../engine/kernels.ts';
import type { DecodeOptions } from '../image/decode.ts';
import type { PreprocessConfig } from '../image/preprocess-config.ts';
import type { RawPixels } from '../image/raw-image.ts';
import type { WasmName } from '../platform/platform.ts';
import type { SentError } from '../sent-error.ts';

/** Where in the shared memory a picture is computed: its crop, the tower's program, and the embedding with its dimension. */
export interface BatchSlot {
  readonly pixels: Pointer;
  readonly program: Pointer;
  readonly embedding: Pointer;
  readonly embedDim: number;
}

/** A picture: exactly one field is set. */
export type SentPicture =
  /** `decoder`: the address of the package that decodes it, if it takes one. */
  | { readonly bytes: Uint8Array; readonly decoder?: string | undefined }
  | { readonly pixels: RawPixels }
  /** Decoded already: u8[size, size, 3]. */
  | { readonly crop: Uint8Array };

/** To a worker. */
export type ToThread =
  | {
      readonly kind: 'picture';
      readonly job: number;
      readonly picture: SentPicture;
      readonly options: Omit<DecodeOptions, 'signal'>;
      readonly config: PreprocessConfig;
      /** Without one, the crop is the result. */
      readonly slot: BatchSlot | undefined;
    }
  | { readonly kind: 'module'; readonly name: WasmName; readonly module: WebAssembly.Module | undefined; readonly error: SentError | undefined } // biome-ignore format: one line
  /** The picture is not wanted any more. It is answered all the same. */
  | { readonly kind: 'stop'; readonly job: number };

/** From a worker. */
export type FromThread =
  /** The script is loaded, or why not. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'unready'; readonly reason: string }
  | { readonly kind: 'wanted'; readonly name: WasmName }
  | ({ readonly kind: 'embedded'; readonly embedding: Float32Array } & Done)
  | ({ readonly kind: 'cropped'; readonly crop: Uint8Array } & Done)
  | ({ readonly kind: 'failed'; readonly error: SentError } & Done);

interface Done {
  readonly job: number;
  /** Bytes of the memories in which this worker decodes. */
  readonly decoders: number;
}
