import * as edgeclip from './node_modules/edgeclip/dist/browser/index.js';
import * as worker from './node_modules/edgeclip/dist/browser/worker.js';
import * as bundle from './node_modules/edgeclip/dist/bundle/index.js';
import * as entry from './node_modules/edgeclip/dist/core/index.js';
import { PICTURES, runSuite } from './suite.js';

const fetched = async (path) => {
  const response = await fetch(new URL(path, import.meta.url));
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
};
const inPackage = (path) => `./node_modules/edgeclip/${path}`;

async function core() {
  return {
    entry,
    wasm: {
      simd: (await fetched(inPackage('dist/kernels-simd.wasm'))).buffer,
      pictures: await fetched(inPackage('dist/pictures.wasm')),
      webp: await fetched(inPackage('dist/webp.wasm')),
    },
    files: {
      'open_clip_config.json': await fetched(inPackage('weights/default/open_clip_config.json')),
      'tokenizer.json': await fetched(inPackage('weights/default/tokenizer.json')),
      'image.safetensors': await fetched(inPackage('weights/default/image.bin')),
      'text.safetensors': await fetched(inPackage('weights/default/text.bin')),
    },
  };
}

/** `page` and `worker` are cross-origin isolated under a strict policy, `open` is isolated without one, `plain` is neither. */
export async function run(mode) {
  const pictures = await Promise.all(PICTURES.map((name) => fetched(`./files/${name}`)));
  const kernels = ['simd', 'relaxed'];
  const noModel = '/no/such/model';
  if (mode === 'plain') {
    const results = await runSuite({
      edgeclip,
      bundle,
      worker,
      core: await core(),
      pictures,
      kernels,
      threads: [1],
      noModel,
    });
    const clip = await edgeclip.loadClip(undefined, { towers: ['image'], threads: 2 });
    const { count, reason } = clip.info().threads;
    clip.dispose();
    const told = count === 1 && /not cross-origin isolated/.test(reason);
    return { ...results, threads: told ? { groups: {} } : { error: `${count} threads: ${reason}` } };
  }
  if (!crossOriginIsolated) throw new Error('not cross-origin isolated');
  if (mode === 'open') return runSuite({ edgeclip, bundle, core: await core(), pictures, kernels: [], threads: [1, 2], noModel }); // biome-ignore format: one line
  return runSuite({ edgeclip, worker, pictures, kernels, threads: [1, 2, 4], noModel });
}
