// Bundled as Vercel does, run in its edge runtime; weights and labels come from public/.
import assert from 'node:assert/strict';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleEdge } from '../runtimes/bundle-edge.js';
import { node, packageVersion, run } from './runtime.js';
import { serve } from './server.js';
import { checkService, firstRequests } from './service.js';

const SERVER = fileURLToPath(new URL('../runtimes/edge-server.js', import.meta.url));

const PROGRAMS = new URL('edge-start/', import.meta.url);

/** From the script's start to its model's first answer, in milliseconds: median of three, each in a process of its own. */
async function firstLoad(program, folder) {
  copyFileSync(new URL(program, PROGRAMS), join(folder, 'edge-entry.js'));
  await bundleEdge(folder);
  const times = [];
  for (let i = 0; i < 3; i++) {
    const server = await serve(node, [SERVER, folder], folder);
    try {
      const from = performance.now();
      const response = await fetch(server.base);
      assert.equal(await response.json(), 384, `${program} answers with its model`);
      times.push(Number(/started in ([\d.]+) ms/.exec(server.printed())[1]) + performance.now() - from);
    } finally {
      await server.stop();
    }
  }
  return Math.round(times.toSorted((a, b) => a - b)[1]);
}

export default async function vercelEdge({ folder, expected }) {
  await run('npm', ['run', 'build'], folder);
  writeFileSync(join(folder, 'edge-entry.js'), "import handler from './api/pictures.js';\naddEventListener('fetch', (event) => event.respondWith(handler(event.request)));\n"); // biome-ignore format: one line
  await bundleEdge(folder);
  writeFileSync(join(folder, 'away'), '');
  const server = await serve(node, [SERVER, folder], folder);
  let checks = 3;
  try {
    assert.deepEqual(new Set(await firstRequests(server.base)), new Set([503]));
    rmSync(join(folder, 'away'));
    assert.deepEqual(new Set(await firstRequests(server.base)), new Set([200]));
    const weights = server.printed().match(/file \/model\/image\.bin/g);
    assert.equal(weights.length, 1, 'requests that come together share one load');
    checks += await checkService(server.base, { expected });
  } finally {
    await server.stop();
  }
  const bundled = await firstLoad('bundled.js', folder);
  const assets = await firstLoad('assets.js', folder);
  const notes = [`start and first load of the embedded image tower: ${bundled} ms bundled, ${assets} ms streamed from static assets`]; // biome-ignore format: one line
  return { checks: checks + 6, runtime: `edge-runtime ${packageVersion('edge-runtime')}`, notes };
}
