// wrangler bundles it, workerd runs it by miniflare.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inside, node, packageVersion, run } from './runtime.js';
import { serve } from './server.js';
import { checkService, firstRequests } from './service.js';

/** In place of `edgeclip/image`: tells each load, and lets the first fail. */
const COUNTED = `export * from 'edgeclip/image';
import * as image from 'edgeclip/image';
let loads = 0;
export async function loadClip(...args) {
  console.log(\`load \${++loads}\`);
  if (loads === 1) {
    await new Promise((resolve) => setTimeout(resolve, 2000));
    throw new Error('the first load fails');
  }
  return image.loadClip(...args);
}
`;

const WORKERD = fileURLToPath(new URL('../runtimes/workerd-server.js', import.meta.url));

export default async function cloudflareWorker({ folder, expected }) {
  const wrangler = (...args) => run(node, [inside('wrangler/bin/wrangler.js'), 'deploy', '--dry-run', ...args], folder);
  const printed = await wrangler('--outdir', 'out'); // runs `npm run build`
  assert.match(printed, /Running: npm run build/);
  const upload = /Total Upload: (.*)/.exec(printed)[1];
  // Nothing of the text tower is in it.
  const files = readdirSync(join(folder, 'out'));
  assert.deepEqual(files.filter((name) => name.endsWith('.bin')).map((name) => name.replace(/^\w+-/, '')).sort(), ['classifier.bin', 'image.bin']); // biome-ignore format: one line
  const script = readFileSync(join(folder, 'out/worker.js'), 'utf8');
  assert.doesNotMatch(script, /startoftext|class TextTransformer/);

  let checks = 2;
  const server = await serve(node, [WORKERD, 'out'], folder);
  try {
    checks += await checkService(server.base, { expected });
  } finally {
    await server.stop();
  }

  // A load that fails is told and tried again; requests that come together share one.
  writeFileSync(join(folder, 'counted.js'), COUNTED);
  const source = readFileSync(join(folder, 'worker.js'), 'utf8');
  writeFileSync(join(folder, 'worker.js'), source.replace("'edgeclip/image'", "'./counted.js'"));
  await wrangler('--outdir', 'counted');
  const counted = await serve(node, [WORKERD, 'counted'], folder);
  try {
    assert.deepEqual(new Set(await firstRequests(counted.base)), new Set([503]));
    assert.deepEqual(new Set(await firstRequests(counted.base)), new Set([200]));
    assert.deepEqual(counted.printed().match(/load \d/g), ['load 1', 'load 2']);
    checks += 3;
  } finally {
    await counted.stop();
  }
  const runtime = `workerd ${packageVersion('workerd')}, wrangler ${packageVersion('wrangler')}`;
  return { checks, runtime, notes: [`upload ${upload}`] };
}
