// Bundles worker.js for the edge runtime: node bundle-edge.js FOLDER (its worker.js becomes edge/worker.js).
import { join } from 'node:path';
import { build } from 'rolldown';

const folder = process.argv[2];
const hostModules = {
  name: 'host-modules',
  resolveId: (id) => (id.endsWith('.wasm?module') ? { id: `\0${id}`, external: false } : undefined),
  load(id) {
    const file = /([\w-]+\.wasm)\?module$/.exec(id)?.[1];
    return id.startsWith('\0') && file ? `export default globalThis.WASM['${file}'];` : undefined;
  },
};
await build({
  input: join(folder, 'edge-entry.js'),
  cwd: folder,
  platform: 'neutral',
  resolve: { conditionNames: ['edge-light', 'import', 'default'] },
  plugins: [hostModules],
  output: { file: join(folder, 'edge/worker.js'), format: 'iife', codeSplitting: false, comments: false },
});
