/** The model in this thread. */

import type { Backend, Need } from './backend.ts';
import type { ClipInfo } from './clip-info.ts';
import { encodeEach } from './encode-images.ts';
import type { EncodedImage, EncodeImagesOptions, EncodeOptions, EncodeTextOptions } from './encoding.ts';
import { decoderBytes } from './image/decoder-memory.ts';
import type { TakenImage } from './image/input.ts';
import type { PreprocessConfig } from './image/preprocess-config.ts';
import type { ClipConfig } from './model/config.ts';
import { type Parts, Session } from './session.ts';

export class LocalBackend implements Backend {
  readonly config: ClipConfig;
  readonly preprocess: PreprocessConfig;
  readonly #session: Session;

  constructor(parts: Parts) {
    this.config = parts.config;
    this.preprocess = parts.preprocess;
    this.#session = new Session(parts);
  }

  get logitScale(): number {
    return this.#session.logitScale;
  }

  info(): ClipInfo {
    const { name, config, engine, variant, threads, use, images, imageKind, fingerprint, text, tokenizer, warnings } =
      this.#session.alive();
    const { vision, text: texts } = config;
    return {
      model: name,
      precision: engine.arithmetic.precision,
      kernels: variant,
      threads: { ...threads },
      towers: [...(images ? (['image'] as const) : []), ...(text ? (['text'] as const) : [])],
      embedDim: config.embedDim,
      ...(vision && {
        image: {
          kind: imageKind!,
          size: vision.imageSize,
          ...(vision.trainedSize !== undefined && { trainedSize: vision.trainedSize }),
          ...(fingerprint && { fingerprint: fingerprint() }),
        },
      }),
      ...(texts && {
        text: {
          contextLength: texts.contextLength,
          vocabSize: texts.vocabSize,
          tokenizer: tokenizer !== undefined,
        },
      }),
      memory: {
        total: engine.memory.buffer.byteLength,
        use: { ...use },
        decoders: decoderBytes() + (images?.threads?.decoderBytes ?? 0),
      },
      warnings: [...warnings],
    };
  }

  need(what: Need): void {
    if (what === 'image') this.#session.images();
    else if (what === 'text') this.#session.text();
    else this.#session.tokenizer();
  }

  encodeImages<I>(
    source: Iterable<I> | AsyncIterable<I>,
    open: (item: I) => TakenImage | PromiseLike<TakenImage>,
    options: EncodeImagesOptions,
    total?: number,
  ): AsyncGenerator<EncodedImage, void, undefined> {
    return encodeEach(this.#session, source, open, options, total);
  }

  async encodeText(texts: readonly string[], options: EncodeTextOptions): Promise<Float32Array[]> {
    const { tokenizeAll, encodeRows } = this.#session.texts();
    const rows = await tokenizeAll(this.#session, texts, options.signal);
    await options.onTokens?.(rows.map((ids) => ids.length));
    return encodeRows(this.#session, rows, options);
  }

  async encodeTokens(rows: readonly (readonly number[])[], options: EncodeOptions): Promise<Float32Array[]> {
    return this.#session.texts().encodeRows(this.#session, rows, options);
  }

  tokenize(texts: readonly string[]): number[][] {
    const tokenizer = this.#session.tokenizer();
    return texts.map((text) => tokenizer.encode(text));
  }

  async countTokens(texts: readonly string[]): Promise<number[]> {
    const { tokenizeAll } = this.#session.texts();
    return (await tokenizeAll(this.#session, texts)).map((ids) => ids.length);
  }

  dispose(): void {
    this.#session.dispose();
  }
}
