// The suite in Vercel's edge runtime, as a platform that bundles with the condition `edge-light` gives it: one script, with
// each `x.wasm?module` a module that the host has compiled. node edge.js FOLDER REQUEST [QUERY]
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EdgeRuntime } from 'edge-runtime';

/** As deployed: modules come from the host, and bytes are not compiled. */
const NO_BYTES = "WebAssembly.compile = async () => { throw new Error('this platform compiles no bytes'); };";

const [folder, request, query = ''] = process.argv.slice(2);
const modules = {};
for (const name of ['kernels-simd', 'kernels-relaxed', 'pictures', 'webp', 'search']) {
  const file = `${name}.wasm`;
  modules[file] = await WebAssembly.compile(readFileSync(join('node_modules/edgeclip/dist', file)));
}
const runtime = new EdgeRuntime({
  initialCode: `${NO_BYTES}\n${readFileSync(join(folder, 'worker.js'), 'utf8')}`,
  extend: (context) => Object.assign(context, { WASM: modules }),
});
const response = await runtime.dispatchFetch(`http://localhost/?${query}`, {
  method: 'POST',
  body: readFileSync(request),
});
console.log(await response.text());
