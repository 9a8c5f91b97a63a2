// edgeclip as a contestant: the built package, given the same weights, picture and ids as the peers.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rawPicture } from './pictures.js';
import { readIds } from './tasks.js';

const models = new URL('./models/', import.meta.url);
const root = new URL('../../', import.meta.url);

/** @param {import('./tasks.js').Task} task @param {{ ids?: string }} options */
export async function open(task, { ids }) {
  const { loadClip } = await import(new URL('dist/index.js', root).href);
  // The small tower is the embedded model's.
  const directory = task.tower === 'small' ? undefined : fileURLToPath(new URL('vit-b-32-open-clip/', models));
  const clip = await loadClip(directory, {
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
  const picture = rawPicture();
  const run = () => clip.encodeImage(picture);
  return { version, detail: kernels, run, first: run };
}
