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
import { isObject, show } from '../json.ts';
import { byteLines, isUtf16, LineTooLong } from '../lines.ts';
import { fieldSource } from './json-field.ts';
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

/** An `id` as the line has it in JSON. */
type Id = string | undefined;

/** What a line asks for. */
type Request =
  | { readonly id: Id; readonly kind: 'picture'; readonly read: () => Promise<Uint8Array> }
  | { readonly id: Id; readonly kind: 'text'; readonly text: string };

/** A line that asks for nothing we know. */
class BadLine extends Error {
  readonly id: Id;
  constructor(message: string, id?: string) {
    super(message);
    this.id = id;
  }
}

type Answer = { readonly embedding: number[] } | { readonly error: string; readonly code?: string };

/** Models that are loaded when the first line needs them. */
export interface StreamModels {
  pictures(): Promise<Clip>;
  texts(): Promise<Clip>;
}

/**
 * Answers every line. A line is an object with `path`, `url`, `base64` or `text`, and an `id` of any kind that the answer repeats
 * as it is written; or a path or address alone. Input is read as fast as answers are taken.
 * @throws ClipError IO if the output cannot be written, or the input is UTF-16
 */
export async function embedStream(
  lines: NodeJS.ReadableStream,
  output: Output,
  models: StreamModels,
  options: StreamOptions,
): Promise<void> {
  const limits = imageLimits({});
  const answer = (id: Id, content: Answer) => {
    const text = JSON.stringify(content);
    return output.write(`${id === undefined ? text : `{"id":${id},${text.slice(1)}`}\n`);
  };
  const maxBytes = Math.ceil((limits.maxBytes * 4) / 3) + BESIDE_BYTES;
  const source = byteLines(lines as AsyncIterable<Uint8Array>, { maxBytes });
  let count = 0;
  const next = async (): Promise<Request | BadLine | undefined> => {
    const { done, value } = await source.next();
    if (done) return undefined;
    count++;
    if (value instanceof LineTooLong) return new BadLine(`line ${count} has more than ${value.maxBytes} bytes`);
    if (count === 1 && isUtf16(value)) throw new ClipError('IO', 'standard input is UTF-16: expected UTF-8');
    return request(value, `line ${count}`, limits);
  };
  for (let pending = await next(); pending !== undefined; ) {
    if (pending instanceof BadLine) {
      await answer(pending.id, failure(pending));
      pending = await next();
    } else if (pending.kind === 'text') {
      const { id, text } = pending;
      await answer(id, await textAnswer(models, text, options.normalize));
      pending = await next();
    } else {
      const ids: Id[] = [];
      const run = async function* () {
        while (pending !== undefined && !(pending instanceof BadLine) && pending.kind === 'picture') {
          const { id, read } = pending;
          ids.push(id);
          yield read;
          pending = await next();
        }
      };
      for await (const { embedding, error } of (await models.pictures()).encodeImages(run(), options)) {
        await answer(ids.shift(), embedding ? { embedding: Array.from(embedding, nineDigits) } : failure(error));
      }
    }
  }
}

async function textAnswer(models: StreamModels, text: string, normalize: boolean): Promise<Answer> {
  try {
    const [embedding] = await (await models.texts()).encodeText([text], { normalize });
    return { embedding: Array.from(embedding!, nineDigits) };
  } catch (error) {
    return failure(error);
  }
}

function failure(error: unknown): Answer {
  const { code, message } = error as Partial<ClipError>;
  return { error: message ?? String(error), ...(typeof code === 'string' && { code }) };
}

/** @param where the line, for messages */
function request(line: Uint8Array, where: string, limits: ImageLimits): Request | BadLine {
  const first = line.find((byte) => !SPACES.has(byte));
  if (first === undefined) return new BadLine(`${where} is empty`);
  if (line.includes(0)) return new BadLine(`${where} has a NUL byte: expected text in UTF-8`);
  if (!JSON_BEGINS.has(first)) return picture(undefined, nameFromBytes(line).trim(), limits);
  let source: string;
  let value: unknown;
  try {
    source = new TextDecoder('utf-8', { fatal: true }).decode(line);
    value = JSON.parse(source);
  } catch (error) {
    return new BadLine(`${where} is not JSON: ${(error as Error).message}`);
  }
  if (typeof value === 'string') return picture(undefined, value, limits);
  if (!isObject(value)) return new BadLine(`${where}: expected an object, a path or an address, got ${show(value)}`);
  const id = fieldSource(source, 'id');
  const { path, url, base64, text } = value;
  const given = Object.entries({ path, url, base64, text }).filter(([, content]) => content !== undefined);
  const [[kind, content] = []] = given;
  if (given.length !== 1 || typeof content !== 'string') {
    return new BadLine(`${where}: expected a string as one of path, url, base64 and text`, id);
  }
  if (kind === 'text') return { id, kind, text: content };
  if (kind === 'base64') return { id, kind: 'picture', read: async () => decoded(content, limits) };
  if (kind === 'url' && !/^https?:\/\//i.test(content)) {
    return new BadLine(`${where}: url must begin with http:// or https://, got ${show(content)}`, id);
  }
  return picture(id, content, limits);
}

function picture(id: Id, place: string, limits: ImageLimits): Request {
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
