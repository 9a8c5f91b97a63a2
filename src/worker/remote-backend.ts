/** The model in a worker: pictures and texts are sent to it, and what can be answered at once is kept here. */

import type { Backend, Need } from '../backend.ts';
import type { ClipInfo } from '../clip-info.ts';
import type { EncodedImage, EncodeImagesOptions, EncodeOptions, EncodeTextOptions, Progress } from '../encoding.ts';
import { ClipError } from '../errors.ts';
import type { TakenImage } from '../image/input.ts';
import { imageLimits } from '../image/limits.ts';
import type { PreprocessConfig } from '../image/preprocess-config.ts';
import { Lookahead, READ_AHEAD } from '../lookahead.ts';
import type { ClipConfig } from '../model/config.ts';
import { untilAborted } from '../scheduler.ts';
import { receiveError } from '../sent-error.ts';
import { type Caller, inOrder } from './caller.ts';
import { ImageCall, readPicture } from './image-call.ts';
import type { Loaded, Reply, Request } from './protocol.ts';

export class RemoteBackend implements Backend {
  readonly config: ClipConfig;
  readonly preprocess: PreprocessConfig;
  readonly #caller: Caller;
  readonly #loaded: Loaded;

  constructor(caller: Caller, loaded: Loaded) {
    this.config = loaded.config;
    this.preprocess = loaded.preprocess;
    this.#caller = caller;
    this.#loaded = loaded;
  }

  get logitScale(): number {
    this.#caller.alive();
    const { logitScale } = this.#loaded;
    if (typeof logitScale === 'number') return logitScale;
    throw receiveError(logitScale);
  }

  info(): ClipInfo {
    this.#caller.alive();
    const { info } = this.#loaded;
    return { ...info, memory: { ...info.memory, decoders: this.#caller.decoders } };
  }

  need(what: Need): void {
    this.#caller.alive();
    const missing = this.#loaded.missing[what];
    if (missing) throw receiveError(missing);
  }

  async *encodeImages<I>(
    source: Iterable<I> | AsyncIterable<I>,
    open: (item: I) => TakenImage | PromiseLike<TakenImage>,
    { signal, ...options }: EncodeImagesOptions,
  ): AsyncGenerator<EncodedImage, void, undefined> {
    const limits = imageLimits(options);
    const call = new ImageCall(this.#caller, options);
    const ahead = new Lookahead(source, READ_AHEAD * this.#loaded.info.threads.count, async (item: I) =>
      call.embed(await readPicture(await open(item), limits, signal)),
    );
    try {
      for (let index = 0; ; index++) {
        const [result] = await ahead.take(1, signal);
        if (this.#caller.disposed) this.#caller.alive();
        if (result === undefined) return;
        if (result.status === 'fulfilled') yield { index, embedding: result.value };
        else if (call.failure && result.reason === call.failure) throw result.reason;
        else yield { index, error: result.reason };
      }
    } finally {
      call.end();
      await ahead.close();
    }
  }

  encodeText(texts: readonly string[], options: EncodeTextOptions): Promise<Float32Array[]> {
    const counts = options.onTokens !== undefined;
    return this.#encode(options, (call) => ({ kind: 'texts', texts, counts, ...call }));
  }

  encodeTokens(rows: readonly (readonly number[])[], options: EncodeOptions): Promise<Float32Array[]> {
    return this.#encode(options, (call) => ({ kind: 'tokens', rows, ...call }));
  }

  tokenize(): never {
    const advice = "use the Tokenizer of 'edgeclip/tokenizer', or loadClip of 'edgeclip'";
    throw new ClipError('UNSUPPORTED', `tokenize answers at once, and this model is in a worker: ${advice}`);
  }

  async countTokens(texts: readonly string[]): Promise<number[]> {
    let counts: readonly number[] = [];
    await this.#ask(
      (call) => ({ kind: 'count', call, texts }),
      (reply) => {
        if (reply.kind === 'counts') counts = reply.counts;
      },
    );
    return [...counts];
  }

  dispose(): void {
    this.#caller.dispose();
  }

  async #encode(
    { signal, onProgress, onTokens, normalize }: EncodeTextOptions,
    request: (call: { call: number; normalize: boolean | undefined; progress: boolean }) => Request,
  ): Promise<Float32Array[]> {
    signal?.throwIfAborted();
    const { embedDim } = this.config;
    const embeddings: Float32Array[] = [];
    await this.#ask(
      (call) => request({ call, normalize, progress: onProgress !== undefined }),
      (reply) => {
        if (reply.kind === 'counts') return onTokens?.(reply.counts);
        if (reply.kind !== 'vectors') return;
        // Each with a buffer of its own, as callers may transfer them.
        for (let at = 0; at < reply.values.length; at += embedDim)
          embeddings.push(reply.values.slice(at, at + embedDim));
      },
      { signal, onProgress },
    );
    return embeddings;
  }

  /** Sends a request and resolves when the worker is done with it. @param receive gets what comes meanwhile */
  async #ask(
    request: (call: number) => Request,
    receive: (reply: Reply) => unknown,
    { signal, onProgress }: Pick<EncodeOptions, 'signal' | 'onProgress'> = {},
  ): Promise<void> {
    let id = 0;
    const answer = new Promise<void>((resolve, reject) => {
      const replies = inOrder<Reply>(
        (reply) => (reply.kind === 'progress' ? onProgress?.(reply.progress as Progress) : receive(reply)),
        reject,
      );
      const settle = (reply: Reply) => {
        if (reply.kind === 'failed') reject(receiveError(reply.error));
        else if (reply.kind === 'done') replies.after(resolve);
        else replies.tell(reply);
      };
      id = this.#caller.begin(settle, reject);
      this.#caller.post(id, request(id), 1);
    });
    try {
      await untilAborted(answer, signal);
    } finally {
      this.#caller.end(id);
    }
  }
}
