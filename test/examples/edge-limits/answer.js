import { memoryBytes } from './memories.js';

/** GET /load loads the model, POST /embed embeds a picture, GET /memory gives bytes of WebAssembly memory. */
export async function answer(request, load) {
  const { pathname } = new URL(request.url);
  if (pathname === '/idle') return new Response('idle');
  if (pathname === '/memory') return Response.json(memoryBytes());
  const clip = await load();
  if (pathname === '/load') return Response.json(clip.info().memory.total);
  return Response.json([...(await clip.encodeImage(request, { orient: true }))]);
}
