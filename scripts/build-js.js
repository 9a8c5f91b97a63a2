// Joins the sources into few files, once for each platform: a module costs Node half a millisecond and 100 kB, and there are
// a hundred. What is loaded by import() stays apart. Each platform's folder is as deep as src/platform, so that addresses
// relative to a source file lead to the same files from its build.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { build } from 'rolldown';
import { browserInput, buildPlatform, imageOnly, library, search, serve, worker } from './platform-build.js';

const read = (path) => readFileSync(path);

// The model and the WebAssembly files inside JavaScript.
const text = (value) =>
  `'${value
    .replace(/[\\'\u2028\u2029]/g, '\\$&')
    .replace(/\n/g, '\\n')
    .replace(/\r/g, '\\r')}'`;
const base64 = (path) => text(read(path).toString('base64'));
const wasm = ['simd', 'relaxed', 'pictures', 'webp'];
const wasmPath = (name) => (name in { simd: 1, relaxed: 1 } ? `dist/kernels-${name}.wasm` : `dist/${name}.wasm`);
const embedded = {
  config: `export default ${text(JSON.stringify(JSON.parse(read('weights/default/open_clip_config.json'))))};\n`,
  tokenizer: `export default ${text(JSON.stringify(JSON.parse(read('weights/default/tokenizer.json'))))};\n`,
  image: `export default ${base64('weights/default/image.bin')};\n`,
  text: `export default ${base64('weights/default/text.bin')};\n`,
  search: `export default ${base64('dist/search.wasm')};\n`,
  wasm: wasm.map((name) => `export const ${name} = ${base64(wasmPath(name))};\n`).join(''),
};

// What a thread loads to decode pictures: one script, without imports, that any kind of worker can run.
const { output: [pictureThread] } = await build({
  input: 'src/picture-threads/script.ts',
  transform: { target: 'es2022' },
  platform: 'neutral',
  resolve: { conditionNames: ['edgeclip-thread', 'import', 'default'] },
  output: { format: 'iife', minify: true, comments: false },
  write: false,
}); // biome-ignore format: as below
writeFileSync('dist/picture-thread.js', pictureThread.code);
embedded['picture-thread'] = `export default ${text(pictureThread.code)};\n`;

mkdirSync('dist/embedded', { recursive: true });
for (const [name, source] of Object.entries(embedded)) writeFileSync(`dist/embedded/${name}.js`, source);

/** The modules of Node as names that are looked up when used: no bundler for browsers lets an import of them pass. */
const lateBuiltins = {
  name: 'late-builtins',
  resolveId: (id) => (id.startsWith('node:') ? `\0${id}` : undefined),
  load(id) {
    if (!id.startsWith('\0node:')) return;
    const names = {
      'node:crypto': ['createHash'],
      'node:fs/promises': ['appendFile', 'copyFile', 'mkdir', 'open', 'readFile', 'readlink', 'rename', 'rm', 'stat', 'symlink', 'utimes', 'writeFile'], // biome-ignore format: one line
      'node:os': ['availableParallelism', 'getPriority', 'homedir', 'hostname'],
      'node:path': ['basename', 'dirname', 'join', 'relative', 'resolve'],
      'node:url': ['fileURLToPath'],
    };
    const module = id.slice(1);
    if (!names[module]) throw new Error(`edgeclip/bundle: which names of ${module}?`);
    return names[module]
      .map((name) => `export const ${name} = (...values) => process.getBuiltinModule('${module}').${name}(...values);`)
      .join('\n');
  },
};

/** For `edgeclip/image`: the code of texts is another file, which says that it is not there, and so are their weights. */
const withoutText = {
  name: 'without-text',
  resolveId(id) {
    const isText =
      /\/(?:text\/tokenizer|text\/wordpiece|text\/unigram|weights\/tokenizer-text|model\/text-transformer|text-transformer|encode-texts|text\/token-ids)\.ts$/;
    if (isText.test(id) || /\/(?:text\.bin|embedded\/(?:text|tokenizer)\.js)$/.test(id))
      return resolve('src/text/absent.ts');
  },
};

/** For workerd, which prom-client does not run in: a bundler would look for the modules of Node that it wants. */
const withoutMeasurements = {
  name: 'without-measurements',
  resolveId: (id) => (id === 'prom-client' ? '\0prom-client' : undefined),
  load: (id) => (id === '\0prom-client' ? "throw new Error('not here');" : undefined),
};

const nodeInput = {
  index: library.index,
  ...imageOnly,
  'text/tokenizer': library.tokenizer,
  'cli/main': 'src/cli/main.ts',
  ...serve,
  'adapters/langchain': 'src/adapters/langchain.ts',
  'adapters/ai-sdk': 'src/adapters/ai-sdk.ts',
  'adapters/transformers': 'src/adapters/transformers.ts',
  ...worker,
  ...search,
  'clip-worker': 'src/worker/script-node.ts',
};
await buildPlatform('node', { input: nodeInput, dir: 'dist', chunks: 'chunks/[name]', own: false });
// In browsers and Node what is imported later is not transferred, so `edgeclip/image` shares its files with `edgeclip`.
await buildPlatform('browser', { input: browserInput });
for (const [name, plugins, more] of [
  ['workerd', [withoutMeasurements], { ...worker, ...search, ...serve }],
  ['edge-light', [], { ...worker, ...search }],
  ['core', []],
  ['bundle', [lateBuiltins]],
]) {
  await buildPlatform(name, { input: { ...library, ...more }, plugins });
  if (name !== 'core')
    await buildPlatform(name, { input: imageOnly, chunks: 'image-[name]', plugins: [...plugins, withoutText] });
}

// The server's page.
await build({ input: { page: 'src/serve/page/page.ts' }, platform: 'browser', transform: { target: 'es2022' }, output: { dir: 'dist/page', minify: true, comments: false } }); // biome-ignore format: one line
for (const name of ['index.html', 'page.css', 'icon.svg']) copyFileSync(`src/serve/page/${name}`, `dist/page/${name}`);

// The worker thread of browsers.
const thread = { name: 'thread', resolveId: (id) => (id === 'thread' ? id : undefined), load: (id) => (id === 'thread' ? "export { WEB_PRELUDE } from './src/platform/web-worker.ts'; export { WORKER_SOURCE } from './src/engine/threads/worker-source.ts';" : undefined) }; // biome-ignore format: one line
const { output: [{ code }] } = await build({ input: 'thread', plugins: [thread], write: false, cwd: process.cwd() }); // biome-ignore format: one line
const { WEB_PRELUDE, WORKER_SOURCE } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
writeFileSync('dist/thread.js', `${WEB_PRELUDE}${WORKER_SOURCE}`);

// The licences of what is copied or built into dist (NOTICE).
const licences = ['webp'].flatMap((name) => [`@jsquash/${name}/LICENSE`, `@jsquash/${name}/codec/LICENSE.codec.md`]); // biome-ignore format: one line
licences.push('@huggingface/tokenizers/LICENSE', '@noble/hashes/LICENSE', 'entities/LICENSE');
const ruled = (path) => `${'='.repeat(120)}\n${path}\n${'='.repeat(120)}\n\n${read(`node_modules/${path}`)}`;
writeFileSync('dist/LICENSES.txt', licences.map(ruled).join('\n'));

// npx in a clone runs the file itself.
chmodSync('dist/cli/main.js', 0o755);
