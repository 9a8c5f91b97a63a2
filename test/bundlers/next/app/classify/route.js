import { loadClip } from 'edgeclip';
import { answer } from '../../answer.js';

/** The pictures come from this server's own public folder. */
export async function GET(request) {
  const read = async (file) => new Uint8Array(await (await fetch(new URL(`/${file}`, request.url))).arrayBuffer());
  return Response.json(await answer(loadClip, read).catch((error) => `${error.stack ?? error}`));
}
