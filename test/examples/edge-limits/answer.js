import { mostMemoryBytes } from './memories.js';

/** GET /load loads the model, POST /embed embeds a picture, GET /memory gives the most bytes of WebAssembly memory, GET /collect collects. */
export async function answer(request, load) {
  const { pathname } = new URL(request.url);
  if (pathname === '/idle') return new Response('idle');
  if (pathname === '/memory') return Response.json(mostMemoryBytes());
  if (pathname === '/collect') {
    for (let i = 0; i < 2; i++) gc(); // the second waits for buffers that the first gives back
    return new Response('collected');
  }
  const clip = await load();
  if (pathname === '/load') return Response.json(clip.info().memory.total);
  return Response.json([...(await clip.encodeImage(request, { orient: true }))]);
}
