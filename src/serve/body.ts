/** Bodies of requests: limited before they are read, and all that are held at once together. */
import { concatenate } from '../bytes.ts';
import { Refusal } from './refusal.ts';

export interface BodyLimits {
  /** Bytes of one request's body. */
  readonly maxBody: number;
  /** How long a body may take to arrive, in ms. */
  readonly patience: number;
}

/** What requests hold of the memory for bodies. */
export class HeldBytes {
  readonly #most: number;
  #held = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get bytes(): number {
    return this.#held;
  }

  /** An account of one request, to be closed when it has been answered. */
  open(): HeldAccount {
    let own = 0;
    return {
      take: (bytes) => {
        if (own + bytes > this.#most) {
          throw new Refusal(413, 'BODY_TOO_LARGE', `the request and its pictures have more than ${this.#most} bytes`);
        }
        if (this.#held + bytes > this.#most) {
          const message = `the server holds ${this.#held} bytes of requests, of at most ${this.#most}`;
          throw new Refusal(429, 'OVERLOADED', message, { headers: { 'retry-after': '1' } });
        }
        own += bytes;
        this.#held += bytes;
      },
      close: () => {
        this.#held -= own;
        own = 0;
      },
    };
  }
}

export interface HeldAccount {
  /** @throws Refusal 413 if this request alone holds too much, 429 if others do */
  take(bytes: number): void;
  close(): void;
}

/** @throws Refusal 415 for a compressed body: pictures are compressed already, and a small one could become a large one */
export function checkCoding(request: Request): void {
  const coding = request.headers.get('content-encoding')?.trim().toLowerCase() ?? '';
  if (coding === '' || coding === 'identity') return;
  const headers = { 'accept-encoding': 'identity' };
  const message = `the body is sent with Content-Encoding: ${coding.slice(0, 40)}; send it without`;
  throw new Refusal(415, 'CONTENT_ENCODING', message, { headers });
}

/**
 * Reads a request's body.
 * @throws Refusal 413 beyond `maxBody` (told by its length before anything is read), 429 where too much is held, 408 if it
 *   takes too long
 */
export async function readBody(request: Request, limits: BodyLimits, account: HeldAccount): Promise<Uint8Array> {
  const { maxBody } = limits;
  // Some runtimes pass any text on: what is not a number is not a length.
  const announced = /^\d+$/.exec(request.headers.get('content-length') ?? '')?.[0];
  const length = announced === undefined ? undefined : Number(announced);
  const tooLarge = () => new Refusal(413, 'BODY_TOO_LARGE', `the body has more than ${maxBody} bytes`);
  if (length !== undefined) {
    if (length > maxBody) throw tooLarge();
    account.take(length);
  }
  if (!request.body) return new Uint8Array(0);
  const reader = request.body.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const message = `the body did not arrive within ${limits.patience / 1000} seconds`;
      reject(new Refusal(408, 'REQUEST_TIMEOUT', message, { headers: { connection: 'close' } }));
    }, limits.patience);
  });
  const pieces: Uint8Array[] = [];
  let total = 0;
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) break;
      total += value.length;
      if (total > maxBody) throw tooLarge();
      if (length === undefined) account.take(value.length);
      else if (total > length) throw new Refusal(400, 'BODY', 'the body is longer than its announced length');
      pieces.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    if (error instanceof Refusal) throw error;
    throw new Refusal(400, 'BODY', 'the body ended before its announced length');
  } finally {
    clearTimeout(timer);
    late.catch(() => {});
  }
  return concatenate(pieces);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/** @throws Refusal 400 for what is not UTF-8 or not JSON */
export function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) throw new Refusal(400, 'BODY', 'the body is empty: expected a JSON object');
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new Refusal(400, 'BODY', 'the body is not UTF-8: expected a JSON object');
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    // Engines quote the text at fault; a picture in base64 is too much of it.
    throw new Refusal(400, 'BODY', `the body is not JSON: ${(error as Error).message.slice(0, 120)}`);
  }
}

/** @throws Refusal 400 for what is not a form */
export async function parseForm(bytes: Uint8Array, contentType: string): Promise<FormData> {
  try {
    return await new Response(bytes as Uint8Array<ArrayBuffer>, {
      headers: { 'content-type': contentType },
    }).formData();
  } catch {
    throw new Refusal(400, 'BODY', 'the body is not a multipart form, or it ends early');
  }
}
