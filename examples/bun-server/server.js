import { loadClip } from 'edgeclip';

const LABELS = ['cat', 'dog', 'horse', 'bird', 'flower', 'car', 'bicycle', 'rocket', 'building', 'person', 'cup of coffee'];
const MAX_BYTES = 10_000_000; // of a picture's file
const STATUS = { IMAGE_FORMAT: 415, IMAGE_TRUNCATED: 400, IMAGE_TOO_LARGE: 413, IO: 400 };
const HELP = {
  'POST /classify': "a picture's bytes; gives the best labels (?top=5)",
  'POST /embed': "a picture's bytes; gives its vector",
};

/** The model, loaded once for all requests; after a failure the next request tries again. */
let loading;
function model() {
  loading ??= load().catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load() {
  const clip = await loadClip({ threads: 'auto' });
  return { clip, classifier: await clip.classifier(LABELS, { templates: 'openai-7' }) };
}

const fail = (status, error, message, headers) => Response.json({ error, message }, { status, headers });

async function handle(request) {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === '/') {
    model().catch(console.error); // so that the first picture need not wait
    return Response.json(HELP);
  }
  if (pathname !== '/classify' && pathname !== '/embed') return fail(404, 'NOT_FOUND', `there is no ${pathname}`);
  if (request.method !== 'POST') return fail(405, 'METHOD', `use POST ${pathname}`, { allow: 'POST' });
  const top = Number(searchParams.get('top') ?? 5);
  if (!(Number.isInteger(top) && top > 0)) return fail(400, 'TOP', 'top must be a positive whole number');
  if (!request.body) return fail(415, 'IMAGE_FORMAT', "the body is empty: send a picture's bytes");

  let ready;
  try {
    ready = await model();
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

const server = Bun.serve({ port: Number(process.env.PORT ?? 3000), maxRequestBodySize: 4 * MAX_BYTES, fetch: handle });
console.log(`listening on ${server.url.href}`);
model().catch(console.error); // warm before the first request
