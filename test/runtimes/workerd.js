// Runs what wrangler has bundled, in workerd by miniflare: node workerd.js FOLDER REQUEST [QUERY]. Prints the response.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Miniflare } from 'miniflare';

const [folder, request, query = ''] = process.argv.slice(2);
const types = { '.wasm': 'CompiledWasm', '.bin': 'Data', '.txt': 'Text' };
const main = 'worker.js';
const others = readdirSync(folder).flatMap((name) => {
  const type = types[/\.\w+$/.exec(name)?.[0]];
  return type ? [{ type, path: resolve(folder, name), contents: readFileSync(join(folder, name)) }] : [];
});
const miniflare = new Miniflare({
  modulesRoot: resolve(folder),
  modules: [
    { type: 'ESModule', path: resolve(folder, main), contents: readFileSync(join(folder, main), 'utf8') },
    ...others,
  ],
  compatibilityDate: '2026-01-01',
});
try {
  const response = await miniflare.dispatchFetch(`http://localhost/?${query}`, {
    method: 'POST',
    body: readFileSync(request),
  });
  console.log(await response.text());
} finally {
  await miniflare.dispose();
}
