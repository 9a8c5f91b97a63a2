/**
 * 12 megapixels from a file that is read as it is decoded: the peak of a process of its own beyond the loaded model, held to 4 MB for a
 * baseline JPEG and 6 MB for a PNG of 22 MB. For sources that fill a buffer of ours or reuse their own, and a `Blob`, whose chunks are
 * freed; `npm run bench -- --only memory` has others. Needs `npm run build`.
 */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { largePhoto } from '../../bench/large-photo.js';
import { goldenPath } from '../model/golden.ts';

const MB = 1e6;
const FILES = [
  ['baseline.jpg', goldenPath('preprocess/inputs/jpeg_q75_500x375.jpg'), 4 * MB],
  ['photo.png', goldenPath('photos/coffee.png'), 6 * MB],
] as const;
const path = await largePhoto();

const cases = FILES.flatMap(([name, small, most]) =>
  ['url', 'handle', 'reused', 'blob'].map((source) => ({ name, small, most, source })),
);

it.each(cases)('$name, $source', ({ name, small, most, source }) => {
  // The least of three: what runs beside it and the collector only add.
  const peaks = Array.from({ length: 3 }, () => {
    const args = ['--no-warnings', 'bench/children/photo.js', path(name), small, source];
    const { before, peak } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
    return peak - before;
  });
  console.log(`${name}, ${source}: ${peaks.map((peak) => (peak / MB).toFixed(1)).join(', ')} MB`);
  expect(Math.min(...peaks)).toBeLessThan(most);
});
