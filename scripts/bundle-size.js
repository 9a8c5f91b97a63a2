// Prints what a page pays for an import of the package before it computes: scripts that are loaded at once, minified and
// gzipped, with one build of the kernels. What import() loads later is not counted; the decoders of pictures are apart.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'rolldown';

/** Most bytes, gzipped. The image tower's aim is 60,000: what is left to split are the towers of other kinds. */
const BUDGETS = { image: 67_000, texts: 100_000 };

const DECODERS = /src\/image\/(?:jpeg-|png|inflater|webp|libwebp|codecs|byte-queue)/;
const gzipped = (content) => gzipSync(content).length;

/** The chunks of a program for browsers, without the decoders if they are left out. */
async function bundle(program, withDecoders) {
  const source = {
    name: 'program',
    resolveId(id) {
      if (id === 'program') return id;
      return /\/embedded\/.*\.js$/.test(id) ? { id, external: true } : undefined;
    },
    load(id) {
      if (id === 'program') return program;
      if (withDecoders || !DECODERS.test(id)) return;
      const names = readFileSync(id, 'utf8').matchAll(/^export (?:async )?(?:function|class|const) (\w+)/gm);
      return { code: Array.from(names, ([, name]) => `export let ${name};`).join('\n'), moduleType: 'js' };
    },
  };
  const { output } = await build({
    input: 'program',
    write: false,
    transform: { target: 'es2022' },
    platform: 'neutral',
    resolve: { conditionNames: ['edgeclip-browser', 'import', 'default'] },
    plugins: [source],
    output: { minify: true, comments: false },
  });
  return output;
}

/** Gzipped bytes of a chunk and of all that it imports at once. */
function startBytes(chunks, chunk) {
  const files = new Set([chunk]);
  for (const { imports } of files) {
    for (const file of chunks) if (imports.includes(file.fileName)) files.add(file);
  }
  return [...files].reduce((sum, { code }) => sum + gzipped(code), 0);
}

const from = (module, names) =>
  `import { ${names} } from '${process.cwd()}/src/${module}.ts'; globalThis.used = [${names}];`;
const image = from('image-only', 'loadClip, Classifier');
const full = from('index', 'loadClip');
const kernels = gzipped(readFileSync('dist/kernels-simd.wasm'));
const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;

const chunksOfImage = await bundle(image, false);
const start = startBytes(
  chunksOfImage,
  chunksOfImage.find(({ isEntry }) => isEntry),
);
const whole = await bundle(image, true);
const decoders =
  startBytes(
    whole,
    whole.find(({ isEntry }) => isEntry),
  ) -
  start +
  gzipped(readFileSync('dist/pictures.wasm'));
const chunksOfAll = await bundle(full, false);
const tokenizer = chunksOfAll.find(({ name }) => name === 'tokenizer');
const texts =
  startBytes(
    chunksOfAll,
    chunksOfAll.find(({ isEntry }) => isEntry),
  ) + gzipped(tokenizer.code);

console.log('in a bundle, minified and gzipped:');
console.log(`  image tower, ranking and one build of the kernels: ${kB(start + kernels)} of ${kB(BUDGETS.image)}`);
console.log(`  with texts: ${kB(texts + kernels)} of ${kB(BUDGETS.texts)}`);
console.log(`  decoders and resize of pictures: ${kB(decoders)}`);
if (start + kernels > BUDGETS.image || texts + kernels > BUDGETS.texts) process.exitCode = 1;
