// PUT /photos/NAME: a picture's vector into Vectorize. GET /search?words=...: the names of the five that fit best.
import { loadClip } from 'edgeclip';

const LIMITS = { maxBytes: 10_000_000, maxPixels: 16_000_000 }; // far below the 128 MB of a worker

/** The model, loaded once for all requests of this isolate; after a failure the next request tries again. */
let loading;
function model() {
  loading ??= loadClip().catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

/** A name of an address; undefined if it is not well-formed. */
function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return undefined;
  }
}

const fail = (status, message) => Response.json({ message }, { status });

export default {
  /**
   * @param {Request} request
   * @param {{ PHOTOS: Vectorize }} env
   */
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    if (request.method === 'PUT' && pathname.startsWith('/photos/')) {
      const id = decoded(pathname.slice('/photos/'.length));
      if (id === undefined) return fail(400, 'a name is percent-encoded UTF-8');
      if (id === '' || new TextEncoder().encode(id).length > 64) return fail(400, 'a name has 1 to 64 bytes');
      const clip = await model();
      try {
        const vector = await clip.encodeImage(await request.arrayBuffer(), { ...LIMITS, orient: true });
        await env.PHOTOS.upsert([{ id, values: vector }]);
        return Response.json({ id });
      } catch (error) {
        if (error.code?.startsWith('IMAGE_')) return fail(400, error.message);
        throw error;
      }
    }
    const words = searchParams.get('words');
    if (request.method === 'GET' && pathname === '/search' && words) {
      const clip = await model();
      const { matches } = await env.PHOTOS.query(await clip.encodeText(words), { topK: 5 });
      return Response.json(matches.map(({ id, score }) => ({ id, score })));
    }
    return fail(404, 'PUT /photos/NAME, or GET /search?words=...');
  },
};
