import { Classifier, fetchedFiles, loadClip } from 'edgeclip/core';
import simd from 'edgeclip/kernels-simd.wasm?module';
import pictures from 'edgeclip/pictures.wasm?module';
import webp from 'edgeclip/webp.wasm?module';

export const config = { runtime: 'edge' };

const MAX_BYTES = 10_000_000; // of a picture's file
const STATUS = { IMAGE_FORMAT: 415, IMAGE_TRUNCATED: 400, IMAGE_TOO_LARGE: 413, IO: 400 };
const HELP = {
  'POST /classify': "a picture's bytes; gives the best labels (?top=5)",
  'POST /embed': "a picture's bytes; gives its vector",
};

/** The model and the labels, fetched once from public/model; after a failure the next request tries again. */
let loading;
function model(origin) {
  loading ??= load(`${origin}/model/`).catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(address) {
  const labels = await fetch(`${address}classifier.bin`);
  if (!labels.ok) throw new Error(`classifier.bin: status ${labels.status}`);
  const clip = await loadClip(fetchedFiles(address), { towers: ['image'], wasm: { simd, pictures, webp } });
  return { clip, classifier: Classifier.fromBytes(await labels.arrayBuffer(), clip) };
}

const fail = (status, error, message, headers) => Response.json({ error, message }, { status, headers });

export default async function handler(request) {
  const { origin, pathname, searchParams } = new URL(request.url);
  if (pathname === '/') {
    model(origin).catch(console.error); // so that the first picture need not wait
    return Response.json(HELP);
  }
  if (pathname !== '/classify' && pathname !== '/embed') return fail(404, 'NOT_FOUND', `there is no ${pathname}`);
  if (request.method !== 'POST') return fail(405, 'METHOD', `use POST ${pathname}`, { allow: 'POST' });
  const top = Number(searchParams.get('top') ?? 5);
  if (!(Number.isInteger(top) && top > 0)) return fail(400, 'TOP', 'top must be a positive whole number');
  if (!request.body) return fail(415, 'IMAGE_FORMAT', "the body is empty: send a picture's bytes");

  let ready;
  try {
    ready = await model(origin);
  } catch (error) {
    console.error(error);
    return fail(503, 'NOT_READY', 'the model could not be loaded: try again', { 'retry-after': '1' });
  }
  try {
    const options = { maxBytes: MAX_BYTES, orient: true, signal: request.signal };
    if (pathname === '/embed') return Response.json({ embedding: [...(await ready.clip.encodeImage(request, options))] });
    return Response.json({ labels: await ready.classifier.classify(request, { ...options, topK: top }) });
  } catch (error) {
    if (STATUS[error.code]) return fail(STATUS[error.code], error.code, error.message);
    console.error(error);
    return fail(500, 'INTERNAL', 'the picture could not be processed');
  }
}
