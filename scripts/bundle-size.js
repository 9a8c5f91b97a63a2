// Prints what a page fetches of the package's code until it has ranked a picture, in a bundle made from the browsers' build:
// minified and gzipped, with one build of the kernels. The program is run, and every script that it loads counts, also by
// import(). Decoders and resize of pictures are apart.
import { readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { build } from 'rolldown';
import { browserInput, buildPlatform } from './platform-build.js';

/** Most bytes, gzipped. */
const BUDGETS = { image: 60_000, texts: 100_000 };

const DECODERS = /src\/image\/(?:jpeg-|png|inflater|webp|libwebp|codecs|byte-queue)/;
const withoutDecoders = {
  name: 'without-decoders',
  load(id) {
    if (!DECODERS.test(id)) return;
    const names = readFileSync(id, 'utf8').matchAll(/^export (?:async )?(?:function|class|const) (\w+)/gm);
    return { code: Array.from(names, ([, name]) => `export let ${name};`).join('\n'), moduleType: 'js' };
  },
};

/** Programs, each with the entry that it imports. */
const PROGRAMS = {
  texts: `
    import { loadClip } from 'edgeclip/index';
    export async function run(picture) {
      const clip = await loadClip();
      const classifier = await clip.classifier(['dog', 'cat']);
      return { ranked: await classifier.classify(picture), bytes: classifier.toBytes() };
    }`,
  image: `
    import { Classifier, loadClip } from 'edgeclip/image';
    export async function run(picture, labels) {
      const clip = await loadClip();
      return { ranked: await Classifier.fromBytes(labels, clip).classify(picture) };
    }`,
};

/** The chunks of a program. The folder is as deep as dist/browser, so addresses of files are true. */
async function bundle(name, library) {
  const program = {
    name: 'program',
    resolveId(id) {
      if (id.startsWith('edgeclip/')) return `${process.cwd()}/${library}/${id.slice(9)}.js`;
      return id === name ? id : undefined;
    },
    load: (id) => (id === name ? PROGRAMS[name] : undefined),
  };
  const { output } = await build({
    input: name,
    platform: 'neutral',
    transform: { target: 'es2022' },
    plugins: [program],
    output: {
      dir: `${library}-${name}`,
      minify: true,
      comments: false,
      chunkFileNames: '[name].js',
      // A chunk that is evaluated says so.
      postFooter: ({ fileName }) => `globalThis.evaluated?.add('${fileName}');`,
    },
  });
  return output;
}

const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const gzipped = (content) => gzipSync(content).length;

/** The names of the chunks that a program needs until it has an answer. */
async function evaluatedBy(name, ...input) {
  globalThis.evaluated = new Set();
  globalThis.fetch = async (address) => new Response(await readFile(new URL(address)));
  const { run } = await import(`${process.cwd()}/build/size-whole-${name}/${name}.js`);
  const { ranked, ...more } = await run(readFileSync('examples/cat.png'), ...input);
  if (ranked[0].label !== 'cat') throw new Error(`the program found a ${ranked[0].label}`);
  return { evaluated: globalThis.evaluated, ...more };
}

const plugins = { whole: [], bare: [withoutDecoders] };
for (const [library, own] of Object.entries(plugins)) {
  await buildPlatform('browser', { input: browserInput, dir: `build/size-${library}`, plugins: own });
}
const kernels = gzipped(readFileSync('dist/kernels-simd.wasm'));
const sizes = {};
let labels;
for (const name of Object.keys(PROGRAMS)) {
  const whole = await bundle(name, 'build/size-whole');
  const bare = await bundle(name, 'build/size-bare');
  const { evaluated, bytes } = await evaluatedBy(name, labels);
  labels ??= bytes;
  const total = (chunks) =>
    chunks.filter(({ fileName }) => evaluated.has(fileName)).reduce((sum, { code }) => sum + gzipped(code), 0);
  sizes[name] = { code: total(bare) + kernels, decoders: total(whole) - total(bare), chunks: [...evaluated] };
}
for (const library of Object.keys(plugins)) {
  for (const end of ['', '-texts', '-image']) rmSync(`build/size-${library}${end}`, { recursive: true });
}

const { image, texts } = sizes;
console.log('in a bundle, minified and gzipped:');
console.log(
  `  image tower, ranking and one build of the kernels: ${kB(image.code)} of ${kB(BUDGETS.image)} (${image.chunks.join(', ')})`,
);
console.log(`  with texts: ${kB(texts.code)} of ${kB(BUDGETS.texts)} (${texts.chunks.join(', ')})`);
console.log(`  decoders and resize of pictures: ${kB(image.decoders + gzipped(readFileSync('dist/pictures.wasm')))}`);
if (image.code > BUDGETS.image || texts.code > BUDGETS.texts) process.exitCode = 1;
