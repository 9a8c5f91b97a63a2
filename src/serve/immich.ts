/**
 * `POST /predict` and `GET /ping`: the protocol of immich's machine-learning service, as its server speaks it
 * (immich-app/immich, server/src/repositories/machine-learning.repository.ts). A form has `entries`, JSON such as
 * `{ "clip": { "visual": { "modelName": "ViT-B-32__openai" } } }`, and `image` or `text`. The answer has the vector as JSON in a
 * string, and the picture's size. Tasks that are not CLIP's (faces, text in pictures) are refused by name.
 */
import { nineDigits } from '../float32.ts';
import { pictureSize } from '../image/picture-size.ts';
import { parseForm } from './body.ts';
import { checked } from './checked.ts';
import { checkTower, type Exchange, modelOf, placed, timed } from './exchange.ts';
import type { Parts } from './parts.ts';
import { Refusal, refusalOf } from './refusal.ts';
import { immichEntries } from './schemas.ts';

/** Answers a form. @throws Refusal */
export async function predict(parts: Parts, exchange: Exchange, request: Request, body: Uint8Array): Promise<Response> {
  const form = await timed(parts, 'parse', () => parseForm(body, request.headers.get('content-type') ?? ''));
  const { type, name } = wanted(form.get('entries'));
  const clip = await modelOf(parts);
  parts.names().check(name, 'entries');
  const { signal } = exchange;
  if (type === 'textual') {
    const text = form.get('text');
    if (typeof text !== 'string') throw new Refusal(400, 'REQUEST', 'text: the form has none', { param: 'text' });
    checkTower(clip, 'text', 'text');
    const [embedded] = await placed(parts.queue.texts([text], signal), () => 'text');
    return Response.json({ clip: asJson(embedded!.embedding) });
  }
  const image = form.get('image');
  if (image === null || typeof image === 'string') {
    throw new Refusal(400, 'REQUEST', 'image: the form has no such file', { param: 'image' });
  }
  checkTower(clip, 'image', 'image');
  const bytes = new Uint8Array(await image.arrayBuffer());
  const { width, height } = await pictureSize(
    bytes,
    parts.maxPixels === undefined ? {} : { maxPixels: parts.maxPixels },
  ).catch((error) => {
    throw refusalOf(error, 'image');
  });
  const [embedded] = await placed(parts.queue.pictures([bytes], signal), () => 'image');
  return Response.json({ clip: asJson(embedded!.embedding), imageHeight: height, imageWidth: width });
}

/** The one thing that `entries` asks for. */
function wanted(entries: unknown): { type: 'visual' | 'textual'; name: string } {
  const param = 'entries';
  if (typeof entries !== 'string') throw new Refusal(422, 'REQUEST', 'entries: the form has none', { param });
  let parsed: unknown;
  try {
    parsed = JSON.parse(entries);
  } catch {
    throw new Refusal(422, 'REQUEST', 'entries: not JSON', { param });
  }
  const tasks = checked(immichEntries, parsed);
  const { clip, ...others } = tasks;
  const strange = Object.keys(others);
  if (strange.length > 0) {
    const message = `entries: only the task "clip" is served here, not ${strange.map((one) => JSON.stringify(one)).join(', ')}`;
    throw new Refusal(400, 'UNSUPPORTED', message, { param });
  }
  const types = Object.entries(clip ?? {});
  const [type, entry] = types[0] ?? [];
  if (types.length !== 1 || !entry || (type !== 'visual' && type !== 'textual')) {
    throw new Refusal(400, 'REQUEST', 'entries: expected clip.visual or clip.textual, one of them', { param });
  }
  return { type, name: entry.modelName };
}

/** A vector as immich reads it: JSON in a string. */
function asJson(embedding: Float32Array): string {
  return JSON.stringify(Array.from(embedding, nineDigits));
}
