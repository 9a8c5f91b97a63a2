/** A worker of a pool while it takes messages, as its caller sees it: it takes a picture from its file to its embedding. */

import { ClipError } from '../errors.ts';
import { cropImage } from '../image/crop.ts';
import type { DecodeOptions } from '../image/decode.ts';
import type { TakenImage } from '../image/input.ts';
import { checkBytes, type ImageLimits } from '../image/limits.ts';
import type { PreprocessConfig } from '../image/preprocess-config.ts';
import { codecModule, picturesModule } from '../platform/modules.ts';
import type { Script, Thread, WasmName } from '../platform/platform.ts';
import { onAbort } from '../scheduler.ts';
import { receiveError, sendError } from '../sent-error.ts';
import { decoderOf } from './formats.ts';
import type { BatchSlot, FromThread, SentPicture, ToThread } from './protocol.ts';

/** How a picture is decoded and prepared. */
export interface Preparation {
  readonly options: Omit<DecodeOptions, 'signal'> & ImageLimits;
  readonly config: PreprocessConfig;
}

/** A picture that a thread works on. */
interface Job {
  readonly id: number;
  resolve(result: Uint8Array | Float32Array): void;
  reject(error: unknown): void;
}

/** It works on one picture at a time. */
export class PictureThread {
  /** Resolves when it has loaded its script. */
  readonly ready: Promise<void>;
  decoders = 0;
  readonly #thread: Thread;
  #loaded: { resolve(): void; reject(error: Error): void } | undefined;
  #lastJob = 0;
  #job: Job | undefined;
  #end: ClipError | undefined;

  constructor(thread: Thread, script: Script) {
    this.#thread = thread;
    this.ready = new Promise((resolve, reject) => {
      this.#loaded = { resolve, reject };
    });
    this.ready.catch(() => {});
    thread.onMessage((message) => this.#receive(message as FromThread));
    thread.onExit(() => this.fail(new ClipError('WORKER', 'the embedding was lost with a worker thread that died')));
    thread.post({ kind: 'script', script });
  }

  /** Whether its worker has died. */
  get ended(): boolean {
    return this.#end !== undefined;
  }

  hold(needed: boolean): void {
    this.#thread.hold(needed);
  }

  /**
   * Decodes a picture and, if there is a slot, computes it. What needs a package that the thread cannot import is decoded here.
   * @param picture its bytes and pixels are given away; or a crop
   * @returns the embedding, not normalized, or the crop
   * @throws what decoding throws; ClipError WORKER if the worker dies; an AbortError once the signal is aborted and the worker has
   *   stopped
   */
  async take(
    picture: TakenImage | Uint8Array,
    preparation: Preparation,
    slot: BatchSlot | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | Float32Array> {
    const decoder = picture instanceof Uint8Array ? undefined : await decoderOf(picture);
    try {
      return await this.#send(sendable(picture, preparation.options, decoder), preparation, slot, signal);
    } catch (error) {
      const isLacking = decoder !== undefined && error instanceof ClipError && error.code === 'IMAGE_DECODER';
      if (!isLacking) throw error;
      const crop = await cropHere(picture as TakenImage, preparation, signal);
      return slot ? this.#send(sendable(crop, preparation.options), preparation, slot, signal) : crop;
    }
  }

  async #send(
    { sent, transfer }: Sendable,
    { options, config }: Preparation,
    slot: BatchSlot | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | Float32Array> {
    if (this.#end) throw this.#end;
    const id = ++this.#lastJob;
    const result = new Promise<Uint8Array | Float32Array>((resolve, reject) => {
      this.#job = { id, resolve, reject };
    });
    this.#post({ kind: 'picture', job: id, picture: sent, options, config, slot }, transfer);
    const forget = signal && onAbort(signal, () => this.#post({ kind: 'stop', job: id }));
    return result.finally(forget);
  }

  /** Nothing more will come from it. */
  fail(error: ClipError): void {
    this.#end ??= error;
    this.#loaded?.reject(error);
    const job = this.#job;
    this.#job = undefined;
    job?.reject(error);
  }

  #post(message: ToThread, transfer?: ArrayBuffer[]): void {
    this.#thread.post(message, transfer);
  }

  #receive(message: FromThread): void {
    if (message.kind === 'ready') this.#loaded?.resolve();
    else if (message.kind === 'wanted') void this.#sendModule(message.name);
    else if (message.kind === 'unready') {
      this.fail(new ClipError('UNSUPPORTED', `workers cannot decode pictures here: ${message.reason}`));
    } else this.#finish(message);
  }

  #finish(message: Extract<FromThread, { readonly decoders: number }>): void {
    const job = this.#job;
    if (job?.id !== message.job) return;
    this.#job = undefined;
    this.decoders = message.decoders;
    if (message.kind === 'embedded') job.resolve(message.embedding);
    else if (message.kind === 'cropped') job.resolve(message.crop);
    else job.reject(receiveError(message.error));
  }

  async #sendModule(name: WasmName): Promise<void> {
    try {
      const module = await (name === 'pictures' ? picturesModule() : codecModule(name as 'webp'));
      this.#post({ kind: 'module', name, module, error: undefined });
    } catch (error) {
      this.#post({ kind: 'module', name, module: undefined, error: sendError(error) });
    }
  }
}

/** A picture as it is sent. */
interface Sendable {
  readonly sent: SentPicture;
  readonly transfer: ArrayBuffer[];
}

/**
 * @param decoder the address of its package; its bytes stay here, too, as the thread may fail to import that
 * @throws ClipError IMAGE_TOO_LARGE: what exceeds `maxBytes` was not copied, and must not be given away
 */
function sendable(picture: TakenImage | Uint8Array, limits: ImageLimits, decoder?: string): Sendable {
  if (picture instanceof Uint8Array) return { sent: { crop: picture }, transfer: [picture.buffer as ArrayBuffer] };
  const { bytes, pixels } = picture;
  if (pixels) return { sent: { pixels }, transfer: [pixels.data.buffer as ArrayBuffer] };
  if (!bytes) throw new TypeError('a picture in pieces is not sent to a thread');
  checkBytes(bytes.length, limits);
  if (decoder !== undefined) return { sent: { bytes, decoder }, transfer: [] };
  return { sent: { bytes }, transfer: [bytes.buffer as ArrayBuffer] };
}

/** The crop of a picture, made by this thread. */
function cropHere(
  picture: TakenImage,
  { options, config }: Preparation,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  return cropImage(picture, { ...options, signal }, config, (write) => {
    const crop = new Uint8Array(config.size * config.size * 3);
    write(crop);
    return crop;
  });
}
