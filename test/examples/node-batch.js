import assert from 'node:assert/strict';
import { join } from 'node:path';
import { makePhotoFolder } from './photo-folder.js';
import { node, run, versionOf } from './runtime.js';

export default async function nodeBatch({ folder, expected }) {
  makePhotoFolder(join(folder, 'my photos'));
  const { stdout, code } = await run(node, ['batch.js', 'my photos'], folder).catch((error) => error);
  const lines = stdout.trim().split('\n').map((line) => JSON.parse(line)); // biome-ignore format: one line
  assert.equal(code, 1); // as one failed
  assert.deepEqual(lines.map(({ file, label, error }) => [file, label ?? error]), [['bad.jpg', 'IMAGE_FORMAT'], ['cat.png', 'cat'], [join('more', 'rocket.JPG'), 'rocket']]); // biome-ignore format: one line
  assert.deepEqual(lines[1].embedding, expected.cat);
  assert.deepEqual(lines[2].embedding, expected.rocket);
  return { checks: 4, runtime: `Node ${versionOf(node)}` };
}
