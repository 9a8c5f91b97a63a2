// One platform's build of the package: which sources are joined into which files.
import { readFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { build } from 'rolldown';

const { dependencies, peerDependencies } = JSON.parse(readFileSync('package.json'));
const isOf = (packages, id) => Object.keys(packages).some((name) => id === name || id.startsWith(`${name}/`));
const isOptional = (id) => isOf(peerDependencies, id);
/** An optional one that runs in Node, Deno and Bun alone; see build-js.js for what stands for it elsewhere. */
const NODES = 'prom-client';
/** Of `edgeclip/serve`, which programs bundle: they have these packages once, with edgeclip. */
const isServers = (id) => isOf({ hono: true, zod: true }, id);
const isPackage = (id) => id.startsWith('node:') || isOf(dependencies, id) || isOptional(id);

export const library = { index: 'src/index.ts', tokenizer: 'src/text/tokenizer.ts' };
export const worker = { worker: 'src/worker/index.ts' };
export const search = { search: 'src/search/index.ts' };
export const serve = { serve: 'src/serve/index.ts' };
export const imageOnly = { image: 'src/image-only.ts' };
export const browserInput = {
  ...library,
  ...imageOnly,
  ...worker,
  ...search,
  'clip-worker': 'src/worker/script-web.ts',
  transformers: 'src/adapters/transformers.ts',
};

/** Large or binary files stay where they are: the build names them by their path from its folder. */
function assets(dir) {
  return {
    name: 'assets',
    resolveId(id, importer) {
      if (!/\.(?:wasm(?:\?module)?|bin)$|\/embedded\/(?:tokenizer|image|text|wasm|picture-thread)\.js$/.test(id))
        return;
      const path = relative(dir, new URL(id.replace(/\?.*/, ''), `file://${dirname(importer)}/`).pathname);
      return { id: `${path}${/\?.*|$/.exec(id)[0]}`, external: 'relative' };
    },
  };
}

/**
 * For Node, where nothing is transferred: the towers and the code of texts are in the file that is read anyway, as each more
 * takes a millisecond.
 */
const towersAtOnce = {
  name: 'towers-at-once',
  transform(code, id) {
    if (!/src[\\/](?:load|model[\\/]registry)\.ts$/.test(id)) return;
    const found = [];
    const late = /\bimport\('([^']*\/(?:encode-texts|(?:text|vision)-transformer|resnet)\.ts)'\)/g;
    const replaced = code.replace(late, (_, path) => `Promise.resolve(late${found.push(path) - 1})`);
    if (found.length === 0) throw new Error(`${id} has no import() of a tower`);
    return found.map((path, i) => `import * as late${i} from '${path}';\n`).join('') + replaced;
  },
};

// What edgeclip and edgeclip/worker share is a file of its own, so that both have the same classes. The caller's end of the
// worker is in no file that the worker loads: a bundler would go in circles.
const codeSplitting = {
  groups: [
    {
      name: 'clip',
      test: /src[\\/](?:clip|similarity|load-options|lookahead|open-model|weights[\\/]checked-files|engine[\\/]threads[\\/]control)\.ts$/,
      priority: 3,
    },
    { name: 'protocol', test: /src[\\/](?:sent-error|worker[\\/](?:protocol|remote-files))\.ts$/, priority: 2 },
    { name: 'caller', test: /src[\\/]worker[\\/]index\.ts$/, priority: 1 },
    { name: 'library', test: /src[\\/](?:index|image-only)\.ts$/ },
  ],
};

/** Writes one platform's build. `own`: dependencies are bundled, as that platform cannot find packages by name. */
export async function buildPlatform(
  name,
  { input = library, dir = `dist/${name}`, chunks = '[name]', own = true, plugins = [] } = {},
) {
  const node = name === 'node';
  await build({
    input,
    transform: { target: 'es2022' },
    platform: node ? 'node' : 'neutral',
    external: own ? (id) => isServers(id) || (isOptional(id) && id !== NODES) : isPackage,
    resolve: { conditionNames: [`edgeclip-${name}`, 'import', 'default'] },
    checks: { ineffectiveDynamicImport: false }, // of what stands for texts
    plugins: [...plugins, assets(dir), ...(node ? [towersAtOnce] : [])],
    output: {
      dir,
      entryFileNames: '[name].js',
      chunkFileNames: `${chunks}.js`,
      comments: false,
      codeSplitting,
    },
  });
}
