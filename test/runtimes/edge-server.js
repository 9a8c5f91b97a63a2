// Serves a bundled function in Vercel's edge runtime, with the files of public/ beside it: node edge-server.js FOLDER. With a
// file `away` in the folder, nothing of public/ is there. Prints how long the script took to start, and each file that is asked for.
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createHandler, EdgeRuntime } from 'edge-runtime';

const [folder] = process.argv.slice(2);
const modules = {};
for (const name of ['kernels-simd', 'pictures', 'webp']) {
  modules[`${name}.wasm`] = await WebAssembly.compile(
    readFileSync(join(folder, `node_modules/edgeclip/dist/${name}.wasm`)),
  );
}
const code = readFileSync(join(folder, 'edge/worker.js'), 'utf8');
const from = performance.now();
const runtime = new EdgeRuntime({
  initialCode: code,
  extend: (context) => Object.assign(context, { WASM: modules }),
});
console.log(`started in ${performance.now() - from} ms`);
const { handler } = createHandler({ runtime });
const server = createServer(async (request, response) => {
  if (!request.url.startsWith('/model/')) return handler(request, response);
  console.log(`file ${request.url}`);
  const file = join(folder, 'public', request.url);
  if (existsSync(join(folder, 'away')) || !existsSync(file)) return response.writeHead(404).end();
  response.end(readFileSync(file));
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume();
process.stdin.once('end', () => process.exit());
