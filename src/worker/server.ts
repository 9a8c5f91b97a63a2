/** The worker's end: loads a model and answers calls on it. */

import type { Clip } from '../clip.ts';
import type { ImageItem, Progress } from '../encoding.ts';
import { TakenImage } from '../image/input.ts';
import { loadClip } from '../load.ts';
import { receiveError, sendError } from '../sent-error.ts';
import type { LoadProgress } from '../weights/load-progress.ts';
import type { FileRequest, Loaded, Reply, Request, SentPicture } from './protocol.ts';
import { LOADING } from './protocol.ts';
import { askedFiles } from './remote-files.ts';

/** Embeddings in one message at most: between two, the caller's event loop turns. */
const VECTORS = 1024;

type Of<Kind extends Request['kind']> = Extract<Request, { kind: Kind }>;

/** @returns what takes the caller's messages */
export function serve(post: (reply: Reply, transfer?: ArrayBuffer[]) => void): (request: Request) => void {
  const calls = new Map<number, { readonly stop: AbortController; readonly inbox?: Inbox }>();
  const asked = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let lastAsked = 0;
  let clip: Clip | undefined;

  /** Asks the caller for something of its `ModelFiles`. */
  const ask = (wanted: FileRequest) => {
    const request = ++lastAsked;
    const answer = new Promise((resolve, reject) => asked.set(request, { resolve, reject }));
    post({ kind: 'file', call: LOADING, request, wanted });
    return { request, answer };
  };

  const load = async ({ model, options, progress }: Of<'load'>) => {
    const tell: LoadProgress = (progress) => post({ kind: 'progress', call: LOADING, progress });
    clip = await loadClip({
      ...options,
      model: typeof model === 'object' ? askedFiles(model, ask) : model,
      ...(progress && { onProgress: tell }),
    });
    post({ kind: 'loaded', call: LOADING, loaded: await describe(clip) });
  };

  const embed = async ({ call, options }: Of<'images'>, signal: AbortSignal, inbox: Inbox) => {
    for await (const { index, embedding, error } of clip!.encodeImages(inbox, { ...options, signal })) {
      const { decoders } = clip!.info().memory;
      if (embedding) post({ kind: 'embedded', call, index, embedding, decoders }, [embedding.buffer as ArrayBuffer]);
      else post({ kind: 'embedded', call, index, error: sendError(error), decoders });
    }
  };

  const encode = async (request: Of<'texts'> | Of<'tokens'>, signal: AbortSignal) => {
    const { call, normalize, progress } = request;
    const tell = (progress: Progress) => post({ kind: 'progress', call, progress });
    const options = { normalize, signal, ...(progress && { onProgress: tell }) };
    const onTokens = (counts: readonly number[]) => post({ kind: 'counts', call, counts });
    const embeddings =
      request.kind === 'texts'
        ? await clip!.encodeText(request.texts, { ...options, ...(request.counts && { onTokens }) })
        : await clip!.encodeTokens(request.rows, options);
    const { embedDim } = clip!.config;
    for (let first = 0; first < embeddings.length; first += VECTORS) {
      const some = embeddings.slice(first, first + VECTORS);
      const values = new Float32Array(some.length * embedDim);
      for (const [i, embedding] of some.entries()) values.set(embedding, i * embedDim);
      post({ kind: 'vectors', call, values }, [values.buffer]);
    }
  };

  /** Runs a call until it is done, fails or is ended. */
  const run = async (call: number, work: (signal: AbortSignal) => Promise<void>, inbox?: Inbox) => {
    const stop = new AbortController();
    calls.set(call, { stop, ...(inbox && { inbox }) });
    try {
      await work(stop.signal);
      if (call !== LOADING && !stop.signal.aborted) post({ kind: 'done', call });
    } catch (error) {
      if (!stop.signal.aborted) post({ kind: 'failed', call, error: sendError(error) });
    } finally {
      calls.delete(call);
    }
  };

  return (request) => {
    switch (request.kind) {
      case 'load':
        return void run(LOADING, () => load(request));
      case 'images': {
        const inbox = new Inbox();
        return void run(request.call, (signal) => embed(request, signal, inbox), inbox);
      }
      case 'image':
        return calls.get(request.call)?.inbox?.put(request.picture);
      case 'texts':
      case 'tokens':
        return void run(request.call, (signal) => encode(request, signal));
      case 'count':
        return void run(request.call, async () => {
          post({ kind: 'counts', call: request.call, counts: await clip!.countTokens(request.texts) });
        });
      case 'end':
        return calls.get(request.call)?.stop.abort();
      case 'answer': {
        const { resolve, reject } = asked.get(request.request)!;
        asked.delete(request.request);
        return request.error ? reject(receiveError(request.error)) : resolve(request.value);
      }
    }
  };
}

/** What the caller keeps of a model. */
async function describe(clip: Clip): Promise<Loaded> {
  const info = clip.info();
  const errorOf = async (call: () => unknown) => {
    try {
      await call();
      return undefined;
    } catch (error) {
      return sendError(error);
    }
  };
  const text = await errorOf(() => clip.encodeTokens([]));
  let logitScale = 0;
  const noScale = await errorOf(() => {
    logitScale = clip.logitScale;
  });
  return {
    config: clip.config,
    preprocess: clip.preprocess,
    info,
    logitScale: noScale ?? logitScale,
    missing: {
      image: await errorOf(() => clip.encodeImages([])),
      text,
      // A tokenizer that is there is made when the first text comes.
      tokenizer: text ?? (info.text?.tokenizer ? undefined : await errorOf(() => clip.tokenize([]))),
    },
  };
}

/** The pictures of a call, as they arrive. */
class Inbox implements AsyncIterableIterator<ImageItem> {
  readonly #pictures: SentPicture[] = [];
  #wake: (() => void) | undefined;

  put(picture: SentPicture): void {
    this.#pictures.push(picture);
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<ImageItem>> {
    while (this.#pictures.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    // Taken already, so it is not copied again.
    const value = new TakenImage(this.#pictures.shift()!) as unknown as ImageItem;
    return { done: false, value };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
