/** The image tower's batch slots: which pictures are computed together, and by which program. */

import type { Engine, Probe } from './engine/engine.ts';
import type { Pointer } from './engine/kernels.ts';
import type { ThreadPool } from './engine/threads/pool.ts';
import type { ImagePrograms } from './model/image-programs.ts';
import type { ImageEncoder } from './model/tower.ts';
import type { PictureThreads } from './picture-threads/picture-threads.ts';
import type { BatchSlot } from './picture-threads/protocol.ts';

/** What an `ImageBatch` runs on; `programs` and `threads` come with a pool. */
export interface ImageBatchParts {
  readonly tower: ImageEncoder;
  readonly engine: Engine;
  readonly pool?: ThreadPool | undefined;
  readonly programs?: ImagePrograms | undefined;
  readonly threads?: PictureThreads | undefined;
  readonly probe?: Probe | undefined;
}

export class ImageBatch {
  readonly #parts: ImageBatchParts;

  constructor(parts: ImageBatchParts) {
    this.#parts = parts;
  }

  /** Pictures that can be computed at once: one per thread. */
  get slots(): number {
    return this.#parts.programs?.size ?? 1;
  }

  /** Threads that take a picture from its file to its embedding; undefined where the caller's thread decodes. */
  get threads(): PictureThreads | undefined {
    const { threads } = this.#parts;
    return threads?.usable ? threads : undefined;
  }

  /** Where pictures of this dimension are computed by `threads`, a place for each. No thread may be at work. */
  batchSlots(embedDim: number): BatchSlot[] {
    const { programs, pool, engine } = this.#parts;
    programs!.write(pool!.words, engine.arithmetic.autotuner.variant);
    return Array.from({ length: this.slots }, (_, i) => ({ ...programs!.slot(i), embedDim }));
  }

  /** Puts an embedding that a thread computed into the model's memory; returns its address. */
  receive(embedding: Float32Array): Pointer {
    const { programs, engine } = this.#parts;
    engine.floats.set(embedding, programs!.received / 4);
    return programs!.received;
  }

  /**
   * How many of n pictures to compute next: one per thread while there are pictures for most of the threads, else one on all
   * threads (bench/README.md has both). Until the autotuning is done, the first picture of a call is alone, as products
   * are timed only there.
   */
  next(n: number, first: boolean): number {
    const slots = first && !this.#tuned ? 1 : this.slots;
    return n > slots / 2 ? Math.min(n, slots) : 1;
  }

  /** Where the crop of the picture in a slot goes: u8[size, size, 3]. */
  pixels(slot: number): Pointer {
    const { programs, tower } = this.#parts;
    return programs?.pixels(slot) ?? tower.pixels;
  }

  /**
   * The pictures in the first n slots to their embeddings, not normalized: f32[embedDim] each.
   * @returns their addresses; undefined for a picture that was lost with a worker that died
   * @throws ClipError WORKER if all are lost
   */
  encode(n: number): (Pointer | undefined)[] {
    const { programs, pool, tower, probe, engine } = this.#parts;
    if (programs && pool && (n > 1 || this.#tuned))
      return programs.encode(pool, n, engine.arithmetic.autotuner.variant);
    return [tower.encode(probe ? 'tokens' : 'pooled', probe)];
  }

  get #tuned(): boolean {
    return this.#parts.engine.arithmetic.autotuner.settled;
  }
}
