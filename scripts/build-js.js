// Joins the sources into few files: a module costs Node half a millisecond and 100 kB, and there are seventy. What is loaded
// by import() stays apart. dist/chunks is as deep as src/platform, so that paths from there lead to the same files, and so is
// dist/browser.
import { chmodSync, readFileSync } from 'node:fs';
import { build } from 'rolldown';

const packages = Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).dependencies);

const library = { index: 'src/index.ts', 'text/tokenizer': 'src/text/tokenizer.ts' };
const shared = {
  transform: { target: 'es2022' },
  external: (id) => id.startsWith('node:') || packages.some((name) => id === name || id.startsWith(`${name}/`)),
};
const output = {
  entryFileNames: '[name].js',
  comments: false,
  codeSplitting: { groups: [{ name: 'library', test: /src[\\/]index\.ts$/ }] },
};

await build({
  ...shared,
  input: { ...library, 'cli/main': 'src/cli/main.ts' },
  platform: 'node',
  resolve: { conditionNames: ['edgeclip-source'] },
  output: { ...output, dir: 'dist', chunkFileNames: 'chunks/[name].js' },
});
await build({
  ...shared,
  input: library,
  platform: 'browser',
  resolve: { conditionNames: ['edgeclip-browser'] },
  output: { ...output, dir: 'dist/browser', chunkFileNames: '[name].js' },
});
// npx in a clone runs the file itself.
chmodSync('dist/cli/main.js', 0o755);
