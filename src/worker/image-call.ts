/** Pictures on their way to a worker: read, sent, and each answered by its embedding or its error. */

import type { EncodeImagesOptions } from '../encoding.ts';
import { joinPieces } from '../image/body.ts';
import type { TakenImage } from '../image/input.ts';
import { checkBytes, type ImageLimits } from '../image/limits.ts';
import { receiveError } from '../sent-error.ts';
import type { Caller } from './caller.ts';
import type { Reply, SentPicture } from './protocol.ts';

/** The pictures of one call of `encodeImages`. */
export class ImageCall {
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
export async function readPicture(
  image: TakenImage,
  limits: ImageLimits,
  signal: AbortSignal | undefined,
): Promise<SentPicture> {
  if (image.pixels) return { pixels: image.pixels };
  const bytes = image.bytes ?? (await joinPieces(image.pieces!(limits, signal)));
  checkBytes(bytes.length, limits);
  return { bytes: image.bytes ?? new Uint8Array(bytes) }; // what reading gave may be the caller's own
}
