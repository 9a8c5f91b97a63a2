// Reports the sizes that people judge the package by, and holds the WebAssembly of our own to its budget.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

/** Bytes of both builds of the kernels and of the pictures' module, gzipped: what is transferred. */
const BUDGET = 64 * 1024;

const size = (path) => statSync(path).size;
const wasm = readdirSync('dist').filter((name) => name.endsWith('.wasm'));
let total = 0;
for (const name of wasm) {
  const gzipped = gzipSync(readFileSync(`dist/${name}`)).length;
  if (name.startsWith('kernels-') || name === 'pictures.wasm') total += gzipped;
  console.log(`dist/${name}: ${size(`dist/${name}`)} bytes, ${gzipped} gzipped`);
}
const scripts = readdirSync('dist', { recursive: true }).filter((name) => name.endsWith('.js'));
const isEmbedded = (name) => name.startsWith('embedded');
for (const [what, list] of [
  ['dist/embedded/*.js', scripts.filter(isEmbedded)],
  ['other dist/**/*.js', scripts.filter((name) => !isEmbedded(name))],
]) {
  console.log(`${what}: ${list.reduce((sum, name) => sum + size(`dist/${name}`), 0)} bytes in ${list.length} files`);
}
for (const name of readdirSync('weights/default'))
  console.log(`weights/default/${name}: ${size(`weights/default/${name}`)} bytes`);
if (total > BUDGET) {
  console.error(`kernels and pictures have ${total} bytes gzipped, more than ${BUDGET}`);
  process.exit(1);
}
console.log(`kernels and pictures: ${total} of ${BUDGET} bytes gzipped`);
