import { type Classifier, type Clip, loadClip } from 'edgeclip/bundle';

const LABELS = ['cat', 'dog', 'horse', 'bird', 'flower', 'car', 'bicycle', 'rocket', 'building', 'person', 'cup of coffee'];
const MAX_BYTES = 10_000_000; // of a picture's file
const STATUS: Record<string, number> = { IMAGE_FORMAT: 415, IMAGE_TRUNCATED: 400, IMAGE_TOO_LARGE: 413, IO: 400 };
const HELP = {
  'POST /classify': "a picture's bytes; gives the best labels (?top=5)",
  'POST /embed': "a picture's bytes; gives its vector",
};

/** The model, loaded once for all requests; after a failure the next request tries again. */
let loading: Promise<{ clip: Clip; classifier: Classifier }> | undefined;
function model() {
  loading ??= load().catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load() {
  const clip = await loadClip();
  return { clip, classifier: await clip.classifier(LABELS, { templates: 'openai-7' }) };
}

const fail = (status: number, error: string, message: string, headers: Record<string, string> = {}) =>
  Response.json({ error, message }, { status, headers });

async function handle(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const { searchParams } = url;
  const pathname = url.pathname.replace(/^\/pictures(?=\/|$)/, '') || '/'; // the function's name comes first
  if (pathname === '/') {
    model().catch(console.error); // so that the first picture need not wait
    return Response.json(HELP);
  }
  if (pathname !== '/classify' && pathname !== '/embed') return fail(404, 'NOT_FOUND', `there is no ${pathname}`);
  if (request.method !== 'POST') return fail(405, 'METHOD', `use POST ${pathname}`, { allow: 'POST' });
  const top = Number(searchParams.get('top') ?? 5);
  if (!(Number.isInteger(top) && top > 0)) return fail(400, 'TOP', 'top must be a positive whole number');
  if (!request.body) return fail(415, 'IMAGE_FORMAT', "the body is empty: send a picture's bytes");

  let ready: Awaited<ReturnType<typeof model>>;
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
    const { code = '', message } = error as { code?: string; message: string };
    if (STATUS[code]) return fail(STATUS[code], code, message);
    console.error(error);
    return fail(500, 'INTERNAL', 'the picture could not be processed');
  }
}

Deno.serve(handle);
