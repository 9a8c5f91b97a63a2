/**
 * `edgeclip embed --stream`: JSON Lines in, JSON Lines out, an answer for each line in the same order, until the input ends. For
 * programs that keep a process and give it work: Spark's `pipe`, a shell, a worker of another language.
 */
import { webPicture } from '../batch/web-picture.ts';
import type { Clip } from '../clip.ts';
import { ClipError } from '../errors.ts';
import { nameFromBytes } from '../file-name.ts';
import { nineDigits } from '../float32.ts';
import { checkBytes, type ImageLimits, imageLimits } from '../image/limits.ts';
import { isObject } from '../json.ts';
import { byteLines, LineTooLong } from '../lines.ts';
import type { Output } from './output.ts';
import { readPicture } from './picture-file.ts';

export interface StreamOptions {
  readonly normalize: boolean;
  readonly orient: boolean;
  readonly scaled: boolean;
  readonly maxPixels?: number;
}

/** What a line may have beside a picture in base64. */
const BESIDE_BYTES = 1 << 20;
/** Tab, CR and space. */
const SPACES = new Set([9, 13, 32]);
/** An object, an array or a string. */
const JSON_BEGINS = new Set(Buffer.from('{["'));

/** What a line asks for. */
type Request =
  | { readonly id?: unknown; readonly kind: 'picture'; readonly read: () => Promise<Uint8Array> }
  | { readonly id?: unknown; readonly kind: 'text'; readonly text: string };

type Answer = { readonly id?: unknown } & (
  | { readonly embedding: number[] }
  | { readonly error: string; readonly code?: string }
);

/** Models that are loaded when the first line needs them. */
export interface StreamModels {
  pictures(): Promise<Clip>;
  texts(): Promise<Clip>;
}

/**
 * Answers every line. A line is an object with `path`, `url`, `base64` or `text`, and an `id` of any kind that the answer repeats;
 * or a path or address alone. Input is read as fast as answers are taken.
 * @throws ClipError IO if the output cannot be written
 */
export async function embedStream(
  lines: NodeJS.ReadableStream,
  output: Output,
  models: StreamModels,
  options: StreamOptions,
): Promise<void> {
  const limits = imageLimits({});
  const answer = (line: Answer) => output.write(`${JSON.stringify(line)}\n`);
  const maxBytes = Math.ceil((limits.maxBytes * 4) / 3) + BESIDE_BYTES;
  const source = byteLines(lines as AsyncIterable<Uint8Array>, { maxBytes });
  let pending: Request | Error | undefined;
  const next = async (): Promise<Request | Error | undefined> => {
    for (;;) {
      const { done, value } = await source.next();
      if (done) return undefined;
      if (value instanceof LineTooLong) return new RangeError(`a line has more than ${value.maxBytes} bytes`);
      const first = value.find((byte) => !SPACES.has(byte));
      if (first !== undefined) return request(value, JSON_BEGINS.has(first), limits);
    }
  };
  for (pending = await next(); pending !== undefined; ) {
    if (pending instanceof Error) {
      await answer(failure((pending as { id?: unknown }).id, pending));
      pending = await next();
    } else if (pending.kind === 'text') {
      const { id, text } = pending;
      await answer(await textAnswer(models, id, text, options.normalize));
      pending = await next();
    } else {
      const ids: unknown[] = [];
      const run = async function* () {
        while (pending !== undefined && !(pending instanceof Error) && pending.kind === 'picture') {
          const { id, read } = pending;
          ids.push(id);
          yield read;
          pending = await next();
        }
      };
      for await (const { embedding, error } of (await models.pictures()).encodeImages(run(), options)) {
        const id = ids.shift();
        await answer(embedding ? { ...named(id), embedding: Array.from(embedding, nineDigits) } : failure(id, error));
      }
    }
  }
}

async function textAnswer(models: StreamModels, id: unknown, text: string, normalize: boolean): Promise<Answer> {
  try {
    const [embedding] = await (await models.texts()).encodeText([text], { normalize });
    return { ...named(id), embedding: Array.from(embedding!, nineDigits) };
  } catch (error) {
    return failure(id, error);
  }
}

const named = (id: unknown) => (id === undefined ? {} : { id });

function failure(id: unknown, error: unknown): Answer {
  const { code, message } = error as Partial<ClipError>;
  return { ...named(id), error: message ?? String(error), ...(typeof code === 'string' && { code }) };
}

/** An error for a line that asks for nothing we know. */
function request(line: Uint8Array, isJson: boolean, limits: ImageLimits): Request | Error {
  let value: unknown;
  try {
    value = isJson ? JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line)) : nameFromBytes(line).trim();
  } catch (error) {
    return new TypeError(`a line is not JSON: ${(error as Error).message}`);
  }
  if (typeof value === 'string') return picture(undefined, value, limits);
  const { id, path, url, base64, text } = (isObject(value) ? value : {}) as Record<string, unknown>;
  const given = Object.entries({ path, url, base64, text }).filter(([, content]) => content !== undefined);
  const [[kind, content] = []] = given;
  if (given.length !== 1 || typeof content !== 'string') {
    return Object.assign(new TypeError('expected a string as one of path, url, base64 and text'), { id });
  }
  if (kind === 'text') return { id, kind, text: content };
  if (kind === 'base64') return { id, kind: 'picture', read: async () => decoded(content, limits) };
  if (kind === 'url' && !/^https?:\/\//i.test(content)) {
    const message = `url must begin with http:// or https://, got ${JSON.stringify(content.slice(0, 80))}`;
    return Object.assign(new TypeError(message), { id });
  }
  return picture(id, content, limits);
}

function picture(id: unknown, place: string, limits: ImageLimits): Request {
  const isWeb = /^https?:\/\//i.test(place);
  const signal = new AbortController().signal;
  const read = isWeb ? () => webPicture(place, limits, signal) : () => readPicture(place);
  return { id, kind: 'picture', read };
}

function decoded(base64: string, limits: ImageLimits): Uint8Array {
  const data = base64.replace(/^data:[^,]*,/, '');
  checkBytes(Math.floor((data.length * 3) / 4), limits);
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(data)) throw new ClipError('IMAGE_FORMAT', 'base64 has other characters in it');
  return Buffer.from(data, 'base64');
}
