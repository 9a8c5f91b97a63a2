import { loadClip } from 'edgeclip';

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

export const fail = (status, error, message, headers) => Response.json({ error, message }, { status, headers });

/** Embeds the picture of a request, and answers with what `answer(embedding, clip)` gives, or with what went wrong. */
export async function withPicture(request, answer) {
  if (!request.body) return fail(415, 'IMAGE_FORMAT', "the body is empty: send a picture's bytes");
  let clip;
  try {
    clip = await model();
  } catch (error) {
    console.error(error);
    return fail(503, 'NOT_READY', 'the model could not be loaded: try again', { 'retry-after': '1' });
  }
  try {
    const embedding = await clip.encodeImage(request, { maxBytes: MAX_BYTES, orient: true, signal: request.signal });
    return Response.json(await answer(embedding, clip));
  } catch (error) {
    if (STATUS[error.code]) return fail(STATUS[error.code], error.code, error.message);
    console.error(error);
    return fail(500, 'INTERNAL', 'the picture could not be processed');
  }
}

export const refuseMethod = ({ url }) => fail(405, 'METHOD', `use POST ${new URL(url).pathname}`, { allow: 'POST' });
