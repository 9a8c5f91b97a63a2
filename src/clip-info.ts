/** What a loaded model says of itself. */
import type { Precision } from './engine/arithmetic.ts';
import type { KernelVariant } from './engine/kernels.ts';
import type { MemoryUse } from './engine/memory.ts';
import type { Tower } from './model/config.ts';
import type { ThreadInfo } from './session.ts';

/** What `Clip.info` reports; sizes in bytes. */
export interface ClipInfo {
  readonly model: string;
  readonly precision: Precision;
  readonly kernels: KernelVariant;
  readonly threads: ThreadInfo;
  readonly towers: readonly Tower[];
  readonly embedDim: number;
  /** Absent if the model has no image tower. */
  readonly image?: {
    readonly kind: string;
    /** Side of the pictures that the tower takes, in pixels. */
    readonly size: number;
    /** That of its training, where `imageSize` gave another. */
    readonly trainedSize?: number;
    /**
     * Tells one image tower from another: a checksum of its biases and norms, 8 hexadecimal digits. The same in both
     * precisions and for packed and published files. Absent if the tower was not loaded.
     */
    readonly fingerprint?: string;
  };
  /** Absent if the model has no text tower. */
  readonly text?: { readonly contextLength: number; readonly vocabSize: number; readonly tokenizer: boolean };
  readonly memory: {
    /** The model's own memory, which never grows. */
    readonly total: number;
    /** What it is for. */
    readonly use: Readonly<MemoryUse>;
    /**
     * Beside it: the memories in which pictures are decoded and resized, of all threads, as of the last picture. They follow the
     * rows of a picture; what grew beyond 4 MB (WebP: 32 MB) is let go after it. The package for AVIF keeps the memory that its
     * largest picture took; that of HEIC is gone with its picture, and is not counted. One for all models of a thread.
     */
    readonly decoders: number;
  };
  /** What was assumed while loading because the model's files do not say it. */
  readonly warnings: readonly string[];
}
