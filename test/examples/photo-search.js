import assert from 'node:assert/strict';
import { join } from 'node:path';
import { makePhotoFolder } from './photo-folder.js';
import { node, run, versionOf } from './runtime.js';

export default async function photoSearch({ folder }) {
  makePhotoFolder(join(folder, 'my photos'));
  const search = async (...words) => {
    const stdout = await run(node, ['search.js', 'my photos', ...words], folder); // although a photo is bad
    return stdout.trim().split('\n').map((line) => line.split(/ (.*)/s)); // biome-ignore format: one line
  };
  const [rocket, cat] = [await search('a', 'rocket'), await search('a photo of a cat')];
  assert.deepEqual(rocket.map(([, name]) => name), [join('more', 'rocket.JPG'), 'cat.png']); // biome-ignore format: one line
  assert.deepEqual(cat.map(([, name]) => name), ['cat.png', join('more', 'rocket.JPG')]); // biome-ignore format: one line
  assert.ok(Number(cat[0][0]) > 0.25 && Number(cat[1][0]) < 0.2, `cosines ${cat}`);
  return { checks: 3, runtime: `Node ${versionOf(node)}` };
}
