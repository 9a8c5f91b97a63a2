// The suite in Node, Deno and Bun; prints its results as JSON. Lies beside the installed package, with the pictures in files/.
// process.js [CHECKS]: names between commas; all without them.
import { readFile } from 'node:fs/promises';
import * as entry from 'edgeclip/core';
import { FILES, runSuite } from './suite.js';

/** An entry, and the milliseconds until it has the model. */
async function start(specifier) {
  const from = performance.now();
  const entry = await import(specifier);
  (await entry.loadClip(undefined, { kernels: 'simd' })).dispose();
  return { entry, ms: Math.round(performance.now() - from) };
}
const { entry: edgeclip, ms } = await start('edgeclip');
const { entry: worker, ms: workerMs } = await start('edgeclip/worker');
const { entry: bundle, ms: bundleMs } = await start('edgeclip/bundle');
const image = await import('edgeclip/image');
const search = await import('edgeclip/search');

const read = async (path) => new Uint8Array(await readFile(new URL(path, import.meta.url)));
const fromPackage = async (path) => new Uint8Array(await readFile(new URL(import.meta.resolve(`edgeclip/${path}`))));
const files = await Promise.all(FILES.map((name) => read(`files/${name}`)));
const core = {
  entry,
  wasm: {
    simd: await WebAssembly.compile(await fromPackage('kernels-simd.wasm')),
    pictures: (await fromPackage('pictures.wasm')).buffer,
    webp: await fromPackage('webp.wasm'),
  },
  files: {
    'open_clip_config.json': await fromPackage('weights/default/open_clip_config.json'),
    'tokenizer.json': await fromPackage('weights/default/tokenizer.json'),
    'image.safetensors': await fromPackage('weights/default/image.bin'),
    'text.safetensors': await fromPackage('weights/default/text.bin'),
  },
};
const only = process.argv[2]?.split(',');
const options = { kernels: ['simd', 'relaxed'], threads: [1, 2, 4], noModel: 'no such model', loop: true, only };
const results = await runSuite({ edgeclip, bundle, core, worker, image, search, files, ...options });
console.log(
  JSON.stringify({
    results,
    start: `edgeclip ${ms} ms, edgeclip/worker ${workerMs} ms, edgeclip/bundle ${bundleMs} ms`,
  }),
);
