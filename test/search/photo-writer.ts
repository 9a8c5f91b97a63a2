/** A program that adds photos to an index, two in a change, until it is killed, and says after each change which it was. */
import type { OpenPhotosOptions } from '../../src/search/photo-store.ts';

export const photoWriter = (place: string, dimension: number, options: OpenPhotosOptions = {}): string => `
  import { openPhotos } from ${JSON.stringify(new URL('../../dist/search.js', import.meta.url).href)};
  const store = await openPhotos(${JSON.stringify(place)}, ${JSON.stringify(options)});
  const first = (await store.count()) / 2;
  for (let i = first; ; i++) {
    const vector = Float32Array.from({ length: ${dimension} }, (_, j) => Math.sin(i + j));
    const at = (name) => ({ path: '/photos/' + name, size: i, mtime: i, hash: 'h', vector });
    await store.change({ add: [at(2 * i), at(2 * i + 1)] });
    process.stdout.write(i + '\\n');
  }`;
