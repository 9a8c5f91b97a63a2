import { join } from 'node:path';
import { build } from 'rolldown';

/** `x.wasm?module` as the platform gives it: a module that the host has compiled. */
const hostModules = {
  name: 'host-modules',
  resolveId: (id) => (id.endsWith('.wasm?module') ? `\0${id}` : undefined),
  load(id) {
    const file = /([\w-]+\.wasm)\?module$/.exec(id)?.[1];
    return id.startsWith('\0') && file ? `export default globalThis.WASM['${file}'];` : undefined;
  },
};

/** Bundles edge-entry.js of a folder to edge/worker.js, one script, with the condition `edge-light`. */
export async function bundleEdge(folder) {
  await build({
    input: join(folder, 'edge-entry.js'),
    cwd: folder,
    platform: 'neutral',
    resolve: { conditionNames: ['edge-light', 'import', 'default'] },
    plugins: [hostModules],
    output: { file: join(folder, 'edge/worker.js'), format: 'iife', codeSplitting: false, comments: false },
  });
}
