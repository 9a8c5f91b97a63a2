// Compiles assembly/ with asc, then lets Binaryen's wasm-opt go over the release builds.
// Output: dist/kernels-simd.wasm, dist/kernels-relaxed.wasm, dist/pictures.wasm, dist/search.wasm, and for tests build/kernels-debug.wasm and
// build/pictures-debug.wasm. The decoders of @jsquash are copied beside them, so that every platform finds all of its files at addresses of the package's own.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, statSync } from 'node:fs';

const run = (bin, args) => execFileSync(process.execPath, [`node_modules/${bin}`, ...args], { stdio: 'inherit' });

mkdirSync('build', { recursive: true });
mkdirSync('dist', { recursive: true });
const targets = {
  debug: { entry: 'assembly/index.ts' },
  simd: { entry: 'assembly/index.ts', file: 'kernels-simd.wasm' },
  relaxed: { entry: 'assembly/index.ts', file: 'kernels-relaxed.wasm' },
  'pictures-debug': { entry: 'assembly/pictures/index.ts' },
  pictures: { entry: 'assembly/pictures/index.ts', file: 'pictures.wasm' },
  search: { entry: 'assembly/search/index.ts', file: 'search.wasm' },
};
for (const [target, { entry, file }] of Object.entries(targets)) {
  run('assemblyscript/bin/asc.js', [entry, '--target', target]);
  if (file === undefined) continue;
  const input = `build/${file}`;
  const output = `dist/${file}`;
  // A tile inlined into its only caller would share that one's registers, and spill: asc, at level 1, inlines only where it is
  // told to, and this keeps wasm-opt from it.
  const flags = [
    '--one-caller-inline-max-function-size=100',
    '--enable-simd',
    '--enable-bulk-memory',
    '--enable-sign-ext',
    '--enable-mutable-globals',
    '--enable-nontrapping-float-to-int',
  ];
  if (target === 'relaxed') flags.push('--enable-relaxed-simd');
  run('binaryen/bin/wasm-opt', ['-O3', ...flags, input, '-o', output]);
  console.log(`${output} ${statSync(output).size} bytes`);
}
const decoders = {
  webp: 'webp/codec/dec/webp_dec.wasm',
};
for (const [name, file] of Object.entries(decoders)) {
  copyFileSync(`node_modules/@jsquash/${file}`, `dist/${name}.wasm`);
}
