// Embeds all pictures of an R2 bucket. A message of the queue is a page to list, or a part to embed.
import { loadClip } from 'edgeclip/image';
import { partBytes } from './part.js';

const PICTURES_A_PART = 100;
const PAGE = 1000; // what R2 lists at once
const MAX_BYTES = 10_000_000; // of a picture's file
const MAX_PIXELS = 16_000_000; // so that decoders and model stay far below the 128 MB of a worker

/** What is wrong with a picture, wherever it is embedded. */
class PictureError extends Error {}

/** The model, loaded once for all messages of this isolate; after a failure the next message tries again. */
let loading;
function model() {
  loading ??= loadClip({ maxPixels: MAX_PIXELS }).catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

const numbered = (n) => String(n).padStart(5, '0');
/** Written once, whoever comes second: a message may be delivered twice. */
const create = (bucket, name, value) => bucket.put(name, value, { onlyIf: { etagDoesNotMatch: '*' } });

/** The names of a page's pictures. They are stored, so that a message that comes again cuts the same parts. */
async function pageOf({ VECTORS, PICTURES }, { run, prefix, page, cursor }) {
  const name = `${run}/plan/${numbered(page)}.json`;
  const stored = () => VECTORS.get(name).then((object) => object?.json());
  const known = await stored();
  if (known) return known;
  const { objects, ...listed } = await PICTURES.list({ prefix, cursor, limit: PAGE });
  const keys = objects.map(({ key }) => key);
  await create(VECTORS, name, JSON.stringify({ keys, cursor: listed.truncated ? listed.cursor : undefined }));
  return stored(); // another message may have been faster
}

async function plan(env, message) {
  const { run, page } = message;
  const { keys, cursor } = await pageOf(env, message);
  const messages = [];
  for (let start = 0; start < keys.length; start += PICTURES_A_PART) {
    const part = (page * PAGE + start) / PICTURES_A_PART;
    messages.push({ body: { kind: 'part', run, page, part, start } });
  }
  if (cursor) messages.push({ body: { ...message, page: page + 1, cursor } });
  if (messages.length > 0) await env.WORK.sendBatch(messages);
}

async function embed(env, { run, page, part, start }) {
  const name = partName(run, part);
  if (await env.VECTORS.head(name)) return;
  const { keys: all } = await (await env.VECTORS.get(`${run}/plan/${numbered(page)}.json`)).json();
  const keys = all.slice(start, start + PICTURES_A_PART);
  const clip = await model();
  const pictures = keys.map((key) => async () => {
    const object = await env.PICTURES.get(key);
    if (!object) throw new PictureError('it is gone');
    if (object.size > MAX_BYTES) throw new PictureError(`it has ${object.size} bytes, more than ${MAX_BYTES}`);
    return new Uint8Array(await object.arrayBuffer());
  });
  const rows = [];
  for await (const { index, embedding, error } of clip.encodeImages(pictures, { orient: true })) {
    const isPicturesOwn = !error || error instanceof PictureError || error.code?.startsWith('IMAGE_');
    if (!isPicturesOwn) throw error; // the bucket's failure, or this worker's: the message is tried again
    rows.push({ key: keys[index], embedding, error: error?.message });
  }
  await create(env.VECTORS, name, partBytes(rows, part, clip));
}

const partName = (run, part) => `${run}/part-${numbered(part)}.parquet`;
const nameOf = ({ kind, page, part }) => `${kind}-${numbered(kind === 'part' ? part : page)}`;

/** Why a message failed the last time, and why it was set aside; until it succeeds. */
const failureName = (body) => `${body.run}/failed/${nameOf(body)}.json`;
const deadName = (body) => `${body.run}/dead/${nameOf(body)}.json`;

async function work(message, env) {
  const { body, attempts } = message;
  try {
    await (body.kind === 'part' ? embed(env, body) : plan(env, body));
    await env.VECTORS.delete([failureName(body), deadName(body)]);
    message.ack();
  } catch (error) {
    console.error(failureName(body), error);
    const failure = JSON.stringify({ ...body, attempts, error: error.message });
    await env.VECTORS.put(failureName(body), failure).catch(console.error);
    message.retry({ delaySeconds: Number(env.RETRY_SECONDS) * 2 ** (attempts - 1) });
  }
}

/** After its last attempt a message is set aside, with the reason. One that ended the worker itself has none. */
async function setAside({ body }, env) {
  const failure = await env.VECTORS.get(failureName(body)).then((object) => object?.json());
  const record = failure ?? { ...body, error: 'the worker was ended: too much memory or time' };
  await env.VECTORS.put(deadName(body), JSON.stringify(record));
  await env.VECTORS.delete(failureName(body));
}

export default {
  /** POST /RUN?prefix=photos/ begins a run, or tries again what it lacks. */
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const [, run] = /^\/([\w.-]+)$/.exec(pathname) ?? [];
    if (request.method !== 'POST' || !run) return new Response('POST /RUN?prefix=PREFIX\n', { status: 404 });
    if (!env.TOKEN || request.headers.get('authorization') !== `Bearer ${env.TOKEN}`) {
      return new Response('the token of this worker is needed\n', { status: 401 });
    }
    await env.WORK.send({ kind: 'page', run, prefix: searchParams.get('prefix') ?? '', page: 0 });
    return Response.json({ run }, { status: 202 });
  },

  async queue(batch, env) {
    const isDead = batch.queue.endsWith('-dead');
    for (const message of batch.messages) await (isDead ? setAside : work)(message, env);
  },
};
