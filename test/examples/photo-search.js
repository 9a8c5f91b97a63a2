import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { node, run, versionOf } from './runtime.js';
import { PHOTOS } from './service.js';

export default async function photoSearch({ folder }) {
  const photos = {
    'cat.png': PHOTOS.cat,
    'more/rocket.JPG': PHOTOS.rocket,
    'bad.jpg': 'no picture',
    'notes.txt': 'text',
  };
  for (const [name, content] of Object.entries(photos)) {
    const path = join(folder, 'my photos', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
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
