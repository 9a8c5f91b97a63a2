// Bundled as Vercel does, run in its edge runtime; weights and labels come from public/.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleEdge } from '../runtimes/bundle-edge.js';
import { node, packageVersion, run } from './runtime.js';
import { serve } from './server.js';
import { checkService, firstRequests } from './service.js';

const SERVER = fileURLToPath(new URL('../runtimes/edge-server.js', import.meta.url));

export default async function vercelEdge({ folder, expected }) {
  await run('npm', ['run', 'build'], folder);
  writeFileSync(join(folder, 'edge-entry.js'), "import handler from './api/pictures.js';\naddEventListener('fetch', (event) => event.respondWith(handler(event.request)));\n"); // biome-ignore format: one line
  await bundleEdge(folder);
  writeFileSync(join(folder, 'away'), '');
  const server = await serve(node, [SERVER, folder], folder);
  try {
    assert.deepEqual(new Set(await firstRequests(server.base)), new Set([503]));
    rmSync(join(folder, 'away'));
    assert.deepEqual(new Set(await firstRequests(server.base)), new Set([200]));
    const weights = server.printed().match(/file \/model\/image\.bin/g);
    assert.equal(weights.length, 1, 'requests that come together share one load');
    const checks = 3 + (await checkService(server.base, { expected }));
    return { checks, runtime: `edge-runtime ${packageVersion('edge-runtime')}` };
  } finally {
    await server.stop();
  }
}
