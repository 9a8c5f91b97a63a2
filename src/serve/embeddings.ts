/** `POST /v1/embeddings`: OpenAI's form, with pictures as Infinity and Jina send them. */
import type { z } from 'zod';
import { nineDigits } from '../float32.ts';
import { yieldIfDue } from '../scheduler.ts';
import { checked } from './checked.ts';
import { checkTower, type Exchange, fetcher, modelOf, placed, timed } from './exchange.ts';
import type { Embedded } from './lane.ts';
import type { Parts } from './parts.ts';
import { pictureBytes } from './pictures.ts';
import { Refusal } from './refusal.ts';
import { embeddingsRequest, MAX_TEXT } from './schemas.ts';

type Encoding = z.output<typeof embeddingsRequest>['encoding_format'];

/** Answers a parsed body. @throws Refusal */
export async function embeddings(parts: Parts, exchange: Exchange, body: unknown): Promise<Response> {
  const request = checked(embeddingsRequest, body);
  const { input, modality, dimensions, model } = request;
  const encoding = request.embedding_type ?? request.encoding_format;
  if (request.embedding_type !== undefined && !agree(request, body)) {
    throw new Refusal(400, 'REQUEST', 'encoding_format and embedding_type say different things', {
      param: 'embedding_type',
    });
  }
  const clip = await modelOf(parts);
  const names = parts.names();
  names.check(model);
  const { embedDim } = clip.config;
  if (dimensions !== undefined && dimensions !== embedDim) {
    const message = `dimensions: the vectors of this model have ${embedDim} numbers and cannot be shortened, got ${dimensions}`;
    throw new Refusal(400, 'DIMENSIONS', message, { param: 'dimensions' });
  }

  const list = Array.isArray(input) ? input : [input];
  const paramOf = (i: number) => (Array.isArray(input) ? `input.${i}` : 'input');
  const texts: string[] = [];
  const pictures: Uint8Array[] = [];
  const textAt: number[] = [];
  const pictureAt: number[] = [];
  await timed(parts, 'parse', async () => {
    for (const [i, one] of list.entries()) {
      const item = typeof one === 'string' ? (modality === 'image' ? { image: one } : { text: one }) : one;
      const param = paramOf(i);
      if ('image' in item) {
        checkTower(clip, 'image', param);
        pictures.push(await pictureBytes(item.image, param, fetcher(parts, exchange, param)));
        pictureAt.push(i);
      } else {
        checkTower(clip, 'text', param);
        checkText(item.text, param);
        texts.push(item.text);
        textAt.push(i);
      }
      await yieldIfDue(exchange.signal);
    }
  });

  // If one part fails, the other is not computed in vain.
  const stop = new AbortController();
  const signal = AbortSignal.any([exchange.signal, stop.signal]);
  const results = new Array<Embedded>(list.length);
  const put = (at: readonly number[]) => (embedded: readonly Embedded[]) => {
    for (const [k, one] of embedded.entries()) results[at[k]!] = one;
  };
  await Promise.all([
    placed(parts.queue.texts(texts, signal), (k) => paramOf(textAt[k]!)).then(put(textAt)),
    placed(parts.queue.pictures(pictures, signal), (k) => paramOf(pictureAt[k]!)).then(put(pictureAt)),
  ]).catch((error) => {
    stop.abort();
    throw error;
  });
  return timed(parts, 'answer', () => answer(results, encoding, names.id, exchange.signal));
}

/** Whether `encoding_format`, if it was given, is what `embedding_type` says. */
function agree({ encoding_format, embedding_type }: z.output<typeof embeddingsRequest>, body: unknown): boolean {
  return !Object.hasOwn(body as object, 'encoding_format') || encoding_format === embedding_type;
}

function checkText(text: string, param: string): void {
  if (text.length <= MAX_TEXT) return;
  throw new Refusal(400, 'REQUEST', `${param}: at most ${MAX_TEXT} characters, got ${text.length}`, { param });
}

/** The answer, vector by vector: the event loop turns in between. */
async function answer(
  results: readonly Embedded[],
  encoding: Encoding,
  model: string,
  signal: AbortSignal,
): Promise<Response> {
  const rows: string[] = [];
  let tokens = 0;
  for (const [index, result] of results.entries()) {
    rows.push(`{"object":"embedding","index":${index},"embedding":${encoded(result.embedding, encoding)}}`);
    tokens += result.tokens;
    await yieldIfDue(signal);
  }
  const usage = JSON.stringify({ prompt_tokens: tokens, total_tokens: tokens });
  return new Response(
    `{"object":"list","model":${JSON.stringify(model)},"data":[${rows.join(',')}],"usage":${usage}}`,
    { headers: { 'content-type': 'application/json' } },
  );
}

/** A vector as JSON. */
function encoded(embedding: Float32Array, encoding: Encoding): string {
  if (encoding === 'float') return JSON.stringify(Array.from(embedding, nineDigits));
  if (encoding === 'base64') return JSON.stringify(base64(embedding));
  const signs = packedSigns(embedding);
  return JSON.stringify(Array.from(encoding === 'ubinary' ? signs : new Int8Array(signs.map((byte) => byte - 128))));
}

/** Little-endian f32. */
function base64(embedding: Float32Array): string {
  const view = new DataView(new ArrayBuffer(embedding.length * 4));
  for (const [i, value] of embedding.entries()) view.setFloat32(i * 4, value, true);
  let binary = '';
  for (const byte of new Uint8Array(view.buffer)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Whether each number is above zero: eight in a byte, the first in its highest bit, as `numpy.packbits` has them. */
function packedSigns(embedding: Float32Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(embedding.length / 8));
  for (const [i, value] of embedding.entries()) if (value > 0) bytes[i >> 3]! |= 0x80 >> (i & 7);
  return bytes;
}
