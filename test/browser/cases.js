import * as image from './node_modules/edgeclip/dist/browser/image.js';
import * as edgeclip from './node_modules/edgeclip/dist/browser/index.js';
import * as search from './node_modules/edgeclip/dist/browser/search.js';
import * as worker from './node_modules/edgeclip/dist/browser/worker.js';
import * as bundle from './node_modules/edgeclip/dist/bundle/index.js';
import * as entry from './node_modules/edgeclip/dist/core/index.js';
import { FILES, runSuite } from './suite.js';

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

/** B08: a server answers every file below app/ that is missing with a page, as development servers do. Models load from there. */
async function webPages() {
  const get = async (path) => (await fetch(`/app/${path}`)).json();
  if (!(await (await fetch('/app/missing.bin')).text()).startsWith('<!doctype html>')) return { error: 'no page came' };
  for (const model of ['tiny-vit', 'tiny-vit-hf']) {
    const clip = await edgeclip.loadClip(`/app/${model}/`, { precision: 'f32' });
    const expected = await get('tiny-vit/expected.json'); // both have the same weights
    const found = await clip.encodeTokens(expected.token_ids);
    clip.dispose();
    for (const [i, vector] of found.entries()) {
      const cosine = edgeclip.similarity(vector, Float32Array.from(expected.text_embeddings[i]));
      if (!(cosine > 0.999999)) return { error: `${model}: cosine ${cosine} of text ${i}` };
    }
  }
  const error = await edgeclip.loadClip('/app/nothing/').catch((error) => error);
  return /a web page came/.test(error.message) ? { groups: {} } : { error: `${error}` };
}

/** Tells the server, which names the check that hangs. */
const begun = (check) => fetch('/begun', { method: 'POST', body: check });

/**
 * A worker inside a worker answers although only its own listeners refer to it and the one outside collects garbage all the time:
 * Firefox ended it at work, and the caller waited forever.
 */
async function collecting(picture) {
  let garbage;
  const timer = setInterval(() => {
    garbage = Array.from({ length: 40_000 }, (_, i) => ({
      i,
      text: `garbage ${i}`,
      before: i === 0 && garbage?.length,
    }));
    for (let i = 0; i < 20; i++) {
      const { port1 } = new MessageChannel();
      port1.onmessage = () => port1;
      port1.close();
    }
  }, 2);
  try {
    for (let i = 0; i < 10; i++) {
      const clip = await worker.loadClip({ towers: ['image'] });
      await clip.encodeImage([picture, picture, picture]);
      clip.dispose();
    }
  } finally {
    clearInterval(timer);
  }
  return { groups: {} };
}

/** `page` and `worker` are cross-origin isolated under a strict policy, `open` is isolated without one, `plain` is neither. */
export async function run(mode, only) {
  const files = await Promise.all(FILES.map((name) => fetched(`./files/${name}`)));
  const kernels = ['simd', 'relaxed'];
  const noModel = '/no/such/model';
  if (mode === 'plain') {
    const results = await runSuite({
      edgeclip,
      bundle,
      worker,
      image,
      search,
      core: await core(),
      files,
      kernels,
      threads: [1],
      noModel,
      loop: true,
      only,
      begun,
    });
    await begun('threads');
    const clip = await edgeclip.loadClip(undefined, { towers: ['image'], threads: 2 });
    const { count, reason } = clip.info().threads;
    clip.dispose();
    const told = count === 1 && /not cross-origin isolated/.test(reason);
    const threads = told ? { groups: {} } : { error: `${count} threads: ${reason}` };
    await begun('web pages');
    return { ...results, threads, 'web pages': await webPages() };
  }
  if (!crossOriginIsolated) throw new Error('not cross-origin isolated');
  if (mode === 'open') return runSuite({ edgeclip, bundle, core: await core(), files, kernels: [], threads: [1, 2], noModel, only, begun }); // biome-ignore format: one line
  const results = await runSuite({
    edgeclip,
    worker,
    image,
    search,
    files,
    kernels,
    threads: [1, 2, 4],
    noModel,
    loop: true,
    only,
    begun,
  });
  if (mode === 'page' || (only && !only.includes('collecting'))) return results;
  await begun('collecting');
  return { ...results, collecting: await collecting(files[FILES.indexOf('photos/cat.png')]) };
}
