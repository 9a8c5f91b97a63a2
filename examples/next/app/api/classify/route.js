import { loadClip } from 'edgeclip';

const LABELS = ['cat', 'dog', 'horse', 'bird', 'flower', 'car', 'bicycle', 'rocket', 'building', 'person', 'cup of coffee'];
const MAX_LABELS = 50;
const MAX_BYTES = 10_000_000; // of a picture's file
const STATUS = { IMAGE_FORMAT: 415, IMAGE_TRUNCATED: 400, IMAGE_TOO_LARGE: 413, IO: 400 };

/** The model, loaded once for all requests; after a failure the next request tries again. */
let loading;
function model() {
  loading ??= loadClip().catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

const fail = (status, error, message, headers) => Response.json({ error, message }, { status, headers });

export async function POST(request) {
  const { searchParams } = new URL(request.url);
  const top = Number(searchParams.get('top') ?? 5);
  if (!(Number.isInteger(top) && top > 0)) return fail(400, 'TOP', 'top must be a positive whole number');
  const given = [...new Set(searchParams.getAll('label').map((label) => label.trim()))].filter(Boolean);
  if (given.length > MAX_LABELS) return fail(400, 'LABELS', `there may be ${MAX_LABELS} labels, not ${given.length}`);
  if (!request.body) return fail(415, 'IMAGE_FORMAT', "the body is empty: send a picture's bytes");

  let clip;
  try {
    clip = await model();
  } catch (error) {
    console.error(error);
    return fail(503, 'NOT_READY', 'the model could not be loaded: try again', { 'retry-after': '1' });
  }
  try {
    const { signal } = request;
    const picture = await clip.encodeImage(request, { maxBytes: MAX_BYTES, orient: true, signal });
    const classifier = await clip.classifier(given.length > 0 ? given : LABELS, { templates: 'openai-7', signal });
    return Response.json({ labels: await classifier.classify(picture, { topK: top }) });
  } catch (error) {
    if (STATUS[error.code]) return fail(STATUS[error.code], error.code, error.message);
    console.error(error);
    return fail(500, 'INTERNAL', 'the picture could not be processed');
  }
}

const refuse = () => fail(405, 'METHOD', 'use POST /api/classify', { allow: 'POST' });
export { refuse as DELETE, refuse as GET, refuse as PATCH, refuse as PUT };
