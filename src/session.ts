/** A loaded model while it is alive: its parts, the towers that calls ask for, and the queue for its memory. */

import type { EncodeOptions } from './encoding.ts';
import type { Engine, Probe } from './engine/engine.ts';
import type { KernelVariant, Pointer } from './engine/kernels.ts';
import type { MemoryUse } from './engine/memory.ts';
import type { ThreadPool } from './engine/threads/pool.ts';
import { ClipError } from './errors.ts';
import type { PreprocessConfig } from './image/preprocess-config.ts';
import type { ImageBatch } from './image-batch.ts';
import type { ClipConfig, Tower } from './model/config.ts';
import type { TextTransformer } from './model/text-transformer.ts';
import { Scheduler } from './scheduler.ts';
import type { Tokenizer } from './text/tokenizer.ts';
import type { Unigram } from './text/unigram.ts';
import type { WordPiece } from './text/wordpiece.ts';

/** What tokenizes and embeds texts, loaded with the text tower (encode-texts.ts). @internal */
export interface EncodeTexts {
  tokenizeAll(session: Session, texts: readonly string[], signal?: AbortSignal): Promise<number[][]>;
  encodeRows(session: Session, rows: readonly (readonly number[])[], options: EncodeOptions): Promise<Float32Array[]>;
}

/** How many threads compute, and why not more if more were asked for. */
export interface ThreadInfo {
  readonly count: number;
  readonly reason?: string;
}

/** What `loadClip` makes. @internal: the types of the engine stay out of the package's declarations. */
export interface Parts {
  readonly name: string;
  readonly config: ClipConfig;
  readonly preprocess: PreprocessConfig;
  readonly engine: Engine;
  readonly variant: KernelVariant;
  readonly threads: ThreadInfo;
  readonly pool?: ThreadPool;
  readonly use: MemoryUse;
  readonly maxPixels: number;
  readonly images?: ImageBatch;
  /** See `ClipInfo`. */
  readonly imageKind?: string;
  readonly fingerprint?: () => string;
  readonly text?: TextTransformer;
  /** What tokenizes and embeds texts with it. */
  readonly texts?: EncodeTexts;
  readonly tokenizer?: () => Tokenizer | WordPiece | Unigram;
  readonly logitScale?: number;
  readonly probe?: Probe;
  readonly imageOnly?: boolean;
  readonly warnings: readonly string[];
}

/** @internal */
export class Session {
  #parts: Parts | undefined;
  /** Work on the model's memory; `run` puts it here. */
  readonly scheduler = new Scheduler();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The parts. @throws ClipError DISPOSED */
  alive(): Parts {
    if (!this.#parts) throw new ClipError('DISPOSED', 'this model was disposed of');
    return this.#parts;
  }

  /** @throws ClipError TOWER_NOT_LOADED, DISPOSED */
  images(): ImageBatch {
    const parts = this.alive();
    const { images } = parts;
    if (!images) throw towerNotLoaded('image', parts);
    return images;
  }

  /** @throws ClipError TOWER_NOT_LOADED, DISPOSED */
  text(): TextTransformer {
    const parts = this.alive();
    const { text } = parts;
    if (!text) throw towerNotLoaded('text', parts);
    return text;
  }

  /** @throws ClipError TOWER_NOT_LOADED, DISPOSED */
  texts(): EncodeTexts {
    this.text();
    return this.alive().texts!;
  }

  /** @throws ClipError TOKENIZER, TOWER_NOT_LOADED, DISPOSED */
  tokenizer(): Tokenizer | WordPiece | Unigram {
    this.text();
    const { tokenizer, name } = this.alive();
    if (!tokenizer) {
      throw new ClipError(
        'TOKENIZER',
        `"${name}" has no tokenizer: give its tokenizer.json, parsed, as loadClip(model, { tokenizer }), or ids to encodeTokens`,
      );
    }
    return tokenizer();
  }

  /** @throws ClipError WEIGHTS_MISSING for a text tower of its own without one, TOWER_NOT_LOADED, DISPOSED */
  get logitScale(): number {
    this.text();
    const { logitScale, name } = this.alive();
    if (logitScale === undefined) {
      throw new ClipError('WEIGHTS_MISSING', `"${name}" has no logit_scale, as it is a text tower alone`);
    }
    return logitScale;
  }

  /**
   * Runs work on the model's memory after all that was given before.
   * @throws ClipError WORKER if threads do not start, DISPOSED; the signal's reason; what `work` throws
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.scheduler.run(async () => {
      await this.alive().pool?.ready();
      return work();
    }, signal);
  }

  /**
   * A copy of the embedding at p, of unit length unless not wanted.
   * @throws ClipError WEIGHTS_VALUE if it is zero or not finite, as finite but absurd weights make it
   */
  take(p: Pointer, normalize = true): Float32Array {
    const { engine, config, name } = this.alive();
    if (normalize) engine.kernels.l2Normalize({ x: p, n: config.embedDim });
    const embedding = engine.view(p, config.embedDim).slice();
    if (!embedding.every(Number.isFinite) || embedding.every((value) => value === 0)) {
      throw new ClipError(
        'WEIGHTS_VALUE',
        `"${name}" gives an embedding that is zero or not finite: its weights overflow`,
      );
    }
    return embedding;
  }

  /** Releases the memory and stops the threads. */
  dispose(): void {
    this.#parts?.images?.threads?.dispose();
    this.#parts?.pool?.stop();
    this.#parts = undefined;
  }
}

/** That a tower is not there, and what to do. */
function towerNotLoaded(tower: Tower, { name, config, imageOnly }: Parts): ClipError {
  const isThere = (tower === 'image' ? config.vision : config.text) !== undefined;
  // The other tower is loaded, and stays if both are named.
  const refused = config.refused?.[tower];
  if (refused !== undefined) return new ClipError('TOWER_NOT_LOADED', `the ${tower} tower cannot be built: ${refused}`);
  const advice = imageOnly
    ? "is not part of edgeclip/image: import { loadClip } from 'edgeclip' for texts"
    : "was not loaded: pass loadClip towers: ['image', 'text']";
  const reason = isThere ? advice : `is not in "${name}"`;
  return new ClipError('TOWER_NOT_LOADED', `the ${tower} tower ${reason}`);
}
