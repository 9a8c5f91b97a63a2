// The image tower's files, to be served beside the function.
import { copyFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

mkdirSync('public/model', { recursive: true });
for (const name of ['open_clip_config.json', 'image.bin']) {
  copyFileSync(fileURLToPath(import.meta.resolve(`edgeclip/weights/default/${name}`)), `public/model/${name}`);
}
