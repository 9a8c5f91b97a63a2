// Joins the sources into few files: a module costs Node half a millisecond and 100 kB, and there are seventy. What is loaded
// by import() stays apart. dist/chunks is as deep as src/platform, so that paths from there lead to the same files.
import { chmodSync, readFileSync } from 'node:fs';
import { build } from 'rolldown';

const packages = Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).dependencies);

await build({
  input: { index: 'src/index.ts', 'text/tokenizer': 'src/text/tokenizer.ts', 'cli/main': 'src/cli/main.ts' },
  platform: 'node',
  transform: { target: 'es2022' },
  resolve: { conditionNames: ['edgeclip-source'] },
  external: (id) => id.startsWith('node:') || packages.some((name) => id === name || id.startsWith(`${name}/`)),
  output: {
    dir: 'dist',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
    comments: false,
    codeSplitting: { groups: [{ name: 'library', test: /src[\\/]index\.ts$/ }] },
  },
});
// npx in a clone runs the file itself.
chmodSync('dist/cli/main.js', 0o755);
