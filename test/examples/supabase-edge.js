// Supabase runs functions in Deno, below /pictures. All is inside the JavaScript, so no file can be missing.
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { deno, versionOf } from './runtime.js';
import { serve } from './server.js';
import { checkService } from './service.js';

export default async function supabaseEdge({ folder, expected }) {
  cpSync(join(folder, 'supabase/functions/pictures'), folder, { recursive: true }); // to the installed package
  const server = await serve(deno, ['run', '--allow-net', 'index.ts'], folder);
  try {
    return { checks: await checkService(`${server.base}/pictures/`, { expected }), runtime: versionOf(deno) };
  } finally {
    await server.stop();
  }
}
