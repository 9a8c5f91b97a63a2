// A folder of a user's photos: two good ones, one in a subfolder, a bad one, and a file of another kind.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PHOTOS } from './service.js';

const FILES = { 'cat.png': PHOTOS.cat, 'more/rocket.JPG': PHOTOS.rocket, 'bad.jpg': 'no picture', 'notes.txt': 'text' };

export function makePhotoFolder(folder) {
  for (const [name, content] of Object.entries(FILES)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
}
