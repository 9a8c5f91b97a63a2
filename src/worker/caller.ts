/** The caller's end of a worker: calls that wait, pictures on their way, and what happens if the worker dies. */

import type { Backend, Need } from '../backend.ts';
import type { ClipInfo } from '../clip.ts';
import type { EncodedImage, EncodeImagesOptions, EncodeOptions, EncodeTextOptions, Progress } from '../encoding.ts';
import { ClipError } from '../errors.ts';
import { joinPieces } from '../image/body.ts';
import type { TakenImage } from '../image/input.ts';
import { checkBytes, type ImageLimits, imageLimits } from '../image/limits.ts';
import type { PreprocessConfig } from '../image/preprocess-config.ts';
import { Lookahead, READ_AHEAD } from '../lookahead.ts';
import type { ClipConfig } from '../model/config.ts';
import { untilAborted } from '../scheduler.ts';
import { receiveError } from '../sent-error.ts';
import type { HostedWorker, StartWorker } from './host.ts';
import { LOADING, type Loaded, type Reply, type Request, type SentPicture } from './protocol.ts';

/** A call that the worker knows of. */
interface Call {
  /** How many answers of the worker it waits for. */
  waits: number;
  receive(reply: Reply): void;
  /** The worker has ended. */
  fail(error: Error): void;
}

/** A worker and the calls on it. */
export class Caller {
  readonly #worker: HostedWorker;
  readonly #calls = new Map<number, Call>();
  /** As `ClipInfo.memory.decoders`, of the worker's last picture. */
  decoders = 0;
  #last = LOADING;
  #waits = 0;
  #end: { readonly code: 'DISPOSED' | 'WORKER'; readonly message: string } | undefined;

  /** @throws ClipError UNSUPPORTED where there are no workers */
  constructor(start: StartWorker) {
    this.#worker = start(
      (reply) => this.#receive(reply),
      (reason) => this.#close('WORKER', `the worker died: ${reason}. Load the model again`),
    );
    this.#worker.hold(false);
  }

  get disposed(): boolean {
    return this.#end?.code === 'DISPOSED';
  }

  /** @throws ClipError DISPOSED, or WORKER if it died */
  alive(): void {
    if (this.#end) throw new ClipError(this.#end.code, this.#end.message);
  }

  /** Begins a call. @throws ClipError DISPOSED, WORKER */
  begin(receive: Call['receive'], fail: Call['fail'], id = ++this.#last): number {
    this.alive();
    this.#calls.set(id, { waits: 0, receive, fail });
    return id;
  }

  /** Sends a message; `answers`: how many more the call waits for. Only then is the process kept alive. */
  post(call: number, request: Request, answers: number, transfer: ArrayBuffer[] = []): void {
    if (this.#end) return;
    this.#worker.post(request, transfer);
    this.expect(call, answers);
  }

  /** That a call waits for more answers, or for fewer. */
  expect(id: number, answers: number): void {
    const call = this.#calls.get(id);
    if (!call || answers === 0) return;
    const before = this.#waits;
    call.waits += answers;
    this.#waits += answers;
    if (before === 0 || this.#waits === 0) this.#worker.hold(this.#waits > 0);
  }

  /** Ends a call. The worker is told if it does not know yet. */
  end(id: number): void {
    if (!this.#calls.has(id)) return;
    this.#forget(id);
    this.#worker.post({ kind: 'end', call: id }, []);
  }

  /** Ends the worker. */
  dispose(): void {
    this.#close('DISPOSED', 'this model was disposed of');
  }

  #receive(reply: Reply): void {
    const call = this.#calls.get(reply.call);
    if (reply.kind === 'embedded') this.decoders = reply.decoders;
    if (reply.kind === 'done' || reply.kind === 'failed' || reply.kind === 'loaded') this.#forget(reply.call);
    call?.receive(reply);
  }

  #forget(id: number): void {
    const call = this.#calls.get(id);
    if (!call) return;
    this.expect(id, -call.waits);
    this.#calls.delete(id);
  }

  #close(code: 'DISPOSED' | 'WORKER', message: string): void {
    if (this.#end) return;
    this.#end = { code, message };
    const calls = [...this.#calls];
    for (const [id] of calls) this.#forget(id);
    this.#worker.stop();
    for (const [, { fail }] of calls) fail(new ClipError(code, message));
  }
}

/** The model in a worker. */
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

/** The pictures of one call of `encodeImages`. */
class ImageCall {
  /** Why the call as a whole has failed. */
  failure: Error | undefined;
  readonly #caller: Caller;
  readonly #id: number;
  readonly #waiting = new Map<number, { resolve(embedding: Float32Array): void; reject(error: Error): void }>();
  #sent = 0;

  constructor(caller: Caller, options: Omit<EncodeImagesOptions, 'signal'>) {
    this.#caller = caller;
    this.#id = caller.begin(
      (reply) => this.#receive(reply),
      (error) => this.#fail(error),
    );
    caller.post(this.#id, { kind: 'images', call: this.#id, options }, 0);
  }

  /** Has a picture embedded. @throws its own error, or `failure` */
  embed(picture: SentPicture): Promise<Float32Array> {
    if (this.failure) throw this.failure;
    const index = this.#sent++;
    const answer = new Promise<Float32Array>((resolve, reject) => this.#waiting.set(index, { resolve, reject }));
    const { buffer } = picture.bytes ?? picture.pixels!.data;
    this.#caller.post(this.#id, { kind: 'image', call: this.#id, picture }, 1, [buffer as ArrayBuffer]);
    return answer;
  }

  end(): void {
    this.#caller.end(this.#id);
  }

  #receive(reply: Reply): void {
    if (reply.kind === 'failed') this.#fail(receiveError(reply.error));
    if (reply.kind !== 'embedded') return;
    const waiting = this.#waiting.get(reply.index);
    this.#waiting.delete(reply.index);
    this.#caller.expect(this.#id, -1);
    if (reply.embedding) waiting?.resolve(reply.embedding);
    else waiting?.reject(receiveError(reply.error!));
  }

  #fail(error: Error): void {
    this.failure = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** The picture in buffers that may be transferred. What exceeds `maxBytes` was not copied, and must not be. */
async function readPicture(
  image: TakenImage,
  limits: ImageLimits,
  signal: AbortSignal | undefined,
): Promise<SentPicture> {
  if (image.pixels) return { pixels: image.pixels };
  const bytes = image.bytes ?? (await joinPieces(image.pieces!(limits, signal)));
  checkBytes(bytes.length, limits);
  return { bytes: image.bytes ?? new Uint8Array(bytes) }; // what reading gave may be the caller's own
}

/** Calls back one after the other, also if that takes time; the first failure is the last call. */
export function inOrder<P>(callback: ((progress: P) => unknown) | undefined, failed: (error: unknown) => void) {
  let last: Promise<unknown> = Promise.resolve();
  return {
    tell(progress: P): void {
      last = last.then(() => callback?.(progress));
      last.catch(failed);
    },
    /** After all that was told, unless one failed. */
    after(done: () => void): void {
      last.then(done, () => {});
    },
  };
}
