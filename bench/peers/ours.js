// edgeclip as a contestant: a built package, given the same weights, picture and ids as the peers.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { largePhotoBytes } from '../large-photo.js';
import { filesOf } from './files.js';
import { rawPicture } from './pictures.js';
import { readIds } from './tasks.js';

const models = new URL('./models/', import.meta.url);
const here = new URL('../../', import.meta.url).href;
const folder = (/** @type {string} */ name) => fileURLToPath(new URL(`${name}-open-clip/`, models));
const MODELS = {
  image: folder('vit-b-32'),
  text: folder('vit-b-32'),
  rn50: folder('rn50'),
  small: 'default',
  files: 'default',
  crop: 'default',
};

/**
 * @param {import('./tasks.js').Task} task
 * @param {{ ids?: string, root?: string, model?: string }} options root: the checkout whose dist runs, as a URL;
 *   model: a folder, or `default` for the embedded model
 */
export async function open(task, { ids, root = here, model = MODELS[task.tower] }) {
  const { loadClip, preprocess } = await import(new URL('dist/index.js', root).href);
  const clip = await loadClip(model === 'default' ? undefined : model, {
    precision: task.precision,
    threads: task.threads,
    towers: [task.tower === 'text' ? 'text' : 'image'],
  });
  const { kernels, threads } = clip.info();
  if (threads.count !== task.threads) throw new Error(`${threads.count} of ${task.threads} threads: ${threads.reason}`);
  const version = `edgeclip ${JSON.parse(readFileSync(new URL('package.json', root), 'utf8')).version}`;
  if (task.tower === 'text') {
    if (!ids) throw new Error('the text task needs a file of ids');
    const rows = readIds(ids);
    return {
      version,
      detail: kernels,
      run: () => clip.encodeTokens(rows),
      first: async () => (await clip.encodeTokens(rows.slice(0, 1)))[0],
    };
  }
  if (task.tower === 'files') {
    const files = await filesOf(task.size);
    const options = task.scaled ? { scaled: true } : {};
    return {
      version: task.scaled ? `${version}, scaled` : version,
      detail: kernels,
      units: files.length,
      run: () => clip.encodeImage(files, options),
      first: () => clip.encodeImage(files[0], options),
    };
  }
  if (task.tower === 'crop') {
    const bytes = await largePhotoBytes(task.file);
    const run = cropper(task.scaled, (options) => preprocess(bytes, clip.preprocess, options));
    return { version, detail: '', run, first: async () => (await run()).data };
  }
  const picture = rawPicture();
  const run = () => clip.encodeImage(picture);
  return { version, detail: kernels, run, first: run };
}

/** A build that does not know `scaled` decodes the whole picture. */
function cropper(/** @type {boolean | undefined} */ scaled, /** @type {(options: object) => Promise<any>} */ crop) {
  let options = scaled ? { scaled } : {};
  return () =>
    crop(options).catch((error) => {
      if (!(error instanceof TypeError)) throw error;
      options = {};
      return crop(options);
    });
}
