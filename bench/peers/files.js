// Tasks that begin with files: a list of them to embeddings, or one to its crop.
import { readFileSync } from 'node:fs';
import { largePhotoBytes } from '../large-photo.js';

const SMALL = new URL('../../test/golden/preprocess/inputs/jpeg_q75_500x375.jpg', import.meta.url);

/** Files of one run, so that two threads have enough to do. */
const COUNTS = { '500x375': 24, '4000x3000': 12 };

/** @typedef {'500x375' | '4000x3000'} FileSize @typedef {'baseline.jpg' | 'progressive.jpg' | 'photo.png'} LargeFile */

/** @returns {Promise<Uint8Array[]>} */
export async function filesOf(/** @type {FileSize} */ size) {
  const bytes = size === '500x375' ? new Uint8Array(readFileSync(SMALL)) : await largePhotoBytes('baseline.jpg');
  return Array(COUNTS[size]).fill(bytes);
}

/** Tasks that both builds and peers can do. */
export const FILE_TASKS = /** @type {const} */ (['500x375', '4000x3000']).flatMap((size) =>
  [1, 2].map((threads) => ({
    tower: /** @type {const} */ ('files'),
    precision: /** @type {const} */ ('int8'),
    threads,
    size,
  })),
);

/** Tasks of two builds: 12 megapixels to the crop. */
export const CROP_TASKS = [
  { name: 'crop/baseline', file: 'baseline.jpg' },
  { name: 'crop/scaled', file: 'baseline.jpg', scaled: true },
  { name: 'crop/progressive', file: 'progressive.jpg' },
  { name: 'crop/png', file: 'photo.png' },
].map(({ name, ...options }) => ({
  name,
  model: 'crop',
  task: { tower: /** @type {const} */ ('crop'), precision: /** @type {const} */ ('int8'), threads: 1, ...options },
}));
