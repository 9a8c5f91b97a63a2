// Serves what wrangler has bundled, in workerd by miniflare, as a process of its own: miniflare wants Node 22.
// node workerd-server.js FOLDER. Prints its address, then what the worker prints; ends with its standard input.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Miniflare } from 'miniflare';

const [folder] = process.argv.slice(2);
const types = { '.wasm': 'CompiledWasm', '.bin': 'Data', '.txt': 'Text' };
const others = readdirSync(folder).flatMap((name) => {
  const type = types[/\.\w+$/.exec(name)?.[0]];
  return type ? [{ type, path: resolve(folder, name), contents: readFileSync(join(folder, name)) }] : [];
});
const miniflare = new Miniflare({
  modulesRoot: resolve(folder),
  modules: [
    { type: 'ESModule', path: resolve(folder, 'worker.js'), contents: readFileSync(join(folder, 'worker.js'), 'utf8') },
    ...others,
  ],
  compatibilityDate: '2026-01-01',
});
console.log((await miniflare.ready).href);
process.stdin.resume();
process.stdin.once('end', () => miniflare.dispose());
