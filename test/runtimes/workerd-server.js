// Serves what wrangler has bundled, in workerd by miniflare, as a process of its own: miniflare wants Node 22.
// node workerd-server.js FOLDER [--assets=FOLDER] [--bucket]: the bucket is an empty one. Prints its address and that of its
// inspector, then what the worker prints; ends with its standard input.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Miniflare } from 'miniflare';

const { values, positionals } = parseArgs({
  options: { assets: { type: 'string' }, bucket: { type: 'boolean' } },
  allowPositionals: true,
});
const { assets, bucket } = values;
const [folder] = positionals;
const types = { '.wasm': 'CompiledWasm', '.bin': 'Data', '.txt': 'Text' };
const others = readdirSync(folder).flatMap((name) => {
  const type = types[/\.\w+$/.exec(name)?.[0]];
  return type ? [{ type, path: resolve(folder, name), contents: readFileSync(join(folder, name)) }] : [];
});
const miniflare = new Miniflare({
  name: 'worker',
  inspectorPort: 0,
  modulesRoot: resolve(folder),
  modules: [
    { type: 'ESModule', path: resolve(folder, 'worker.js'), contents: readFileSync(join(folder, 'worker.js'), 'utf8') },
    ...others,
  ],
  ...(assets && {
    assets: {
      directory: resolve(assets),
      binding: 'ASSETS',
      routerConfig: { has_user_worker: true, invoke_user_worker_ahead_of_assets: true },
    },
  }),
  ...(bucket && { r2Buckets: ['MODELS'] }),
  compatibilityDate: '2026-01-01',
});
const { href } = await miniflare.ready;
console.log(`${href}\ninspector: ${(await miniflare.getInspectorURL()).href}core:user:worker`);
process.stdin.resume();
process.stdin.once('end', () => miniflare.dispose());
