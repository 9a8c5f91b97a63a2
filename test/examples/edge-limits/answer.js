import { mostMemoryBytes } from './memories.js';
import { readers } from './readers.js';

/**
 * GET /load loads the model, POST /embed embeds a picture, GET /memory gives the most bytes of WebAssembly memory, GET /readers how often
 * streams were read and how, GET /collect collects. A load that fails is told with its code.
 */
export async function answer(request, load) {
  const { pathname } = new URL(request.url);
  if (pathname === '/idle') return new Response('idle');
  if (pathname === '/memory') return Response.json(mostMemoryBytes());
  if (pathname === '/readers') return Response.json(readers);
  if (pathname === '/collect') {
    for (let i = 0; i < 2; i++) gc(); // the second waits for buffers that the first gives back
    return new Response('collected');
  }
  let clip;
  try {
    clip = await load();
  } catch (error) {
    return Response.json({ error: error.code, message: error.message }, { status: 503 });
  }
  if (pathname === '/load') return Response.json(clip.info().memory.total);
  return Response.json([...(await clip.encodeImage(request, { orient: true }))]);
}
